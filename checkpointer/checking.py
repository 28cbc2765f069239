"""`check`: whether the adjoint of a program is the transpose of its derivative, by a witness that knows nothing of adjoints.

For any direction v of the input and any cotangent ȳ of the value, <ȳ, J v> = <Jᵀ ȳ, v>, where J is the Jacobian. The left
side is computed by differences of the program that is not differentiated, the right side by its pullback. On MPI ranks,
each has its own v and ȳ, and the products are summed over the ranks: a message that is lost on the way back, or counted
twice, shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import autograd  # noqa: F401  whole, before any part of NumPy: see lazy.py
import numpy as np

from checkpointer import ranks, trees
from checkpointer.differences import extrapolated
from checkpointer.differentiation import Argnums, Call, instances, listed, parameters_of, place_of, underlying
from checkpointer.errors import WrongGradientError
from checkpointer.peers import UNSET, divided
from checkpointer.snapshots import capture
from checkpointer.state import State

_PERTURBED = 0.01
"""By which part the elements of the second input differ from the first, at most."""


@dataclass(frozen=True)
class DotProduct:
    """The test at one input. On MPI ranks, the products are sums over all of them.

    Attributes
    ----------
    tangent : float
        <ȳ, J v>, by differences.
    adjoint : float
        <Jᵀ ȳ, v>, by the pullback.
    uncertainty : float
        By how much ``tangent`` may be wrong, as the differences show.
    tolerance : float
        How much the two may differ, relatively: the precision of the numbers decides.
    same_value : bool
        Whether the value of the differentiated program has the bits of that which is not.
    """

    tangent: float
    adjoint: float
    uncertainty: float
    tolerance: float
    same_value: bool

    @property
    def scale(self) -> float:
        """The larger of the two products."""
        return max(abs(self.tangent), abs(self.adjoint))

    @property
    def relative_error(self) -> float:
        """By how much they differ, relatively."""
        return abs(self.tangent - self.adjoint) / self.scale if self.scale else 0.0

    @property
    def verdict(self) -> str:
        """What came out, in words."""
        if not self.same_value:
            return "the value is another one"
        if not math.isfinite(self.adjoint):
            return "the adjoint is not finite"
        if not self.uncertainty <= 1000 * self.tolerance * self.scale:
            return "not smooth enough to tell"
        allowed = self.tolerance * self.scale + 10 * self.uncertainty
        return "right" if abs(self.tangent - self.adjoint) <= allowed else "the adjoint is wrong"

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict == "right"


@dataclass(frozen=True)
class Check:
    """What `check` has found. It prints as a table, and is true if nothing is wrong.

    Attributes
    ----------
    function : str
        What was differentiated.
    ranks : int
        On how many ranks.
    inputs : tuple of DotProduct
        At the input that was given, and at a perturbed one.
    """

    function: str
    ranks: int
    inputs: tuple[DotProduct, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(product.ok for product in self.inputs)

    @property
    def relative_error(self) -> float:
        """The largest of all inputs."""
        return max(product.relative_error for product in self.inputs)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        on = f" on {self.ranks} ranks" if self.ranks > 1 else ""
        lines = [f"{self.function}{on}: the dot-product test", ""]
        lines.append(f"{'input':<10}{'<ȳ, J v>':>20}{'<Jᵀ ȳ, v>':>20}{'error':>10}  found")
        for name, one in zip(("given", "perturbed"), self.inputs, strict=True):
            numbers = f"{one.tangent:>20.12g}{one.adjoint:>20.12g}{one.relative_error:>10.1e}"
            lines.append(f"{name:<10}{numbers}  {one.verdict}")
        return "\n".join(lines)

    def raise_if_wrong(self) -> None:
        """Raise an error if anything is wrong.

        Raises
        ------
        WrongGradientError
            With the table.
        """
        if not self.ok:
            raise WrongGradientError(str(self))


def check(
    function: Any,
    *args: Any,
    argnums: Argnums = 0,
    comm: Any = UNSET,
    replicated: Argnums | None = None,
    seed: Any = UNSET,
    **kwargs: Any,
) -> Check:
    """Test the adjoint of a function by dot products, at an input and at another one near to it.

    Parameters
    ----------
    function : callable
        As for `vjp`: it may return a number, an array, or a tree of them.
    *args, **kwargs
        Its arguments.
    argnums : int, str, or sequence of them
        The arguments to differentiate with respect to.
    comm : Comm, optional
        On MPI ranks: the communicator of those that take part, by default the largest that the function used. All of them
        call this. A function that has a parameter of this name gets it, too.
    replicated : int, str, or sequence of them, optional
        On MPI ranks: those of ``argnums`` that are one variable on all ranks; see `vjp`.
    seed : int, optional
        Of the random directions. A function that has a parameter of this name gets it instead.

    Returns
    -------
    Check
        The same on all ranks. It is true, and its ``ok`` is, if nothing is wrong; it prints as a table;
        ``raise_if_wrong()`` raises an error.

    Raises
    ------
    ArgumentError, TraceError
        As `vjp` does: a function that is refused has no adjoint to test.

    Notes
    -----
    The derivative by differences takes some 20 runs of the function that is not differentiated. All calls leave the
    arguments, and whatever else the function changes, as they were.

    Examples
    --------
    >>> import numpy as np
    >>> from checkpointer import check
    >>> found = check(lambda u: np.sin(u) * u[0], np.array([0.5, 1.0, 2.0]))
    >>> found.ok, found.relative_error < 1e-9
    (True, True)
    """
    comm = divided(function, comm, kwargs)
    if seed is not UNSET and "seed" in parameters_of(function):
        kwargs["seed"], seed = seed, UNSET
    trial = _Trial(function, args, kwargs, argnums, comm, replicated, 0 if seed is UNSET else seed)
    given = trial.at(trial.values)
    return Check(trial.name, trial.ranks, (given, trial.at(trial.perturbed())))


class _Trial:
    """A function and its arguments, to be called again and again as if for the first time."""

    def __init__(
        self,
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Argnums,
        comm: Any,
        replicated: Argnums | None,
        seed: int,
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.argnums = listed(argnums)
        self.comm = comm
        self.replicated = replicated
        self.seed = seed
        self.places = [place_of(function, number, args, kwargs) for number in self.argnums]
        self.values = [args[place] if isinstance(place, int) else kwargs[place] for place in self.places]
        self.shared: list[int] = []
        self.name = str(getattr(function, "__qualname__", type(function).__qualname__))

    @property
    def ranks(self) -> int:
        return 1 if self.comm is None else int(self.comm.size)

    def random(self, purpose: int, *, same: bool = False) -> np.random.Generator:
        """Random numbers of this rank, or the same ones on all ranks."""
        return np.random.default_rng([self.seed, purpose, 0 if same else 1 + ranks.rank()])

    def perturbed(self) -> list[Any]:
        """Another input: what is zero remains so, and no sign changes."""
        return [
            trees.rebuilt(tree, partial(_near, rng), lambda part: part)
            for tree, rng in zip(self.values, self._generators(0), strict=True)
        ]

    def _generators(self, purpose: int) -> list[np.random.Generator]:
        return [self.random(purpose, same=number in self.shared) for number in range(len(self.values))]

    def at(self, values: list[Any]) -> DotProduct:
        """The test at one input."""
        value, same, adjoint = self._pulled_back(values)
        directions = [
            [_direction(leaf, rng) for _, leaf in trees.leaves(tree, "")]
            for tree, rng in zip(values, self._generators(1), strict=True)
        ]
        cotangent = _leaves(self._cotangent(value))
        first = self.comm is None or self.comm.rank == 0
        mine = [
            _dot(_leaves(tree), direction)
            for number, (tree, direction) in enumerate(zip(adjoint, directions, strict=True))
            if first or number not in self.shared
        ]

        def quotient(step: float) -> float:
            right, left = (
                _leaves(
                    self._run(
                        [_moved(tree, by * step, v) for tree, v in zip(values, directions, strict=True)]
                    )
                )
                for by in (1, -1)
            )
            difference = [there - here for there, here in zip(right, left, strict=True)]
            return self._sum(_dot(cotangent, difference)) / (2 * step)

        with np.errstate(all="ignore"):  # a step may be too large for the function
            tangent, uncertainty = extrapolated(quotient)
        everywhere = [leaf for tree in (*values, value) for leaf in _leaves(tree)]
        rough = max((float(np.finfo(np.asarray(leaf).dtype).eps) for leaf in everywhere), default=0.0)
        rough = max(ranks.gathered(rough, self.comm)) if self.comm is not None else rough
        return DotProduct(tangent, self._sum(sum(mine)), uncertainty, max(1e-7, math.sqrt(rough)), same)

    def _pulled_back(self, values: list[Any]) -> tuple[Any, bool, list[Any]]:
        """The value, whether all ranks computed the bits of the function that is not differentiated, and the adjoint."""
        plain = self._run(values)
        args, kwargs = self._arguments(values)
        before = self._captured(args, kwargs)
        try:
            call = Call(self.function, args, kwargs, self.argnums, self.comm, self.replicated)
            self.comm, self.shared = call.everybody(), call.peers.shared
            same = _bits(call.value) == _bits(plain)
            adjoint = call.pullback(self._cotangent(call.value))
        finally:
            before.restore()
        if self.comm is not None:
            same = all(ranks.gathered(same, self.comm))
        return plain, same, list(adjoint)

    def _cotangent(self, value: Any) -> Any:
        rng = self.random(2)
        return trees.rebuilt(value, lambda leaf: _noise(leaf, rng), lambda part: part)

    def _run(self, values: list[Any]) -> Any:
        """The value of the function that is not differentiated."""
        args, kwargs = self._arguments(values)
        before = self._captured(args, kwargs)
        try:
            return _copied(self.function(*args, **kwargs))
        finally:
            before.restore()

    def _captured(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return capture(State([underlying(self.function)], [list(args), kwargs, *instances(self.function)]))

    def _arguments(self, values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, kwargs = list(self.args), dict(self.kwargs)
        for place, value in zip(self.places, values, strict=True):
            (args if isinstance(place, int) else kwargs)[place] = _copied(value)  # type: ignore[index]
        return tuple(args), kwargs

    def _sum(self, mine: float) -> float:
        """The sum over the ranks, with the same bits on all of them."""
        return math.fsum(ranks.gathered(mine, self.comm)) if self.comm is not None else float(mine)


def _leaves(tree: Any) -> list[Any]:
    return [leaf for _, leaf in trees.leaves(tree, "")]


def _copied(tree: Any) -> Any:
    return trees.rebuilt(
        tree, lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, lambda part: part
    )


def _bits(tree: Any) -> list[Any]:
    """What is equal where two trees have the same bits."""
    return [(name, np.shape(leaf), np.asarray(leaf).tobytes()) for name, leaf in trees.leaves(tree, "value")]


def _noise(leaf: Any, rng: np.random.Generator) -> Any:
    """Random numbers, of the shape and type of an array or number."""
    noise = rng.standard_normal(np.shape(leaf))
    if np.iscomplexobj(leaf):
        noise = noise + 1j * rng.standard_normal(np.shape(leaf))
    return noise.astype(leaf.dtype) if isinstance(leaf, np.ndarray) else type(leaf)(noise)


def _direction(leaf: Any, rng: np.random.Generator) -> Any:
    """A random direction of the size of what it is added to."""
    size = math.sqrt(float(np.mean(np.abs(leaf) ** 2))) if np.size(leaf) else 1.0
    return np.asarray(_noise(leaf, rng)) * (size or 1.0)


def _near(rng: np.random.Generator, leaf: Any) -> Any:
    factor = 1 + _PERTURBED * rng.uniform(-1, 1, np.shape(leaf))
    moved = leaf * factor
    return moved.astype(leaf.dtype) if isinstance(leaf, np.ndarray) else type(leaf)(moved)


def _moved(tree: Any, step: float, direction: Sequence[Any]) -> Any:
    """A tree, a step further in a direction."""
    rest = iter(direction)

    def move(leaf: Any) -> Any:
        moved = leaf + step * next(rest)
        return moved.astype(leaf.dtype) if isinstance(leaf, np.ndarray) else type(leaf)(moved)

    return trees.rebuilt(tree, move, lambda part: part)


def _dot(some: Sequence[Any], others: Sequence[Any]) -> float:
    """The real inner product under which adjoints are what autograd calls them: without a conjugate."""
    return math.fsum(float(np.real(np.sum(a * b))) for a, b in zip(some, others, strict=True))
