"""Derivative rules of ``scipy.sparse.linalg``.

For ``x = A⁻¹ b`` the adjoints are ``λ = A⁻ᵀ x̄``, ``b̄ = λ``, and ``-λᵢ xⱼ`` for the entries of A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as ss
import scipy.sparse.linalg as sl

from checkpointer.scipy.aware import Call, Rules, concrete, record
from checkpointer.scipy.entries import entries_of, kept, sampled

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
    matrix, entries = kept(a), entries_of(a)
    rows, columns = entries.rows, entries.columns
    x = value.copy()

    def rhs(g: Any) -> Any:
        back = sl.splu(matrix.tocsc().astype(np.result_type(matrix.dtype, g)))
        return back.solve(g.astype(back.L.dtype), trans="T")

    def matrix_adjoint(g: Any) -> Any:
        return -sampled(rows, columns, rhs(g), x)

    return record(value, (entries.values, matrix_adjoint), (b, rhs))


@rule("spsolve_triangular", "b")
def _spsolve_triangular(call: Call) -> Any:
    value, matrix = call.run(), kept(call.given["A"])
    lower, unit = call["lower"], call["unit_diagonal"]

    def rhs(g: Any) -> Any:
        return sl.spsolve_triangular(matrix.T.tocsr(), g, lower=not lower, unit_diagonal=unit)

    return call.record(value, b=rhs)


@rule("expm_multiply", "B")
def _expm_multiply(call: Call) -> Any:
    call.need("call it for one time at a time", start=None, stop=None, num=None, endpoint=None)
    value, a = call.run(), concrete(call.given["A"])
    if not ss.issparse(a) and not isinstance(a, np.ndarray):
        raise call.refuse("with an operator", "use a sparse matrix")
    matrix, trace = kept(call.given["A"]) if ss.issparse(a) else call["A"], call["traceA"]
    return call.record(value, B=lambda g: sl.expm_multiply(matrix.T, g, traceA=trace))
