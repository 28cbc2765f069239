"""The tape: what one differentiated stretch of the program did, in program order, and its way back.

autograd's tracer records through the node type of its boxes, so a subclass of its ``VJPNode`` that appends to a
list is all that is needed to run autograd's primitives and rules on our tape (`TapeNode`). Three things differ
from autograd's own reverse pass:

* the way back walks the list in strictly reversed program order, whether or not an adjoint arrived, so that
  everything with an order of its own (messages, in-place writes) is undone in that order;
* adjoints live in *memory*, not in a dictionary by node: each base array has one adjoint array with the same
  layout, and a view of the base has the same view of the adjoint (`checkpointer.memory`);
* a write saves what it overwrites, and the way back puts it in place again. Whatever an earlier operation kept
  by reference is therefore, when its turn comes, as it was when it ran.

After the way back the arrays hold what they held when the tape was opened.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import numpy as np
from autograd.core import VJPNode, primitive_vjps
from autograd.tracer import trace_stack

from checkpointer.active import active as active
from checkpointer.blocks import Known
from checkpointer.errors import TraceError
from checkpointer.memory import Memory, NumberMemory, fitted, flipped, root_of
from checkpointer.places import Place, place_in, users_frames
from checkpointer.refusals import raised_by_users, refusal_behind, refuse, with_notes_of


class Entry(Protocol):
    """Something that happened and can be reversed."""

    def reverse(self) -> None:
        """Pull the adjoint back through it and undo what it wrote."""


class Tape:
    """The entries of one differentiated stretch of the program.

    Attributes
    ----------
    entries : list of Entry
    trace : int
        autograd's number for it.
    swallowed : Exception or None
        The first refusal; the program may have caught it.
    printed : list
        Numbers of which the program made texts.
    tails : mapping
        If it is a step of a loop: lists of which the step sees only the end (`checkpointer.tails`).
    known : Known
        If it is a step of a loop: the blocks that the arrays held when the step began.
    of_step : bool
        Whether it is a step of a loop.
    frame : frame or None
        While it records: the outermost of the user's in the stretch, once an operation has looked for it. Where that one
        is at is all that an operation notes of its place.
    home : Place or None
        Where that frame was then.
    reversing : Entry or None
        The entry that failed on the way back.
    exact : bool
        Whether operations note the user's innermost place instead, which takes time.
    exchange : Exchange or None
        The messages between ranks, once there are any (`checkpointer.mpi4py.exchange`).
    """

    __slots__ = (
        "around",
        "entries",
        "exact",
        "exchange",
        "frame",
        "home",
        "known",
        "of_step",
        "printed",
        "reversing",
        "swallowed",
        "tails",
        "trace",
    )

    def __init__(
        self, tails: Mapping[int, Any] | None = None, known: Known | None = None, *, exact: bool = False
    ) -> None:
        if known is None:  # the tapes of steps come after the one of the whole function
            import checkpointer.dispatch  # noqa: F401  the rules, which only now are needed

        self.exact = exact
        self.exchange: Any = None
        self.around: Any = None
        self.frame: Any = None
        self.home: Place | None = None
        self.reversing: Entry | None = None
        self.tails: Mapping[int, Any] = tails or {}
        self.known = known or Known()
        self.of_step = known is not None
        self.entries: list[Entry] = []
        self.printed: list[Any] = []
        self.trace = -1
        self.swallowed: Exception | None = None

    def raise_what_was_swallowed(self) -> None:
        """Raise a refusal that the program caught and went on after: it would not do so undifferentiated."""
        if self.swallowed is not None:
            raise self.swallowed

    def reverse(self) -> None:
        """Walk back over all entries, last to first; the entries are used up."""
        entries = self.entries
        entry: Entry | None = None
        try:
            while entries:
                entry = entries.pop()
                entry.reverse()
        except BaseException:
            self.reversing = entry
            raise

    def here(self, *, innermost: bool = False) -> Place | int | None:
        """Where in the user's program an operation is being recorded, as operations note it (`place`)."""
        frames = list(users_frames(sys._getframe(2), self.around))
        if not frames:
            return None
        if innermost or self.exact:
            return place_in(frames[0])
        self.frame, self.home = frames[-1], place_in(frames[-1])
        return self.home.instruction

    def place(self, entry: Any) -> Place | None:
        """Where in the user's program an entry was recorded; None where that was not noted."""
        at: Place | int | None = getattr(entry, "at", None)
        if isinstance(at, int):
            return None if self.home is None else self.home._replace(instruction=at)
        return at


@contextmanager
def recording(tape: Tape) -> Iterator[Tape]:
    """Let ``tape`` record in this thread."""
    outer = active.tape
    trace_stack.top += 1
    tape.trace = trace_stack.top
    tape.around = sys._getframe(2)  # of the ``with`` statement
    active.tape = tape
    try:
        yield tape
    except Exception as error:
        refusal = refusal_behind(error, tape.swallowed)
        if refusal is None:
            raise
        raise with_notes_of(error, refusal) from error
    finally:
        active.tape = outer
        trace_stack.top -= 1
        tape.around = tape.frame = None  # frames keep alive what they hold


@contextmanager
def not_recording() -> Iterator[None]:
    """Run on plain values in this thread, whatever tape is open around."""
    outer = active.tape
    active.tape = None
    try:
        yield
    finally:
        active.tape = outer


class TapeNode(VJPNode):  # type: ignore[misc]
    """Where a traced value stands: its tape, the memory that its adjoint goes to, and the value itself.

    autograd constructs one for every primitive that meets a traced value, with the arguments below; our own
    dispatch uses `node_of` and `record`.
    """

    __slots__ = ("memory", "tape", "value")

    tape: Tape
    memory: Any  # the Memory of an array, the NumberMemory of a number
    value: Any

    def __init__(
        self,
        value: Any,
        fun: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        parent_argnums: tuple[int, ...],
        parents: tuple[TapeNode, ...],
    ) -> None:
        tape = parents[0].tape
        value = _untraced(value)
        self.tape = tape
        self.value = value
        self.parents = parents  # type: ignore[misc]
        kept = tuple(arg if number in parent_argnums else keep(arg) for number, arg in enumerate(args))
        self.vjp = vjp_maker(fun)(parent_argnums, value, kept, kwargs)  # type: ignore[misc]
        if isinstance(value, tuple | list):
            self.memory = NumberMemory()
            return  # checkpointer.boxes makes a node per output
        source = _shared_with(value, parents)
        if source is not None and _is_numpys(fun):
            self.memory = source.memory
            return  # a view: nothing happened that has to be reversed
        if (
            source is not None
        ):  # a user's primitive that returns its argument has a rule of its own all the same
            self.value = value = value.copy()
        self.memory = memory_for(value)
        operation = Operation(self.vjp, parents, self)
        if not _is_numpys(fun):
            operation.at = tape.here(innermost=True)
        tape.entries.append(operation)


def _shared_with(value: Any, parents: tuple[TapeNode, ...]) -> TapeNode | None:
    """The argument that a result shares memory with."""
    if isinstance(value, np.ndarray):
        root = root_of(value)
        for parent in parents:
            if isinstance(parent.memory, Memory) and parent.memory.root is root:
                return parent
    return None


def _is_numpys(fun: Callable[..., Any]) -> bool:
    raw = getattr(fun, "fun", fun)
    return (getattr(raw, "__module__", None) or "").partition(".")[0] == "numpy"


def _untraced(value: Any) -> Any:
    """The plain result of a primitive whose body, in a rewritten module, made traced constants."""
    if type(value) in (tuple, list):
        return type(value)(map(_untraced, value))
    node = getattr(value, "_node", None)
    if type(node) is not TapeNode:
        return value
    if node.memory.varied:
        raise refuse(
            "CKP216",
            "the body of an autograd primitive uses a value that is being differentiated and is not among its arguments",
            "pass the value to the primitive as an argument, and give it a derivative rule",
        )
    return value._value


def node_of(tape: Tape, value: Any, memory: Memory | NumberMemory) -> TapeNode:
    """A node that stands on ``tape`` without being an operation: a leaf, a constant or a view."""
    node: TapeNode = TapeNode.__new__(TapeNode)
    node.tape = tape
    node.value = value
    node.memory = memory
    return node


def memory_for(value: Any) -> Memory | NumberMemory:
    """New memory for the adjoint of a value that just came into being."""
    return Memory(value, varied=True) if isinstance(value, np.ndarray) else NumberMemory()


def vjp_maker(fun: Callable[..., Any]) -> Callable[..., Any]:
    """Autograd's rule for one of its primitives."""
    try:
        maker: Callable[..., Any] = primitive_vjps[fun]
    except KeyError:
        name = getattr(fun, "__name__", repr(fun))
        raise refuse(
            "CKP201",
            f"{name} was called on a value that is being differentiated, and no derivative rule for it is known",
            f"give {name} a rule with autograd.extend.defvjp, or write it with functions that have one",
        ) from None
    return maker


def keep(arg: Any) -> Any:
    """What an operation may keep of an argument that the tape does not watch.

    Writes to traced arrays are undone on the way back, so those may be kept by reference. A plain array that
    somebody may still write to has to be copied.
    """
    if isinstance(arg, np.ndarray) and arg.flags.writeable:
        return arg.copy()
    return arg


class Operation:
    """A function of traced values whose pullback is known."""

    __slots__ = ("at", "out", "parents", "vjp")

    def __init__(self, vjp: Callable[[Any], Any], parents: Sequence[TapeNode], out: TapeNode) -> None:
        self.vjp = vjp
        self.parents = parents
        self.out = out
        self.at = out.tape.here() if out.tape.frame is None else out.tape.frame.f_lasti

    def reverse(self) -> None:
        out = self.out
        adjoint = out.memory.take(out.value)
        if adjoint is not None:
            adjoint = flipped(adjoint)
            deposit(self.parents, pulled(self.vjp, adjoint), adjoint)


class ManyOperation:
    """A function with several results, such as ``np.linalg.svd`` or ``np.split``.

    ``rebuild`` turns the list of the results' adjoints into what the rule expects.
    """

    __slots__ = ("at", "outs", "parents", "rebuild", "vjp")

    def __init__(
        self,
        vjp: Callable[[Any], Any],
        parents: Sequence[TapeNode],
        outs: Sequence[TapeNode],
        rebuild: Callable[[list[Any]], Any],
    ) -> None:
        self.vjp = vjp
        self.parents = parents
        self.outs = outs
        self.rebuild = rebuild
        self.at = outs[0].tape.here()

    def reverse(self) -> None:
        adjoints = [out.memory.take(out.value) for out in self.outs]
        if all(adjoint is None for adjoint in adjoints):
            return
        filled = [
            np.zeros_like(out.value) if adjoint is None else flipped(adjoint)
            for out, adjoint in zip(self.outs, adjoints, strict=True)
        ]
        deposit(self.parents, pulled(self.vjp, self.rebuild(filled)), None)


def pulled(vjp: Callable[[Any], Any], adjoint: Any) -> Any:
    """Call a rule's pullback; some of autograd's say only there that they do not cover a case.

    An error in a rule of the user's is raised as it is, unless it says that, too.
    """
    try:
        return vjp(adjoint)
    except (AssertionError, IndexError, NotImplementedError, TypeError, ValueError) as error:
        if not isinstance(error, NotImplementedError) and raised_by_users(error):
            raise
        raise TraceError(
            "CKP201",
            f"the derivative rule of an operation does not cover the way it was called ({type(error).__name__}: {error})",
            "call it with other options, or write it with other functions",
        ) from error


def deposit(parents: Sequence[TapeNode], contributions: Any, source: Any) -> None:
    """Add what a pullback returned to the adjoints of the operation's arguments.

    ``source`` is the adjoint that went into the pullback: rules such as that of ``add`` hand it on itself, or one
    result for two arguments, so memory may take over an array only if no one else has it.
    """
    taken: list[Any] = [source]
    for parent, contribution in zip(parents, contributions, strict=True):
        owned = not any(contribution is other for other in taken)
        taken.append(contribution)
        parent.memory.add(parent.value, flipped(fitted(contribution, parent.value)), owned=owned)
