"""Derivative rules of ``scipy.sparse.linalg``.

For ``x = A⁻¹ b`` the adjoints are ``λ = A⁻ᵀ x̄``, ``b̄ = λ``, and ``-λᵢ xⱼ`` for the entries of A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as ss
import scipy.sparse.linalg as sl

from checkpointer.scipy.aware import Call, Rules, once, record
from checkpointer.scipy.entries import kept, sampled, terms_of

RULES = Rules(sl)
rule = RULES.rule


@rule("spsolve", "A b")
def _spsolve(call: Call) -> Any:
    a, b = call.given["A"], call.given["b"]
    if ss.issparse(b) or not ss.issparse(a):
        raise call.refuse(
            "with a sparse right-hand side or a dense matrix", "use arrays for b, sparse matrices for A"
        )
    value = call.run()
    matrix, x = kept(a), value.copy()

    @once
    def rhs(g: Any) -> Any:
        back = sl.splu(matrix.tocsc().astype(np.result_type(matrix.dtype, g)))
        return back.solve(g.astype(back.L.dtype), trans="T")

    return record(value, *terms_of(a, lambda rows, columns, g: -sampled(rows, columns, rhs(g), x)), (b, rhs))


@rule("spsolve_triangular", "A b")
def _spsolve_triangular(call: Call) -> Any:
    a = call.given["A"]
    if not ss.issparse(a):
        raise call.refuse("with a dense matrix", "use scipy.linalg.solve_triangular")
    value, matrix = call.run(), kept(a)
    x, lower, unit = value.copy(), call["lower"], call["unit_diagonal"]

    @once
    def rhs(g: Any) -> Any:
        return sl.spsolve_triangular(matrix.T.tocsr(), g, lower=not lower, unit_diagonal=unit)

    def matrix_adjoint(rows: Any, columns: Any, g: Any) -> Any:
        below = rows - columns if lower else columns - rows
        return np.where(below >= unit, -sampled(rows, columns, rhs(g), x), 0)

    return record(value, *terms_of(a, matrix_adjoint), (call.given["b"], rhs))
