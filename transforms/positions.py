"""Where each node of the emitted tree stood in the user's file.

A changing pass makes new nodes. Every pass of this project derives from `Tracked`, which notes for each new
node which one it came from; so tracebacks of the emitted code can name the user's lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from checkpointer.transforms.syntax import without_leading_blanks

_Node = TypeVar("_Node", bound=cst.CSTNode)
# text that may run over several lines without being divided into nodes
_MULTILINE = (cst.SimpleString, cst.FormattedStringText)
_NO_PLACE = (
    cst.IndentedBlock,  # begins where its first statement does, which may be a new one
    cst.Module,
    cst.Newline,
    cst.ParenthesizedWhitespace,
    cst.SimpleWhitespace,
    cst.TrailingWhitespace,
)


class Origins:
    """Line (from 1) and column (from 0, in characters) in the user's file of nodes old and new."""

    def __init__(self, module: cst.Module) -> None:
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self._places: dict[cst.CSTNode, tuple[int, int]] = {}
        self._last_lines: dict[cst.CSTNode, int] = {}
        for node, place in wrapper.resolve(PositionProvider).items():
            if isinstance(place, CodeRange):
                self._places[node] = (place.start.line, place.start.column)
                self._last_lines[node] = place.end.line

    def place(self, node: cst.CSTNode) -> tuple[int, int] | None:
        """Where the node, or the one it was made from, begins; None for one made from nothing."""
        return self._places.get(node)

    def line(self, node: cst.CSTNode) -> int:
        """The line of a node that is known to stem from the user's file."""
        return self._places[node][0]

    def lines(self, node: cst.CSTNode) -> range:
        """The lines of a node of the user's file."""
        return range(self._places[node][0], self._last_lines[node] + 1)

    def follow(self, new: cst.CSTNode, old: cst.CSTNode) -> None:
        """Note that `new` was made from `old`, unless it has a place of its own."""
        if old in self._places:
            self._places.setdefault(new, self._places[old])

    def put(self, new: _Node, line: int) -> _Node:
        """Give a made node a line."""
        self._places[new] = (line, 0)
        return new


class Tracked(cst.CSTTransformer):
    """A changing pass that remembers where what it makes came from."""

    def __init__(self, origins: Origins) -> None:
        super().__init__()
        self.origins = origins

    def opened(self, original: cst.IndentedBlock, updated: cst.IndentedBlock) -> cst.IndentedBlock:
        """Let a block whose first line was dropped not begin with a blank line."""
        first: Any = next(iter(updated.body), None)
        if first is None or not original.body:
            return updated
        if self.origins.place(first) == self.origins.place(original.body[0]):
            return updated
        opened = first.with_changes(leading_lines=without_leading_blanks(first.leading_lines))
        self.origins.follow(opened, first)
        return updated.with_changes(body=[opened, *updated.body[1:]])

    def on_leave(
        self, original_node: _Node, updated_node: _Node
    ) -> _Node | cst.RemovalSentinel | cst.FlattenSentinel[_Node]:
        """Note the origin of whatever the pass returns for a node."""
        self.origins.follow(updated_node, original_node)
        result = super().on_leave(original_node, updated_node)
        made: Iterable[object] = result if isinstance(result, cst.FlattenSentinel) else (result,)
        for node in made:
            if isinstance(node, cst.CSTNode):
                self.origins.follow(node, original_node)
        return result


def source_lines(module: cst.Module, origins: Origins) -> tuple[int, ...]:
    """For each line of the emitted module the line of the user's file that it stems from.

    The first node on a line that has an origin decides; a line without one continues the line before it.
    """
    starts: dict[int, tuple[int, int]] = {}  # emitted line -> (emitted column, user's line)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    for node, span in wrapper.resolve(PositionProvider).items():
        place = origins.place(node)
        if place is None or isinstance(node, _NO_PLACE) or not isinstance(span, CodeRange):
            continue
        for offset in range(span.end.line - span.start.line + 1 if isinstance(node, _MULTILINE) else 1):
            start = (0 if offset else span.start.column, place[0] + offset)
            line = span.start.line + offset
            starts[line] = min(starts.get(line, start), start)
    result = [1]
    for number in range(1, len(lines_of(module.code)) + 1):
        result.append(starts[number][1] if number in starts else result[-1])
    return tuple(result[1:])


def lines_of(code: str) -> list[str]:
    """The lines of a file as Python counts them."""
    lines = re.split(r"\r\n|\r|\n", code)
    return lines if lines[-1] else lines[:-1]
