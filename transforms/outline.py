"""Put the body of each marked loop into a step function and call it: the one pass that changes loops.

`for T in checkpointed(ITER, SCHEME): BODY` becomes a function nested in the user's, directly in front of the
call that runs it. The body moves as it stands; what changes in it is what would mean something else in a
function: `continue`, `break` and `return` at the loop's level, `super()` without arguments, declarations of carried
names. Loops within loops are rewritten from the inside out.
"""

# ruff: noqa: N802, N815  (libcst dictates the names of the visit_ and leave_ methods, and what they do)

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import libcst as cst

from checkpointer.transforms.marks import COMMENT, Mark
from checkpointer.transforms.names import StepNames
from checkpointer.transforms.negation import complaint, negation
from checkpointer.transforms.positions import Origins, Tracked
from checkpointer.transforms.syntax import (
    Layout,
    as_block,
    blank,
    call_on_lines,
    comments_in,
    parameters_on_lines,
    parenthesized,
    statement,
    unchecked,
    with_gap,
    without_leading_blanks,
)

Statement: TypeAlias = cst.BaseStatement | cst.SimpleStatementLine
_Declaration = TypeVar("_Declaration", cst.Global, cst.Nonlocal)
_Definition = TypeVar("_Definition", cst.FunctionDef, cst.ClassDef)


@dataclass(frozen=True)
class Plan:
    """All that the emission of one marked loop needs to know."""

    number: int
    where: str
    """`heat.py:9`"""
    mark: Mark
    names: StepNames
    step: str
    forward: str
    reverse: str
    item: str
    """What the step calls the item of this iteration, if not by the loop's own target."""
    parameter: str | None
    """The loop's target, if it is a single name local to the step."""
    has_unused_item: bool
    """Whether the loop's target is several names, and the body does not read one of them."""
    ended: str
    returns: bool
    """Whether the body returns from the user's function."""
    function_line: int | None
    """The line of the `def` around; None at module level."""
    first_parameter: str | None
    """Of the method around, for `super()`."""

    @property
    def line(self) -> int:
        """The line of the loop's header."""
        return self.mark.loop.lineno


@dataclass
class Runtime:
    """The names of the runtime as this file may call them, and which of them it needs."""

    names: Mapping[str, str]
    used: set[str]

    def __getitem__(self, name: str) -> str:
        self.used.add(name)
        return self.names[name]


class Outline(Tracked):
    """Rewrite the marked loops, and decorate the functions that hold them."""

    def __init__(
        self,
        origins: Origins,
        filename: str,
        plans: Mapping[int, Plan],
        supers: frozenset[tuple[int, int]],
        undeclared: Mapping[tuple[int, int], Sequence[str]],
        runtime: Runtime,
        layout: Layout,
    ) -> None:
        super().__init__(origins)
        self.filename = filename
        """As references into the user's file name it."""
        self.plans = plans
        self.supers = supers
        self.undeclared = undeclared
        """Where `global` and `nonlocal` statements begin, and which of their names nothing needs any more."""
        self.runtime = runtime
        self.layout = layout
        self.differentiable = {
            plan.function_line for plan in plans.values() if plan.function_line is not None
        }
        self.around: list[Plan | str] = []
        """What the current place is nested in: marked loops, "loop", and "boundary" of functions and classes."""
        self.in_functions = 0
        self.first_in_block: dict[int, str] = {}
        """The lines of the loops and definitions that begin a block: "block", "step" or "definition", by what it is of."""
        self.bodies: dict[cst.BaseSuite, str] = {}
        """The blocks that are of functions, classes and marked loops."""
        self.depth = 0
        """How many blocks the current place is indented by."""

    # where we are

    def visit_FunctionDef_body(self, node: cst.FunctionDef) -> None:
        self.bodies[node.body] = "definition"
        self.around.append("boundary")
        self.in_functions += 1

    def leave_FunctionDef_body(self, node: cst.FunctionDef) -> None:
        self.around.pop()
        self.in_functions -= 1

    def visit_ClassDef_body(self, node: cst.ClassDef) -> None:
        self.bodies[node.body] = "definition"
        self.around.append("boundary")

    def leave_ClassDef_body(self, node: cst.ClassDef) -> None:
        self.around.pop()

    def visit_Lambda_body(self, node: cst.Lambda) -> None:
        self.around.append("boundary")

    def leave_Lambda_body(self, node: cst.Lambda) -> None:
        self.around.pop()

    def visit_For_body(self, node: cst.For) -> None:
        self.enter_loop(node)

    def leave_For_body(self, node: cst.For) -> None:
        self.around.pop()

    visit_For_target = visit_For_body
    leave_For_target = leave_For_body

    def visit_While_test(self, node: cst.While) -> None:
        self.enter_loop(node)

    def leave_While_test(self, node: cst.While) -> None:
        self.around.pop()

    def enter_loop(self, node: cst.For | cst.While) -> None:
        plan = self.plans.get(self.origins.line(node))
        if plan is not None:
            self.bodies[node.body] = "step"
        self.around.append(plan or "loop")

    visit_While_body = visit_While_test
    leave_While_body = leave_While_test

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> None:
        self.depth += 1
        for first in node.body[:1]:
            if isinstance(first, (cst.For, cst.While, cst.FunctionDef, cst.ClassDef)):
                self.first_in_block[self.origins.line(first)] = self.bodies.get(node, "block")

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        self.depth -= 1
        return self.opened(original_node, updated_node)

    def step_around(self) -> Plan | None:
        """The marked loop whose step holds the current place; None beyond a function or class."""
        for frame in reversed(self.around):
            if isinstance(frame, Plan):
                return frame
            if frame == "boundary":
                return None
        return None

    # statements that mean something else in a step

    def leave_Break(self, original_node: cst.Break, updated_node: cst.Break) -> cst.BaseSmallStatement:
        return self.leave_step(updated_node, "BREAK")

    def leave_Continue(
        self, original_node: cst.Continue, updated_node: cst.Continue
    ) -> cst.BaseSmallStatement:
        return self.leave_step(updated_node, "CONTINUE")

    def leave_step(self, node: cst.Break | cst.Continue, signal: str) -> cst.BaseSmallStatement:
        if self.around and isinstance(self.around[-1], Plan):
            return cst.Return(cst.Name(self.runtime[signal]), semicolon=node.semicolon)
        return node

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> cst.Return:
        if self.step_around() is None:
            return updated_node
        value = updated_node.value or cst.Name("None")
        wrapped = cst.Call(cst.Name(self.runtime["Return"]), [cst.Arg(parenthesized(value, cst.Tuple))])
        return updated_node.with_changes(value=wrapped, whitespace_after_return=cst.SimpleWhitespace(" "))

    def leave_AnnAssign(
        self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign
    ) -> cst.BaseSmallStatement | cst.RemovalSentinel:
        plan = self.step_around()
        target = updated_node.target
        if plan is None or not isinstance(target, cst.Name):
            return updated_node
        if unicodedata.normalize("NFKC", target.value) not in (*plan.names.nonlocals, *plan.names.globals):
            return updated_node
        if updated_node.value is None:
            return cst.RemoveFromParent()
        return cst.Assign([cst.AssignTarget(target)], updated_node.value, semicolon=updated_node.semicolon)

    def leave_Global(
        self, original_node: cst.Global, updated_node: cst.Global
    ) -> cst.Global | cst.RemovalSentinel:
        return self.leave_declaration(original_node, updated_node)

    def leave_Nonlocal(
        self, original_node: cst.Nonlocal, updated_node: cst.Nonlocal
    ) -> cst.Nonlocal | cst.RemovalSentinel:
        return self.leave_declaration(original_node, updated_node)

    def leave_declaration(
        self, original: _Declaration, updated: _Declaration
    ) -> _Declaration | cst.RemovalSentinel:
        place = self.origins.place(original)
        gone = () if place is None else self.undeclared.get(place, ())
        kept: list[cst.NameItem] = [item for item in updated.names if item.name.value not in gone]
        if self.step_around() or not kept:
            return cst.RemoveFromParent()
        if len(kept) == len(updated.names):
            return updated
        return updated.with_changes(
            names=[*kept[:-1], kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
        )

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.RemovalSentinel:
        emptied = original_node.body and not updated_node.body
        silent = not comments_in(updated_node)
        return cst.RemoveFromParent() if emptied and silent else updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        plan = self.step_around()
        if plan is None or plan.first_parameter is None or updated_node.args:
            return updated_node
        name = original_node.func
        if not isinstance(name, cst.Name) or self.origins.place(name) not in self.supers:
            return updated_node
        given = [cst.Arg(cst.Name("__class__"), comma=comma()), cst.Arg(cst.Name(plan.first_parameter))]
        return updated_node.with_changes(args=given)

    # functions and loops

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Decorate a function with marked loops; say where it comes from, as of those that no function holds."""
        line = self.origins.line(original_node)
        if line in self.differentiable:
            decorator = cst.Decorator(cst.Name(self.runtime["differentiable"]))
            updated_node = updated_node.with_changes(decorators=[*updated_node.decorators, decorator])
            return self.referred(updated_node, line)
        return updated_node if self.in_functions else self.referred(updated_node, line)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        if self.in_functions:
            return updated_node
        return self.referred(updated_node, self.origins.line(original_node))

    def referred(self, node: _Definition, line: int) -> _Definition:
        """A definition with a comment above it that names its place in the user's file."""
        is_apart = len(without_leading_blanks(node.leading_lines)) < len(node.leading_lines)
        if not (is_apart or line in self.first_in_block or line in self.differentiable):
            return node  # nor shall a formatter put blank lines around the comment, between overloads for example
        reference = cst.EmptyLine(comment=cst.Comment(f"# {self.filename}:{line}"))
        above: Sequence[cst.EmptyLine] = node.leading_lines
        if self.first_in_block.get(line) == "block":
            above = without_leading_blanks(above)
        return node.with_changes(leading_lines=[*above, self.origins.put(reference, line)])

    def leave_For(
        self, original_node: cst.For, updated_node: cst.For
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        plan = self.plans.get(self.origins.line(original_node))
        if plan is None:
            return updated_node
        given = _Given.read(plan.mark, updated_node.iter)
        first: list[Statement] = []
        if plan.parameter is None:
            assign = cst.Assign([cst.AssignTarget(updated_node.target)], cst.Name(plan.item))
            end = unchecked("RUF059") if plan.has_unused_item else cst.TrailingWhitespace()
            first = [cst.SimpleStatementLine([assign], trailing_whitespace=end)]
        parameter = plan.parameter or plan.item
        return self.emit(plan, updated_node, given, self.runtime["run_loop"], parameter, first)

    def leave_While(
        self, original_node: cst.While, updated_node: cst.While
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        plan = self.plans.get(self.origins.line(original_node))
        if plan is None:
            return updated_node
        given = _Given.read(plan.mark, updated_node.test)
        negated = negation(given.subject, self.layout)
        leave = cst.SimpleStatementLine([cst.Return(cst.Name(self.runtime["EXHAUSTED"]))])
        rule = complaint(negated)
        header = unchecked(rule) if rule else cst.TrailingWhitespace()
        check = cst.If(negated, cst.IndentedBlock([leave], header=header))
        return self.emit(plan, updated_node, given, self.runtime["run_while"], None, [check])

    def emit(
        self,
        plan: Plan,
        loop: cst.For | cst.While,
        given: _Given,
        runner: str,
        parameter: str | None,
        first: Sequence[Statement],
    ) -> cst.FlattenSentinel[cst.BaseStatement]:
        """What stands in the loop's place: declarations, the step, its call, what follows from its end."""
        apart = [blank] if self.depth else [blank, blank]  # between a function and what is around it
        above = [line for line in loop.leading_lines if not is_mark_comment(line)]
        leading = without_leading_blanks(above)
        before = self.announcements(plan)
        step = self.step(plan, loop, parameter, first)
        within = self.first_in_block.get(plan.line, "step")
        is_opened = within == "definition" or (within == "block" and (leading or before))
        top = [] if is_opened else apart
        opening = [*(line() for line in top), *leading]
        if not self.depth:
            opening = with_gap(opening, 2)
        if before:
            before[0] = before[0].with_changes(leading_lines=opening)
            opening = [line() for line in apart]
        step = step.with_changes(leading_lines=opening)
        if step.params.params and not self.layout.fits(step, self.depth):
            step = parameters_on_lines(step, self.layout.indent)
        arguments = [cst.Arg(cst.Name(plan.step))]
        if not isinstance(loop, cst.While):
            arguments.append(cst.Arg(given.subject))
        arguments += given.scheme
        arguments += [keyword("forward", cst.Name(plan.forward)), keyword("reverse", cst.Name(plan.reverse))]
        arguments += given.options
        call = call_on_lines(runner, arguments, self.layout.indent)
        for made in call.args:
            self.origins.put(made, plan.line)
        after = self.consequences(plan, loop)
        small: cst.BaseSmallStatement = (
            cst.Assign([cst.AssignTarget(cst.Name(plan.ended))], call) if after else cst.Expr(call)
        )
        run = cst.SimpleStatementLine([small], leading_lines=[*(line() for line in apart), *given.comments])
        return cst.FlattenSentinel([*before, step, run, *after])

    def announcements(self, plan: Plan) -> list[Statement]:
        """Declarations in the function around the step, without which the step could not declare its names."""
        lines = [f"{keyword} {name}" for keyword, name in plan.names.hoisted]
        lines += [f"{name}: object  # first bound in the loop" for name in plan.names.announced]
        return [statement(line) for line in lines]

    def step(
        self, plan: Plan, loop: cst.For | cst.While, parameter: str | None, first: Sequence[Statement]
    ) -> cst.FunctionDef:
        opening: list[Statement] = [statement(f'"""One iteration of {plan.where}."""')]
        for keyword, names in (("global", plan.names.globals), ("nonlocal", plan.names.nonlocals)):
            if names:
                opening.append(statement(f"{keyword} {', '.join(names)}"))
        block = as_block(loop.body)
        if self.layout.width is not None:
            block = _without_pass(block)
        parameters = [cst.Param(cst.Name(parameter))] if parameter else []
        return cst.FunctionDef(
            name=cst.Name(plan.step),
            params=cst.Parameters(parameters),
            body=block.with_changes(body=[*opening, *first, *block.body]),
        )

    def consequences(self, plan: Plan, loop: cst.For | cst.While) -> list[Statement]:
        """What the end of the loop decides: a return from the user's function, the `else` clause."""
        after: list[Statement] = []
        if plan.returns:
            value = f"{plan.ended}.value"
            if self.step_around() is not None:
                value = f"{self.runtime['Return']}({value})"
            after.append(statement(f"if {plan.ended}.returned:\n    return {value}\n"))
        if loop.orelse is not None:
            exhausted = cst.Attribute(cst.Name(plan.ended), cst.Name("exhausted"))
            clause = cst.If(exhausted, loop.orelse.body, leading_lines=loop.orelse.leading_lines)
            self.origins.follow(clause, loop.orelse)
            after.append(clause)
        return after


@dataclass(frozen=True)
class _Given:
    """What the mark was given, ready to be moved into the call."""

    subject: cst.BaseExpression
    scheme: list[cst.Arg]
    options: list[cst.Arg]
    comments: list[cst.EmptyLine]
    """Comments between the arguments of the mark."""

    @classmethod
    def read(cls, mark: Mark, outer: cst.BaseExpression) -> _Given:
        if mark.comment is not None:
            call = cst.ensure_type(cst.parse_expression(f"_(_, {mark.comment.arguments})"), cst.Call)
            subject = outer
            comments: list[str] = []
        else:
            call = cst.ensure_type(outer, cst.Call)
            subject = call.args[0].value
            kept = {comment for argument in call.args for comment in comments_in(argument.value)}
            comments = [comment.value for comment in comments_in(call) if comment not in kept]
        needs_parentheses = (cst.Tuple, cst.GeneratorExp, cst.NamedExpr, cst.Yield)
        return cls(
            subject=parenthesized(subject, *needs_parentheses),
            scheme=[] if mark.scheme_at is None else [cst.Arg(call.args[mark.scheme_at].value)],
            options=[_named(call.args[place]) for place in mark.options_at],
            comments=[cst.EmptyLine(comment=cst.Comment(text)) for text in comments],
        )


def _named(argument: cst.Arg) -> cst.Arg:
    """A keyword argument without the layout around it."""
    return cst.Arg(argument.value, keyword=argument.keyword, equal=_equal())


def keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    """The argument `name=value`."""
    return cst.Arg(value, keyword=cst.Name(name), equal=_equal())


def comma() -> cst.Comma:
    """A comma and a blank."""
    return cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _equal() -> cst.AssignEqual:
    return cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def is_mark_comment(line: cst.EmptyLine) -> bool:
    """Whether a line is a mark, which has done its duty when the loop is rewritten."""
    return line.comment is not None and COMMENT.match(line.comment.value) is not None


def _without_pass(block: cst.IndentedBlock) -> cst.IndentedBlock:
    """A block of a function that has a docstring, and so needs no `pass`."""
    if len(block.body) != 1 or comments_in(block.body[0]):
        return block
    line = block.body[0]
    if not isinstance(line, cst.SimpleStatementLine):
        return block
    return block.with_changes(body=[]) if isinstance(line.body[0], cst.Pass) else block
