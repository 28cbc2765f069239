"""The gradient functions: `vjp`, `grad`, `value_and_grad`."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

import autograd  # noqa: F401  whole, before any part of it: see lazy.py
import numpy as np
from autograd.tracer import Box

from checkpointer import trees
from checkpointer.boxes import is_traced, is_varied, plain
from checkpointer.containers import is_sparse
from checkpointer.dropin import knowing_traced_values
from checkpointer.errors import ArgumentError, StorageError, TraceError
from checkpointer.memory import Memory, flipped, overlaps_itself, root_of
from checkpointer.notes import note_way_back_of_function
from checkpointer.peers import UNSET, Peers, check_communicator, divided
from checkpointer.placed_warnings import placed_warnings
from checkpointer.refusals import at_place, refuse
from checkpointer.runs import begin
from checkpointer.sessions import Sessions
from checkpointer.snapshots import Snapshot, capture
from checkpointer.state import State
from checkpointer.stretch import Wrapper, wrapped
from checkpointer.tape import Tape, TapeNode, active, recording
from checkpointer.tracebacks import full_tracebacks, trimming
from checkpointer.traffic import Traffic, talking

Argnums = int | str | Sequence[int | str]
Pullback = Callable[[Any], Any]


_NOTHING = object()
"""The adjoint of a loss that another rank seeds."""


@trimming
def vjp(
    function: Callable[..., Any],
    *args: Any,
    argnums: Argnums = 0,
    comm: Any = UNSET,
    replicated: Argnums | None = None,
    **kwargs: Any,
) -> tuple[Any, Pullback]:
    """The value of a function, and its pullback.

    Parameters
    ----------
    function : callable
        Any function of NumPy code. Loops that are marked in it have to be in a rewritten module.
    *args, **kwargs
        Its arguments.
    argnums : int, str, or sequence of them
        The arguments to differentiate with respect to, by position or keyword name. Each is an array, a float, or a
        dict, list, tuple or dataclass of them.
    comm : Comm, optional
        On MPI ranks: the communicator of those that take part. It matters for ``replicated`` alone, and need be named only
        where the function uses several communicators of different ranks. A function that has a parameter of this name gets
        it, too.
    replicated : int, str, or sequence of them, optional
        On MPI ranks: those of ``argnums`` that are one variable on all ranks. They have to be the same on all of them, and
        their adjoints are summed over the ranks.

    Returns
    -------
    value : object
        ``function(*args, **kwargs)``, bit for bit.
    pullback : callable
        Takes the adjoint of the value (a number or array of its shape, or a tree of them) and returns the adjoint of the
        selected arguments: a tree like the argument, with None for what is no array or float; a tuple of trees if
        argnums is a sequence. It can be called once.

    Raises
    ------
    ArgumentError
        If argnums names no argument, or one that cannot be differentiated.
    TraceError
        If the function does something that cannot be differentiated correctly.
    StorageError
        If snapshots cannot be kept. Where that is found on the way back, by the pullback, the error's attribute ``value``
        holds the value.
    RankError
        On all ranks, if they do not do the same, or if a replicated argument is not the same on all of them.

    Notes
    -----
    On MPI ranks, all that took part call the pullback, each with the adjoint of its own value, and each gets the adjoint of
    its own arguments: the transpose of what all ranks do together, see docs/ranks.md.

    The differentiated arguments hold the same after the pullback as before the call, also where the function writes to
    them. Everything else is as the function left it. Complex adjoints follow autograd's convention.

    Examples
    --------
    >>> import numpy as np
    >>> from checkpointer import vjp
    >>> value, pullback = vjp(lambda u: u**2, np.array([1.0, 2.0]))
    >>> value, pullback(np.ones(2))
    (array([1., 4.]), array([2., 4.]))
    """
    comm = divided(function, comm, kwargs)
    call = Call(function, args, kwargs, argnums, comm if replicated is not None else None, replicated)
    return call.value, trimming(call.pullback)


def value_and_grad(
    function: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    comm: Any = None,
    replicated: Argnums | None = None,
) -> Callable[..., tuple[Any, Any]]:
    """A function that returns the value of ``function`` and its gradient.

    Parameters
    ----------
    function : callable
        A function that returns a real number.
    argnums : int, str, or sequence of them
        The arguments to differentiate with respect to; see `vjp`.
    comm : Comm, optional
        On MPI ranks: the communicator of those that have this loss. By default the largest that the function used.
    replicated : int, str, or sequence of them, optional
        On MPI ranks: those of ``argnums`` that are one variable on all ranks; see `vjp`.

    Returns
    -------
    callable
        Takes the arguments of ``function`` and returns its value, bit for bit, and the gradient, a tree like the argument.
        On MPI ranks, all return the same number, or one returns it and the others None; each gets the derivative of this
        one number with respect to its own argument.

    Raises
    ------
    ArgumentError
        When called: if the value is not a real number, or an argument cannot be differentiated.
    RankError
        When called, on all ranks: if they return different numbers, do not do the same, or if a replicated argument is not
        the same on all of them.
    StorageError
        When called: if snapshots cannot be kept. Where that is found on the way back, the error's attribute ``value`` holds
        the value.

    Examples
    --------
    >>> import numpy as np
    >>> from checkpointer import value_and_grad
    >>> value_and_grad(lambda u: float(3) * np.sum(u**2))(np.array([1.0, 2.0]))
    (np.float64(15.0), array([ 6., 12.]))
    """
    _check_callable(function)
    check_communicator(comm)

    @functools.wraps(function)
    @trimming
    def gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = Call(function, args, kwargs, argnums, comm, replicated)
        return call.value, call.gradient()

    return gradient


def grad(
    function: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    comm: Any = None,
    replicated: Argnums | None = None,
) -> Callable[..., Any]:
    """A function that returns the gradient of ``function``; see `value_and_grad`.

    Examples
    --------
    >>> from checkpointer import grad
    >>> grad(lambda x: x**3)(2.0)
    12.0
    """
    both = value_and_grad(function, argnums, comm=comm, replicated=replicated)

    @functools.wraps(function)
    @trimming
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


class Call:
    """One differentiated call: run at construction, pulled back once.

    Parameters
    ----------
    comm : Comm or None
        The communicator of the ranks that take part, if the caller names it.
    replicated : int, str, sequence of them, or None
        Those of ``argnums`` that are one variable on all ranks.
    from_autograd : bool
        Whether autograd calls it, and will seed the loss on every rank.

    Attributes
    ----------
    value : object
        What the function returned.
    peers : Peers
        The ranks that took part.
    """

    def __init__(
        self,
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Argnums,
        comm: Any = None,
        replicated: Argnums | None = None,
        *,
        from_autograd: bool = False,
    ) -> None:
        _check_callable(function)
        if active.tape is not None:
            raise refuse(
                "CKP214",
                "a gradient inside a function that is being differentiated",
                "differentiate inside with autograd.grad, and only what contains no marked loop",
            )
        self._selected = _Selected(function, args, kwargs, argnums)
        self.peers = self._selected.peers(function, args, kwargs, comm, replicated)
        self._args = list(args)
        self._kwargs = dict(kwargs)
        self._tape = Tape(exact=full_tracebacks())
        self._function = underlying(function)
        self._state = State([self._function], [self._args, self._kwargs, *instances(function)])
        self._selected.separate(self._state, self._args, self._kwargs)
        self._sessions = Sessions()
        self._account = begin(_name_of(self._function))
        self._traffic = self._account.traffic = Traffic()
        with self._account.under_way("forward"), self._sessions.closed_after_errors(), talking(self._traffic):
            self.peers.begin()
            self.value = self._run(function)
            self._selected.check_separated()
            if from_autograd:
                self._traffic.check_alone()
            if self.peers.shared:
                self.peers.find(self._traffic)
        self._state.holder.owner.append(self.value)  # what was returned has to survive the way back, too

    def _run(self, function: Callable[..., Any]) -> Any:
        tape = self._tape
        args, kwargs = self._args, self._kwargs
        wrapper = self._wrapper = Wrapper(tape, lambda value: True)
        chosen = State([], self._selected.trees)
        with placed_warnings, knowing_traced_values(), recording(tape), wrapped(chosen, wrapper):
            self._selected.take(args, kwargs)
            self._selected.mark_separated(wrapper)
            wrapper.varied = lambda value: False
            with wrapped(self._state, wrapper):
                value = function(*args, **kwargs)
                tape.raise_what_was_swallowed()
                self._traffic.check_received("the function returns")
                self._results = _Results(value)
        return self._selected.apart_from(self._results.plain())

    def _untouched(self) -> set[int]:
        """The base arrays that nothing was written to, so that the way back does not write to them either."""
        return {key for key, memory in self._wrapper.memories.items() if memory.written is None}

    def everybody(self) -> Any:
        """The communicator of all ranks that took part, or None if there is no other."""
        with talking(self._traffic):
            self.peers.find(self._traffic)
        return self.peers.comm

    def gradient(self) -> Any:
        """The adjoint of the selected arguments, given that the value is a loss: seeded on one rank."""
        with self._sessions.closed_after_errors(), talking(self._traffic):
            self.peers.find(self._traffic)
            seeded = self.peers.seeds(self.value, _unit)
        return self.pullback(_unit(self.value) if seeded else _NOTHING)

    def pullback(self, cotangent: Any) -> Any:
        """The adjoint of the selected arguments, given that of the value."""
        if self._results is None:
            raise ArgumentError(
                "this pullback was called before, and its snapshots are used up: call vjp again for another"
            )
        if any(type(leaf) in Box.types for _, leaf in _flat(cotangent, "cotangent")):
            raise refuse(
                "CKP215",
                "the gradient of a gradient",
                "second derivatives through marked loops are not available yet",
            )
        results, self._results = self._results, None  # type: ignore[assignment]
        with self._account.under_way("reverse"), self._sessions.closed_after_errors(), talking(self._traffic):
            self._pull_back(results, cotangent)
            gradients = self.peers.total(self._selected.gradients())
        self._traffic.close()
        return gradients[0] if self._selected.single else tuple(gradients)

    def _pull_back(self, results: _Results, cotangent: Any) -> None:
        results.seed(cotangent)
        try:
            after = capture(self._state, self._tape.known, apart_from=self._untouched())
        except MemoryError as error:
            raise StorageError(
                f"not enough memory to keep what the function left, while it is reversed ({error})"
            ).with_value(self.value) from error
        self._selected.keep_out_of(after)
        try:
            with placed_warnings, knowing_traced_values():
                self._tape.reverse()
        except BaseException as error:
            if isinstance(error, TraceError) and not error.filename:
                place = self._tape.place(self._tape.reversing)
                raise at_place(error, place, self._function) from error.__cause__
            note_way_back_of_function(error, self._function, self._tape)
            if isinstance(error, StorageError):
                error.with_value(self.value)
            raise
        finally:
            after.restore()
            self._selected.put_back()


class _Selected:
    """The arguments that are differentiated."""

    def __init__(
        self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums
    ) -> None:
        self.single = isinstance(argnums, int | str | np.integer)
        wanted = listed(argnums)
        self.places = [place_of(function, number, args, kwargs) for number in wanted]
        self.originals = [args[place] if isinstance(place, int) else kwargs[place] for place in self.places]
        for number, tree in zip(wanted, self.originals, strict=True):
            trees.check_differentiable(tree, _argument_name(function, number))
        self.trees = list(self.originals)
        self._separated: list[tuple[str, Any, Any]] = []
        self._names = [_argument_name(function, number) for number in wanted]
        self._bindings = [(place, place.content()) for place in State([], self.trees).survey().containers]
        self._nodes: list[list[TapeNode]] = []

    def peers(
        self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], comm: Any, replicated: Any
    ) -> Peers:
        """The other ranks of the call, which have the arguments that are named in ``replicated``, too."""
        wanted = [] if replicated is None else listed(replicated)
        places = [place_of(function, number, args, kwargs, "replicated") for number in wanted]
        for number, place in zip(wanted, places, strict=True):
            if place not in self.places:
                raise ArgumentError(
                    f"replicated names {number!r}, which is not among the argnums of the call"
                )
        numbers = dict.fromkeys(self.places.index(place) for place in places)
        return Peers(comm, [(self._names[number], number) for number in numbers], self.originals)

    def separate(self, state: State, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Copy the arguments if anything else shares their memory.

        The derivative is the one with respect to the argument alone; the other route to the same memory (another
        argument, a global, the argument itself in two places of a tree) stays constant.
        """
        self._replace(args, kwargs, [None] * len(self.trees))
        elsewhere = state.survey().roots
        chosen = [
            leaf for tree in self.trees for _, leaf in trees.leaves(tree, "") if isinstance(leaf, np.ndarray)
        ]
        roots = [id(root_of(leaf)) for leaf in chosen]
        if len(set(roots)) < len(roots) or elsewhere.keys() & set(roots) or any(map(overlaps_itself, chosen)):
            originals = [
                dict(trees.leaves(tree, name)) for tree, name in zip(self.trees, self._names, strict=True)
            ]
            self.trees = [trees.rebuilt(tree, _private, lambda part: part) for tree in self.trees]
            for tree, name, before in zip(self.trees, self._names, originals, strict=True):
                self._separated += [
                    (path, before[path], leaf)
                    for path, leaf in trees.leaves(tree, name)
                    if isinstance(leaf, np.ndarray)
                ]
        self._replace(args, kwargs, self.trees)

    def apart_from(self, value: Any) -> Any:
        """The returned value, copied where it is the memory of an argument, which will hold the argument again."""
        roots = {
            id(node.memory.root) for nodes in self._nodes for node in nodes if isinstance(node.memory, Memory)
        }

        def separate(leaf: Any) -> Any:
            return leaf.copy() if isinstance(leaf, np.ndarray) and id(root_of(leaf)) in roots else leaf

        holder = [value]
        State([], holder).survey(lenient=True).replace(separate)
        return holder[0]

    def check_separated(self) -> None:
        """Refuse the call if the function wrote to an argument that was separated from what shares its memory."""
        for path, original, private in self._separated:
            if original.tobytes() != private.tobytes():
                raise ArgumentError(
                    f"{path} shares memory with another argument or variable, and the function writes to it, so that its"
                    " derivative is not defined: pass a copy"
                )

    def mark_separated(self, wrapper: Wrapper) -> None:
        """Let the memories of separated arguments, and of what they were separated from, refuse to be written to."""
        for path, original, private in self._separated:
            for array in (original, private):
                memory = Memory(array, varied=array is private)
                wrapper.memories.setdefault(id(memory.root), memory).separated = path

    def _replace(self, args: list[Any], kwargs: dict[str, Any], values: list[Any]) -> None:
        for place, value in zip(self.places, values, strict=True):
            (args if isinstance(place, int) else kwargs)[place] = value  # type: ignore[index]

    def take(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Put the traced arguments among the arguments of the call, and note their nodes."""
        self._replace(args, kwargs, self.trees)
        for tree in self.trees:
            self._nodes.append([leaf._node for _, leaf in trees.leaves(tree, "")])

    def gradients(self) -> list[Any]:
        """The adjoints as trees like the arguments."""
        return [
            trees.rebuilt(tree, _Adjoints(nodes))
            for tree, nodes in zip(self.originals, self._nodes, strict=True)
        ]

    def put_back(self) -> None:
        """Leave the attributes and items of the differentiated arguments as they were before the call."""
        for place, content in self._bindings:
            place.restore(content)

    def keep_out_of(self, snapshot: Snapshot) -> None:
        """Leave the content of the differentiated arrays as it was before the call."""
        for nodes in self._nodes:
            for node in nodes:
                snapshot.buffers.pop(id(getattr(node.memory, "root", None)), None)


def listed(numbers: Any) -> list[Any]:
    """One position or name, or several, as a list."""
    if isinstance(numbers, int | str | np.integer) or not isinstance(numbers, Sequence):
        return [numbers]
    return list(numbers)


class _Adjoints:
    """Answers with the adjoint of each leaf of a tree, in the order of the leaves."""

    def __init__(self, nodes: list[TapeNode]) -> None:
        self._nodes = iter(nodes)

    def __call__(self, leaf: Any) -> Any:
        return _adjoint_of(next(self._nodes), leaf)


def _private(leaf: Any) -> Any:
    """A copy of an array, in the same order of its axes."""
    return leaf.copy(order="K") if isinstance(leaf, np.ndarray) else leaf


def _adjoint_of(node: TapeNode, leaf: Any) -> Any:
    """The adjoint that arrived at an argument, of the argument's own type."""
    if isinstance(leaf, np.ndarray):
        flat = node.memory.flat
        return np.zeros_like(leaf) if flat is None else flipped(np.array(node.memory.adjoint(node.value)))
    number = node.memory.take(leaf)
    kind = type(leaf)
    return kind(0) if number is None else kind(flipped(number))


class _Results:
    """What the function returned: traced, and by its values."""

    def __init__(self, value: Any) -> None:
        self._traced = value
        self._nodes = [(name, leaf._node) for name, leaf in _flat(value, "value") if is_varied(leaf)]
        for name, leaf in _flat(value, "value"):
            if is_sparse(leaf) and is_varied(leaf.data):
                raise refuse(
                    "CKP201",
                    f"the {name} that the function returns is a sparse matrix of differentiated values",
                    "return its toarray(), or the array of the values that it was made of",
                )
        self._value = _untraced(value)

    def plain(self) -> Any:
        return self._value

    def seed(self, cotangent: Any) -> None:
        """Put the adjoint of the value onto the tape."""
        if cotangent is _NOTHING:  # a zero would become a NaN where the derivative is infinite
            return
        given = dict(_flat(cotangent, "value"))
        for name, node in self._nodes:
            if name not in given:
                raise ArgumentError(
                    f"the adjoint of {name} is missing: give a tree of the same form as the value"
                )
            adjoint = given[name]
            if np.shape(adjoint) != np.shape(node.value):
                raise ArgumentError(
                    f"the adjoint of {name} has shape {np.shape(adjoint)}, but must have {np.shape(node.value)}"
                )
            if isinstance(node.value, np.ndarray):
                node.memory.add(
                    node.value, np.array(flipped(adjoint), dtype=np.result_type(node.value, adjoint))
                )
            else:
                node.memory.add(node.value, flipped(adjoint))


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    if is_traced(value):
        return [(name, value)]
    parts = trees.children(value)
    if parts is None:
        return [(name, value)]
    return [leaf for suffix, part in parts for leaf in _flat(part, name + suffix)]


def _untraced(value: Any) -> Any:
    """The returned value without traced values in it; containers that the state can reach are untraced in place."""
    if is_traced(value):
        return plain(value)
    holder = [value]
    State([], holder).survey().replace(plain)
    return holder[0]


def _check_callable(function: Any) -> None:
    if not callable(function):
        raise ArgumentError(f"function must be callable, but is {function!r}")


def underlying(function: Any) -> Any:
    """The code of a callable."""
    if isinstance(function, functools.partial):
        return underlying(function.func)
    return (
        function if isinstance(function, types.FunctionType | types.MethodType) else type(function).__call__
    )


def _name_of(function: Any) -> str:
    """What the code that is called is called."""
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def instances(function: Any) -> list[Any]:
    """The objects that a callable carries with it."""
    if isinstance(function, functools.partial):
        return [list(function.args), function.keywords, *instances(function.func)]
    if isinstance(function, types.MethodType):
        return [function.__self__]
    return [] if isinstance(function, types.FunctionType) else [function]


def place_of(
    function: Any, number: Any, args: tuple[Any, ...], kwargs: dict[str, Any], by: str = "argnums"
) -> int | str:
    """Where among the arguments of the call an argument stands that was named by number or by name."""
    if isinstance(number, str):
        if number in kwargs:
            return number
        names = parameters_of(function)
        if number in names and names.index(number) < len(args):
            return names.index(number)
        raise ArgumentError(f"{by} names {number!r}, but the call gives no such argument")
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise ArgumentError(f"{by} must be positions or names of arguments, but contains {number!r}")
    if -len(args) <= number < len(args):
        return int(number) % len(args)
    names = parameters_of(function)
    if 0 <= number < len(names) and names[number] in kwargs:
        return names[number]
    raise ArgumentError(f"{by} is {number}, but the call gives {len(args)} positional arguments")


def parameters_of(function: Any) -> list[str]:
    """The names of a function's parameters; none if Python cannot tell."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _argument_name(function: Any, number: Any) -> str:
    if isinstance(number, str):
        return f"argument {number!r}"
    names = parameters_of(function)
    return f"argument {names[number]!r}" if 0 <= number < len(names) else f"argument {number}"


def _unit(value: Any) -> Any:
    """The adjoint of a real number with respect to itself."""
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind == "f":
        return np.ones_like(value)
    if isinstance(value, float | np.floating):
        return type(value)(1)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return 1.0  # a constant
    what = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r}"
    raise ArgumentError(
        f"the gradient is defined for functions that return a real number, but this one returned {what}:"
        " return a sum, a mean or one element, or use vjp"
    )
