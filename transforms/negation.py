"""The opposite of a condition, as one would write it: `not` in front of it, or the opposite comparison."""

from __future__ import annotations

import libcst as cst

from checkpointer.transforms.syntax import parenthesized

_OPPOSITES: dict[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.In: cst.NotIn,
    cst.NotIn: cst.In,
    cst.Is: cst.IsNot,
    cst.IsNot: cst.Is,
}
"""These give a bool whatever is compared. The others need not; and of two numbers neither may be greater."""

_LOOSE = (
    cst.BooleanOperation,
    cst.IfExp,
    cst.Lambda,
    cst.NamedExpr,
    cst.Yield,
    cst.Tuple,
    cst.GeneratorExp,
)
"""What binds less tightly than `not`, or would end at its first comma."""


def negation(condition: cst.BaseExpression) -> cst.BaseExpression:
    """An expression that is true where the condition is false."""
    opposite = None if condition.lpar else _opposite(condition)
    if opposite is not None:
        return _on_lines(opposite)
    return cst.UnaryOperation(cst.Not(), _on_lines(parenthesized(condition, *_LOOSE)))


def complaint(expression: cst.BaseExpression) -> str:
    """Ruff's rule by which a negation should be the opposite comparison, though that need not mean the same."""
    if not isinstance(expression, cst.UnaryOperation) or not isinstance(
        expression.expression, cst.Comparison
    ):
        return ""
    operators = [type(target.operator) for target in expression.expression.comparisons]
    return {cst.Equal: "SIM201", cst.NotEqual: "SIM202"}.get(operators[0], "") if len(operators) == 1 else ""


def _opposite(condition: cst.BaseExpression) -> cst.BaseExpression | None:
    """The condition that needs no further `not`."""
    if isinstance(condition, cst.UnaryOperation) and isinstance(condition.operator, cst.Not):
        return condition.expression
    if isinstance(condition, cst.Comparison) and len(condition.comparisons) == 1:
        compared = condition.comparisons[0]
        operator = _OPPOSITES.get(type(compared.operator))
        if operator is not None:
            return condition.with_changes(comparisons=[compared.with_changes(operator=operator())])
    return None


def _on_lines(expression: cst.BaseExpression) -> cst.BaseExpression:
    """The expression, in parentheses where a line break would end the statement."""
    if expression.lpar or "\n" not in cst.Module([]).code_for_node(expression):
        return expression
    return expression.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
