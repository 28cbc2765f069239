"""Every error that checkpointer raises, in one hierarchy.

This module imports nothing of ours, so that every folder of the project may use it.
A message says what was met, where in the user's file, why it cannot be right and what to write instead.
"""

from __future__ import annotations

from collections.abc import Iterable


class CheckpointerError(Exception):
    """Base of all errors raised by checkpointer."""


class ArgumentError(CheckpointerError, ValueError):
    """An argument was refused by the call that received it: the message names it, its value and what is allowed."""


class RefusedError(CheckpointerError):
    """A construct that cannot be differentiated correctly, and is therefore not differentiated at all.

    Attributes
    ----------
    code : str
        Stable code of the refusal, ``"CKP..."``; docs/refusals.md explains each.
    filename, line, column : str, int, int
        Where it stands in the user's file; the line counts from 1, the column from 0. Zero where unknown.
    text : str
        The user's source line, or an empty string where it could not be read.
    """

    def __init__(
        self,
        code: str,
        what: str,
        instead: str,
        *,
        filename: str = "",
        line: int = 0,
        column: int = 0,
        text: str = "",
    ) -> None:
        self.code = code
        self.what = what
        self.instead = instead
        self.filename = filename
        self.line = line
        self.column = column
        self.text = text
        super().__init__(self._message())

    def _message(self) -> str:
        where = f"{self.filename}:{self.line}: " if self.filename else ""
        lines = [f"{where}{self.code} {self.what}"]
        lines += with_caret(self.text, self.column)
        lines.append(f"Instead: {self.instead}")
        return "\n".join(lines)


class TransformError(RefusedError):
    """A source file that cannot be rewritten; raised before anything is written."""


class TraceError(RefusedError):
    """An operation that was met while a step was being differentiated and has no correct derivative here."""


class NotRewrittenError(CheckpointerError):
    """A marked loop was differentiated although its file had not been rewritten."""


class ReplayError(CheckpointerError):
    """A recomputed step did not do what it did in the first sweep."""


class RankError(CheckpointerError):
    """The ranks of an MPI program do not do the same, or another rank raised an error while this one waited for it.

    Attributes
    ----------
    known : bool
        Whether the other ranks know of it, so that this one need not tell them.
    """

    def __init__(self, text: str, *, known: bool = False) -> None:
        super().__init__(text)
        self.known = known


class WrongGradientError(CheckpointerError, AssertionError):
    """A gradient failed a test that it has to pass, such as that of `checkpointer.check`."""


class ScheduleError(CheckpointerError):
    """A stream of actions that cannot be executed: a snapshot restored that was never taken, a step out of order."""


class StorageError(CheckpointerError):
    """A snapshot could not be saved or loaded.

    Attributes
    ----------
    value : object
        What the differentiated function returned, if the storage failed on the way back, when that had been computed;
        otherwise None.
    known : bool
        Whether all ranks of an MPI program have raised it.
    """

    value: object = None
    known: bool = False

    def adding(self, sentence: str) -> StorageError:
        """The same error, whose message says one thing more."""
        self.args = (f"{self}. {sentence}",)
        return self

    def with_value(self, value: object) -> StorageError:
        """The same error, after a function whose value was computed."""
        self.value = value
        return self.adding("The value of the function was computed all the same: error.value")


def with_caret(text: str, column: int) -> list[str]:
    """What a message shows of a line of the user's: the line, and a caret below a column; nothing of a blank line.

    >>> print(*with_caret("  u = v", 6), sep="|")
        u = v|        ^
    """
    line = text.expandtabs(1)
    if not line.strip():
        return []
    indent = len(line) - len(line.lstrip())
    return [f"    {line.strip()}", "    " + " " * max(column - indent, 0) + "^"]


def no_mark_in(filename: str) -> str:
    """What a message says of a file in which there is nothing to do."""
    return (
        f"no loop is marked in {filename}: write `for ... in checkpointed(ITERABLE, Revolve(snapshots=8)):`, or the comment"
        " `# checkpointer: Revolve(snapshots=8)` above a loop"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What a message adds about a name that is nearly one of the known ones; nothing if it is not.

    >>> did_you_mean("Revolv", ["Periodic", "Revolve"])
    '; did you mean `Revolve`?'
    >>> did_you_mean("Banana", ["Periodic", "Revolve"])
    ''
    """
    from difflib import get_close_matches  # only where something went wrong

    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
