"""The opposite of a condition, as one would write it: `not` in front of it, or the opposite comparison."""

from __future__ import annotations

import ast

import libcst as cst

from checkpointer.transforms.syntax import Layout, line_break, parenthesized

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

_ENCLOSED = (cst.Tuple, cst.GeneratorExp, cst.Yield)
"""What keeps its parentheses."""


def negation(condition: cst.BaseExpression, layout: Layout) -> cst.BaseExpression:
    """An expression that is true where the condition is false, to be written behind `if`."""
    opposite = _opposite(_bare(condition))
    if opposite is not None:
        return _on_lines(opposite, layout)
    return cst.UnaryOperation(cst.Not(), parenthesized(_on_lines(condition, layout), *_LOOSE))


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
    if condition.lpar:
        return None
    if isinstance(condition, cst.UnaryOperation) and isinstance(condition.operator, cst.Not):
        return _bare(condition.expression)
    if isinstance(condition, cst.Comparison) and len(condition.comparisons) == 1:
        compared = condition.comparisons[0]
        operator = _OPPOSITES.get(type(compared.operator))
        if operator is not None:
            return condition.with_changes(comparisons=[compared.with_changes(operator=operator())])
    return None


def _bare(expression: cst.BaseExpression) -> cst.BaseExpression:
    """The expression without parentheses, which no formatter leaves behind `if`, unless they are needed."""
    if isinstance(expression, _ENCLOSED) or "\n" in cst.Module([]).code_for_node(expression):
        return expression
    return expression.with_changes(lpar=[], rpar=[])


def _on_lines(expression: cst.BaseExpression, layout: Layout) -> cst.BaseExpression:
    """A condition that stood in the mark's parentheses, with its line breaks as `if` has them."""
    code = cst.Module([]).code_for_node(expression)
    if "\n" not in code:
        return expression
    if not _breaks_off(code):
        if layout.width is None:
            return expression
        outdented = expression.visit(_Outdented(layout.indent))
        assert isinstance(outdented, cst.BaseExpression)
        return outdented
    return expression.with_changes(
        lpar=[cst.LeftParen(whitespace_after=line_break(layout.indent))],
        rpar=[cst.RightParen(whitespace_before=line_break(""))],
    )


def _breaks_off(code: str) -> bool:
    """Whether a line break would end the statement."""
    try:
        ast.parse(f"if {code}:\n    pass")
    except SyntaxError:
        return True
    return False


class _Outdented(cst.CSTTransformer):
    """What stood in the parentheses of the mark, and stands in its own alone."""

    def __init__(self, indent: str) -> None:
        super().__init__()
        self.indent = indent

    def leave_ParenthesizedWhitespace(  # noqa: N802  (libcst dictates the name)
        self, original_node: cst.ParenthesizedWhitespace, updated_node: cst.ParenthesizedWhitespace
    ) -> cst.ParenthesizedWhitespace:
        """One level of indentation less."""
        value = updated_node.last_line.value.removeprefix(self.indent)
        return updated_node.with_changes(last_line=cst.SimpleWhitespace(value))
