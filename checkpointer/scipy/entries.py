"""What a sparse matrix consists of, as traced values: triplets of row, column and entry.

A differentiated sparse matrix is an object of SciPy's own class whose ``data`` is a traced array. SciPy computes every
result on concrete matrices, so values, formats and the order of the entries are its own. Beside that the same operation is
done on the triplets, with NumPy on traced values, and `assembled` connects the two: an entry that SciPy stores is the sum
of the triplets at its place.

SciPy drops entries that come out as exactly zero. Their derivatives are not zero, so they stay with the matrix apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from checkpointer.arrays import TracedArray
from checkpointer.boxes import is_traced, is_varied, plain, view_of
from checkpointer.containers import DROPPED, is_sparse
from checkpointer.memory import Memory
from checkpointer.refusals import refuse
from checkpointer.scipy.aware import record, unwatched
from checkpointer.tape import Operation, node_of


class Entries:
    """Triplets; those at one place add up.

    Attributes
    ----------
    rows, columns : integer arrays
    values : 1-D array, traced or plain
    shape : (int, int)
    """

    __slots__ = ("columns", "rows", "shape", "values")

    def __init__(self, rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> None:
        self.rows = np.asarray(rows, np.int64)
        self.columns = np.asarray(columns, np.int64)
        self.values = values
        self.shape = shape

    @property
    def keys(self) -> Any:
        """One integer for each place, in the order of the rows."""
        return self.rows * self.shape[1] + self.columns

    def having(self, values: Any) -> Entries:
        """Other values at the same places."""
        return Entries(self.rows, self.columns, values, self.shape)

    def chosen(self, which: Any) -> Entries:
        """Some of the triplets."""
        return Entries(self.rows[which], self.columns[which], self.values[which], self.shape)

    def transposed(self) -> Entries:
        return Entries(self.columns, self.rows, self.values, self.shape[::-1])

    def added_up(self) -> Entries:
        """One triplet for each place, in the order of the rows."""
        keys, place = np.unique(self.keys, return_inverse=True)
        if len(keys) == len(place):
            return self.chosen(np.argsort(self.keys))
        values = self.values
        total = np.zeros(len(keys), plain(values).dtype)
        np.add.at(total, place, plain(values))
        made = record(total, (values, lambda g: g[place])) if is_varied(values) else total
        return Entries(keys // self.shape[1], keys % self.shape[1], made, self.shape)

    def of(self, rows: Any, columns: Any) -> Any:
        """Where these places stand among triplets that are added up; -1 where there is none."""
        return found(self.keys, np.asarray(rows, np.int64) * self.shape[1] + columns)


def found(keys: Any, wanted: Any) -> Any:
    """The places of integers in a sorted array; -1 where it does not have them."""
    places = np.searchsorted(keys, wanted)
    places[places == len(keys)] = 0
    return np.where(keys[places] == wanted, places, -1) if len(keys) else np.full(np.shape(wanted), -1)


class Dropped(Entries):
    """Differentiated entries that SciPy does not store because they are zero."""

    def guarded(self, data: Any) -> Any:
        """The matrix' data as it is left in the loop's state.

        What is stored goes on from there, and what is not does not: an adjoint that comes back is incomplete.
        """
        memory = Memory(data._value, varied=True)
        node = node_of(data._node.tape, data._value, memory)
        data._node.tape.entries.append(Operation(_incomplete, [data._node], node))
        return TracedArray(data._value, data._trace, node)


def _incomplete(g: Any) -> Any:
    raise refuse(
        "CKP225",
        "a sparse matrix in the loop's state was made of differentiated values of which some are exactly zero; SciPy does"
        " not store these, and their derivative would be lost between two iterations",
        "assemble the matrix in the iteration that uses it, or keep the array of its values and assemble it from there",
    )


def numbered(matrix: Any) -> Any:
    """A plain matrix in triplets, with the number of each stored element, from one on, in the place of its value."""
    made = object.__new__(type(matrix))
    vars(made).update(vars(matrix))
    made.data = np.arange(1, matrix.data.size + 1).reshape(matrix.data.shape)
    return made.tocoo()


def entries_of(matrix: Any) -> Entries:
    """The triplets of a sparse matrix, traced if it is."""
    concrete = unwatched(matrix)
    if concrete.ndim != 2:
        raise refuse(
            "CKP201",
            f"a sparse array with {concrete.ndim} axis in an operation on differentiated values",
            "use a dense array, or a sparse matrix with one row",
        )
    if not is_sparse(concrete):
        concrete = matrix = concrete.tocoo()
    numbers = numbered(concrete)
    data = matrix.data if is_traced(matrix.data) else matrix.data.copy()
    places = numbers.data - 1
    if data.ndim != 1 or not np.array_equal(places, np.arange(len(places))):
        data = data.reshape(-1)[places]
    stored = Entries(numbers.row, numbers.col, data, concrete.shape)
    dropped = vars(matrix).get(DROPPED)
    return stored if dropped is None else joined([stored, dropped], concrete.shape)


def joined(parts: Sequence[Entries], shape: tuple[int, int]) -> Entries:
    """The triplets of a sum."""
    return Entries(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
        shape,
    )


def assembled(matrix: Any, entries: Entries) -> Any:
    """Let the data of a plain matrix be traced: it was made by SciPy, and is the sum of these triplets."""
    if not is_varied(entries.values):
        return matrix
    if not is_sparse(matrix):
        raise refuse(
            "CKP201",
            f"a {type(matrix).__name__}, which keeps its entries in lists or a dict, would be made of values that are being"
            " differentiated",
            "call tocsr() before the operation",
        )
    if matrix.data.dtype.kind not in "fc":
        return matrix
    numbers = numbered(matrix)
    keys = numbers.row.astype(np.int64) * entries.shape[1] + numbers.col
    if np.array_equal(keys, entries.keys):
        places = numbers.data - 1
        matrix.data = record(matrix.data, (entries.values, lambda g: g.reshape(-1)[places]))
        return matrix
    order = np.argsort(keys)
    if np.any(np.diff(keys[order]) == 0):
        raise refuse(
            "CKP201",
            "an operation on differentiated values that makes a sparse matrix with several entries at one place",
            "call tocsr() on its operands first, which adds them up",
        )
    places = found(keys[order], entries.keys)
    stored = places >= 0
    places = numbers.data[order][places] - 1 if len(keys) else places

    def pullback(g: Any) -> Any:
        return np.where(stored, g.reshape(-1)[places], 0) if g.size else np.zeros(len(stored))

    matrix.data = record(matrix.data, (entries.values, pullback))
    if not stored.all():
        rest = entries.chosen(~stored)
        setattr(matrix, DROPPED, Dropped(rest.rows, rest.columns, rest.values, rest.shape))
    return matrix


def shares(matrix: Any, source: Any) -> bool:
    """Whether a plain matrix has its data in the memory of a traced array; then the tape watches it from now on."""
    view = view_of(matrix.data, [source])
    if view is None:
        return False
    matrix.data = view
    return True


def product(left: Entries, right: Entries) -> Entries:
    """The triplets of a matrix product: one for every pair of entries that meet."""
    order = np.argsort(right.rows, kind="stable")
    starts = np.searchsorted(right.rows[order], np.arange(right.shape[0] + 1))
    counts = np.diff(starts)[left.columns]
    first = np.repeat(np.arange(len(left.rows)), counts)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    second = order[np.repeat(starts[left.columns], counts) + offset]
    values = left.values[first] * right.values[second]
    return Entries(
        left.rows[first], right.columns[second], values, (left.shape[0], right.shape[1])
    ).added_up()


def sampled(rows: Any, columns: Any, left: Any, right: Any) -> Any:
    """The entries of ``left rightᵀ`` at some places, for vectors, or summed over the columns of two matrices."""
    products = left[rows] * right[columns]
    return products if products.ndim == 1 else products.sum(axis=1)


def terms_of(matrix: Any, adjoint_at: Callable[[Any, Any, Any], Any]) -> list[tuple[Any, Any]]:
    """The data of a matrix, with the pullback of a dense result.

    ``adjoint_at(rows, columns, g)`` is the adjoint of the entries at these places. They are looked up on the way back.
    """
    if not is_sparse(matrix) or not is_traced(matrix.data):
        return []
    concrete = kept(matrix)

    def pullback(g: Any) -> Any:
        numbers = numbered(concrete)
        adjoint = adjoint_at(numbers.row, numbers.col, g)
        total = np.zeros(concrete.data.size, adjoint.dtype)
        total[numbers.data - 1] = adjoint
        return total.reshape(concrete.data.shape)

    dropped = vars(matrix).get(DROPPED)
    terms = [(matrix.data, pullback)]
    if dropped is not None:
        terms.append((dropped.values, lambda g: adjoint_at(dropped.rows, dropped.columns, g)))
    return terms


def kept(matrix: Any) -> Any:
    """The concrete matrix, safe to be kept until the way back, where writes to watched arrays are undone."""
    return unwatched(matrix) if is_sparse(matrix) and is_traced(matrix.data) else matrix.copy()
