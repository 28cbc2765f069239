"""What a random program must do on its ranks: the plain program's values, to the last bit, and the exact adjoint.

The inner product is summed over the ranks: ``sum over r of <ybar_r, (J d)_r> = sum over r of <(J^T ybar)_r, d_r>``.
``J d`` comes from the twin of the program, run by plain mpi4py with complex numbers whose imaginary parts are the
direction times 1e-30: no difference is taken, so that it is right to rounding. Programs that have complex numbers
themselves are compared with central differences of the sixth order at two distances. Directions and adjoints differ
from rank to rank; on some they are zero.
"""

from __future__ import annotations

import linecache
import marshal
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import twins
from mpi4py import MPI
from writer import Program

from checkpointer import Multistage, Online, Periodic, Revolve, Scheme, StoreAll, TransformError, vjp
from checkpointer.compiled import compile_file

TINY = 1e-30
WEIGHTS = {1: 45, 2: -9, 3: 1}
FEW: tuple[Scheme, ...] = (Revolve(1), Online(1), Revolve(2), Multistage(1, 1))
FEW_ENDLESS: tuple[Scheme, ...] = (Online(1), Online(2))
MANY: tuple[Scheme, ...] = (StoreAll(), Online(8), Periodic(period=2))

Values = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """``kind`` is "right", "refused", "invalid" (it has no derivative to compare with) or "wrong"."""

    kind: str
    why: str = ""


class _Wrong(Exception):
    pass


@dataclass(frozen=True)
class Judge:
    """Judges programs on all ranks of the world at once; every rank comes to the same verdict.

    ``stage`` is told what is being done, before it is done.
    """

    stage: Callable[[str], None]
    thorough: bool = False
    comm: MPI.Intracomm = field(default_factory=MPI.COMM_WORLD.Dup)

    def plain(self, program: Program) -> Outcome:
        """Only run the program and its twin, undifferentiated; at the first input."""
        return self._with_modules(program, rewritten=False, how=self._check_plain)

    def differentiated(self, program: Program, seed: int) -> Outcome:
        """Everything."""
        try:
            return self._with_modules(
                program, rewritten=True, how=lambda *modules: self._check(program, seed, *modules)
            )
        except _Wrong as error:
            return Outcome("wrong", str(error))
        except TransformError as error:
            return Outcome("refused", str(error))

    # --- modules ---

    def _with_modules(self, program: Program, *, rewritten: bool, how: Callable[..., Outcome]) -> Outcome:
        """Load the module in its two or three forms, and free the communicators that they make."""
        name = "random_pattern.py"
        linecache.cache[name] = (len(program.source), None, program.source.splitlines(keepends=True), name)
        codes = [compile(program.source, name, "exec"), compile(program.twin, "twin.py", "exec")]
        if rewritten:
            codes.append(self._rewritten(program.source, name))
        modules = []
        for code in codes:
            module = types.ModuleType("random_pattern")
            module.__dict__["twins"] = twins
            exec(code, module.__dict__)
            modules.append(module)
        outcome = how(*modules)
        for module in modules:
            for name, value in sorted(vars(module).items()):
                if isinstance(value, MPI.Comm) and name != "comm":
                    value.Free()
        return outcome

    def _rewritten(self, source: str, name: str) -> types.CodeType:
        """The code of the rewritten module, which the first rank makes for all."""
        made: Any = None
        if self.comm.rank == 0:
            try:
                made = marshal.dumps(compile_file(source.encode(), name))
            except TransformError as error:
                made = error
        made = self.comm.bcast(made)
        if isinstance(made, TransformError):
            raise made
        code: types.CodeType = marshal.loads(made)
        return code

    # --- checks ---

    def _check_plain(self, plain: Any, twin: Any) -> Outcome:
        inputs = _inputs(0, self.comm.rank)
        self.stage("plain")
        expected = self._run(plain, inputs)
        self.stage("twin")
        self._same_value(self._run(twin, [x + 0j for x in inputs]), expected, "with complex numbers", 1e-4)
        return Outcome("right")

    def _check(self, program: Program, seed: int, plain: Any, twin: Any, rewritten: Any) -> Outcome:
        inputs = [_inputs(number, self.comm.rank) for number in range(2)]
        expected = []
        for number in range(2):
            self.stage(f"plain at {number}")
            expected.append(self._run(plain, inputs[number]))
        self.stage("rewritten, undifferentiated")
        self._same_value(self._run(rewritten, inputs[0]), expected[0], "undifferentiated")
        few = (FEW_ENDLESS if program.endless else FEW)[seed % (2 if program.endless else 4)]
        many = (StoreAll(), Online(8)) if program.endless else MANY
        runs = [(0, few), (1, many[seed % len(many)])]
        runs += [(0, many[seed % len(many)]), (1, few)] * self.thorough
        found: dict[int, Values] = {}
        for number, scheme in runs:
            self.stage(f"differentiated at {number} with {scheme}")
            adjoints = self._adjoints(rewritten, number, inputs, expected[number], scheme)
            if number in found:
                self._same_value(adjoints, found[number], f"the adjoints with {scheme}", 1e-12)
            found[number] = adjoints
        for number in range(2):
            self.stage(f"the derivative at {number}")
            if program.analytic:
                slope, error = self._by_complex_step(
                    twin, number, inputs[number], expected[number], program.single
                )
            else:
                slope, error = self._by_differences(plain, number, inputs[number])
            if error > 1e-5 * (1 + abs(slope)):
                return Outcome("invalid", f"no derivative at {number}: {slope} ± {error}")
            self._check_product(found[number], number, slope, error)
        return Outcome("right")

    def _adjoints(self, module: Any, number: int, inputs: Any, expected: Values, scheme: Scheme) -> Values:
        given = [np.copy(x) if np.ndim(x) else x for x in inputs[number]]
        value, pullback = vjp(module.f, *given, scheme, argnums=(0, 1, 2, 3, 4))
        self._same_value(value, expected, f"differentiated at {number} with {scheme}")
        self.stage(f"reversed at {number} with {scheme}")
        adjoints: Values = pullback(_adjoint(number, self.comm.rank))
        self._nothing_left(f"reversed with {scheme}")
        return adjoints

    def _check_product(self, adjoints: Values, number: int, slope: float, error: float) -> None:
        direction = _direction(number, self.comm.rank)
        products = [np.asarray(a * d, dtype=float) for a, d in zip(adjoints, direction, strict=True)]
        found = self.comm.allreduce(sum(float(p.sum()) for p in products))
        scale = self.comm.allreduce(sum(float(np.abs(p).sum()) for p in products))
        if not abs(found - slope) <= 10 * error + 1e-11 * (scale + abs(slope) + 1e-3):
            raise _Wrong(f"the inner product at input {number} is {found} and not {slope} ± {error}")

    def _same_value(self, found: Values, expected: Values, how: str, tolerance: float = 0.0) -> None:
        """Compare on every rank, and tell all of them what one of them has found."""
        problem = ""
        for name, x, y in zip("uvmst", found, expected, strict=True):
            if tolerance:
                same = np.allclose(np.real(x), y, rtol=tolerance, atol=tolerance * 1e-2)
            else:
                same = type(x) is type(y) and np.array_equal(x, y)
            if not same and not problem:
                problem = f"{name} on rank {self.comm.rank}, {how}: {x!r} and not {y!r}"
        for text in self.comm.allgather(problem):
            if text:
                raise _Wrong(text)

    # --- derivatives ---

    def _by_complex_step(
        self, twin: Any, number: int, inputs: Any, expected: Values, single: bool
    ) -> tuple[float, float]:
        """The slope in the direction, seen through the adjoint, and what it may be wrong by."""
        moved = [x + 1j * TINY * d for x, d in zip(inputs, _direction(number, self.comm.rank), strict=True)]
        value = self._run(twin, moved)
        self._same_value(value, expected, "with complex numbers", 1e-4 if single else 1e-10)
        slope = self._weighed([np.imag(x) / TINY for x in value], number)
        return slope, 1e-5 * max(abs(slope), 1.0) * single * 0.9

    def _by_differences(self, plain: Any, number: int, inputs: Any) -> tuple[float, float]:
        direction = _direction(number, self.comm.rank)

        def along(step: float) -> float:
            self.stage(f"the derivative at {number}")
            return self._weighed(
                self._run(plain, [x + step * d for x, d in zip(inputs, direction, strict=True)]), number
            )

        def central(distance: float) -> float:
            parts = (w * (along(k * distance) - along(-k * distance)) for k, w in WEIGHTS.items())
            return sum(parts) / (60 * distance)

        first, second = central(2.0**-8), central(2.0**-10)
        return second, abs(first - second) + 1e-9

    def _weighed(self, value: Values, number: int) -> float:
        weights = _adjoint(number, self.comm.rank)
        here = sum(float(np.sum(w * np.real(x))) for w, x in zip(weights, value, strict=True))
        return float(self.comm.allreduce(here))

    # --- running ---

    def _run(self, module: Any, inputs: Any) -> Values:
        value: Values = module.f(*[np.copy(x) if np.ndim(x) else x for x in inputs], StoreAll())
        self._nothing_left("undifferentiated")
        return value

    def _nothing_left(self, how: str) -> None:
        """No message of the program may still be under way."""
        self.comm.Barrier()
        left = MPI.COMM_WORLD.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG)
        for rank, one in enumerate(self.comm.allgather(left)):
            if one:
                raise _Wrong(f"{how}: a message to rank {rank} was never received")


def _inputs(number: int, rank: int) -> list[Any]:
    return _numbers(np.random.default_rng([1, number, rank]).uniform(-1, 1, 50))


def _direction(number: int, rank: int) -> list[Any]:
    return _numbers(np.random.default_rng([2, number, rank]).normal(size=50))


def _adjoint(number: int, rank: int) -> Values:
    weights = np.random.default_rng([3, number, rank]).normal(size=50)
    return tuple(_numbers(weights * (rank != 1 or number == 0)))


def _numbers(x: Any) -> list[Any]:
    return [x[:12], x[12:24], x[24:48].reshape(4, 6), float(x[48]), float(x[49])]
