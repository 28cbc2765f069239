"""``splu``, ``spilu`` and ``factorized``: factors that know the matrix that they were made of.

SciPy's own ``SuperLU`` is an opaque object of a compiled type. These functions always return a thin cover of one: factors
that are made in one iteration and used in later ones carry the derivative with respect to their matrix, which is part of
the loop's state (`checkpointer.containers.Held`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as ss
import scipy.sparse.linalg as sl

from checkpointer.active import active
from checkpointer.boxes import is_varied, plain
from checkpointer.containers import Held
from checkpointer.creation import asarray
from checkpointer.refusals import refuse
from checkpointer.scipy.aware import concrete, once, record, traced_values, unwatched
from checkpointer.scipy.entries import assembled, entries_of, sampled, terms_of

_TRANSPOSED = {"N": "T", "T": "N", "H": "N"}


class Factors(Held):
    """An LU decomposition: a ``SuperLU`` that solves for traced right-hand sides, too.

    Attributes
    ----------
    matrix : sparse matrix or None
        What was decomposed, as it was then; None for an incomplete decomposition.
    """

    def __init__(self, decomposition: Any, matrix: Any) -> None:
        self.decomposition = decomposition
        self.matrix = matrix

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(lu, SuperLU) has to hold
        return type(self.decomposition)

    def __getattr__(self, name: str) -> Any:
        if name in ("decomposition", "matrix"):  # not set yet
            raise AttributeError(name)
        return getattr(self.decomposition, name)

    def __dir__(self) -> list[str]:
        return dir(self.decomposition)

    def solve(self, rhs: Any, trans: str = "N") -> Any:
        if active.tape is None or not any(True for _ in traced_values((rhs, self.matrix))):
            return self.decomposition.solve(rhs, trans)
        return self._solve(asarray(rhs), trans)

    def _solve(self, rhs: Any, trans: str) -> Any:
        decomposition = self.decomposition
        value = decomposition.solve(plain(rhs), trans)
        conjugate = np.conj if trans == "H" else _same

        @once
        def rhs_adjoint(g: Any) -> Any:
            return conjugate(decomposition.solve(conjugate(g), _TRANSPOSED[trans]))

        x = value.copy()

        def matrix_adjoint(rows: Any, columns: Any, g: Any) -> Any:
            rows, columns = (rows, columns) if trans == "N" else (columns, rows)
            return -conjugate(sampled(rows, columns, rhs_adjoint(g), x))

        return record(value, *terms_of(self.matrix, matrix_adjoint), (rhs, rhs_adjoint))


def _same(x: Any) -> Any:
    return x


def _known(matrix: Any) -> Any:
    """A copy of the matrix that was decomposed, traced if it is."""
    if not ss.issparse(matrix):
        return None
    copy = unwatched(matrix).tocsc(copy=True)
    return assembled(copy, entries_of(matrix)) if _is_differentiated(matrix) else copy


def _is_differentiated(matrix: Any) -> bool:
    return active.tape is not None and any(map(is_varied, traced_values(matrix)))


@functools.wraps(sl.splu)
def splu(A: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803  SciPy's name
    return Factors(sl.splu(concrete(A), *args, **kwargs), _known(A))


@functools.wraps(sl.spilu)
def spilu(A: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803
    if _is_differentiated(A):
        raise refuse(
            "CKP201",
            "scipy.sparse.linalg.spilu was called on a matrix that is being differentiated, and which entries it leaves away"
            " depends on their values",
            "use splu, or an incomplete decomposition of a constant matrix",
        )
    return Factors(sl.spilu(concrete(A), *args, **kwargs), None)


@functools.wraps(sl.factorized)
def factorized(A: Any) -> Callable[..., Any]:  # noqa: N803
    solve: Callable[..., Any] = sl.factorized(concrete(A))
    decomposition = getattr(solve, "__self__", None)
    if isinstance(decomposition, sl.SuperLU):
        return Factors(decomposition, _known(A)).solve
    if active.tape is not None:
        raise refuse(
            "CKP201",
            "scipy.sparse.linalg.factorized uses UMFPACK here, whose decomposition cannot be differentiated",
            "use scipy.sparse.linalg.splu(A).solve",
        )
    return solve
