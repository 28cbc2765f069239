"""Derivative rules of the functions of ``scipy.sparse`` that make matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as ss

from checkpointer.boxes import plain
from checkpointer.creation import asarray
from checkpointer.scipy.aware import Call, Rules, concrete
from checkpointer.scipy.entries import Entries, assembled, entries_of, joined

RULES = Rules(ss)
rule = RULES.rule


def _on_diagonal(values: Any, offset: int, shape: tuple[int, int]) -> Entries:
    """The triplets of one diagonal; a single value fills it."""
    length = max(0, min(shape[0] + min(offset, 0), shape[1] - max(offset, 0)))
    steps = np.arange(length)
    values = asarray(values)
    filled = (
        np.broadcast_to(values.reshape(-1), (length,)) if np.size(plain(values)) == 1 else values[:length]
    )
    return Entries(steps + max(0, -offset), steps + max(0, offset), filled, shape)


@rule("diags diags_array", "diagonals")
def _diags(call: Call) -> Any:
    value, given = call.run(), call.given["diagonals"]
    offsets = np.atleast_1d(concrete(call["offsets"]))
    alone = np.ndim(call["offsets"]) == 0 and not _is_nested(given)
    parts = [given] if alone else list(given)
    pieces = [
        _on_diagonal(part, int(offset), value.shape) for part, offset in zip(parts, offsets, strict=True)
    ]
    return assembled(value, joined(pieces, value.shape))


def _is_nested(given: Any) -> bool:
    """Whether the diagonals are a sequence of sequences."""
    return len(given) > 0 and np.ndim(plain(given[0])) > 0


@rule("spdiags", "data")
def _spdiags(call: Call) -> Any:
    value, data = call.run(), asarray(call.given["data"])
    if np.ndim(plain(data)) == 1:
        data = data.reshape(1, -1)
    pieces = []
    for row, offset in enumerate(np.atleast_1d(concrete(call["diags"])).tolist()):
        columns = np.arange(max(0, offset), min(value.shape[1], value.shape[0] + offset, data.shape[1]))
        pieces.append(Entries(columns - offset, columns, data[row, columns], value.shape))
    return assembled(value, joined(pieces, value.shape))


def _kron(left: Entries, right: Entries) -> Entries:
    first = np.repeat(np.arange(len(left.rows)), len(right.rows))
    second = np.tile(np.arange(len(right.rows)), len(left.rows))
    return Entries(
        left.rows[first] * right.shape[0] + right.rows[second],
        left.columns[first] * right.shape[1] + right.columns[second],
        left.values[first] * right.values[second],
        (left.shape[0] * right.shape[0], left.shape[1] * right.shape[1]),
    )


def _matrix(given: Any) -> Entries:
    """The triplets of an operand, which may be a dense matrix."""
    return entries_of(given if ss.issparse(given) else ss.coo_matrix(given))


def _identity(size: int) -> Entries:
    return Entries(np.arange(size), np.arange(size), np.ones(size), (size, size))


@rule("kron", "A B")
def _kronecker(call: Call) -> Any:
    return assembled(call.run(), _kron(_matrix(call.given["A"]), _matrix(call.given["B"])).added_up())


@rule("kronsum", "A B")
def _kronecker_sum(call: Call) -> Any:
    value, a, b = call.run(), _matrix(call.given["A"]), _matrix(call.given["B"])
    left, right = _kron(_identity(b.shape[0]), a), _kron(b, _identity(a.shape[0]))
    return assembled(value, joined([left, right], value.shape).added_up())


def _stacked(call: Call, rows: Sequence[Sequence[Any]]) -> Any:
    """A matrix of blocks, of which some are None."""
    value = call.run()
    heights = [next(_matrix(block).shape[0] for block in row if block is not None) for row in rows]
    widths = [
        next(_matrix(row[place]).shape[1] for row in rows if row[place] is not None)
        for place in range(len(rows[0]))
    ]
    pieces = list(_placed(rows, np.cumsum([0, *heights]), np.cumsum([0, *widths]), value.shape))
    return assembled(value, joined(pieces, value.shape).added_up())


def _placed(rows: Any, tops: Any, lefts: Any, shape: tuple[int, int]) -> Iterator[Entries]:
    for row, top in zip(rows, tops, strict=False):
        for block, left in zip(row, lefts, strict=False):
            if block is not None:
                part = _matrix(block)
                yield Entries(part.rows + top, part.columns + left, part.values, shape)


@rule("bmat block_array", "blocks")
def _blocks(call: Call) -> Any:
    return _stacked(call, call.given["blocks"])


@rule("hstack", "blocks")
def _hstack(call: Call) -> Any:
    return _stacked(call, [list(call.given["blocks"])])


@rule("vstack", "blocks")
def _vstack(call: Call) -> Any:
    return _stacked(call, [[block] for block in call.given["blocks"]])


@rule("block_diag", "mats")
def _block_diag(call: Call) -> Any:
    value, parts = call.run(), [_matrix(part) for part in call.given["mats"]]
    tops = np.cumsum([0] + [part.shape[0] for part in parts])
    lefts = np.cumsum([0] + [part.shape[1] for part in parts])
    pieces = [
        Entries(part.rows + top, part.columns + left, part.values, value.shape)
        for part, top, left in zip(parts, tops, lefts, strict=False)
    ]
    return assembled(value, joined(pieces, value.shape).added_up())


@rule("tril triu", "A")
def _triangle(call: Call) -> Any:
    value, entries, k = call.run(), _matrix(call.given["A"]), call["k"]
    above = entries.columns - entries.rows
    inside = above <= k if call.original.__name__ == "tril" else above >= k
    return assembled(value, entries.chosen(np.flatnonzero(inside)))
