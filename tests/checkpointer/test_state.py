"""What belongs to the state of a loop, how it is snapshotted and restored, and what is refused."""

import builtins
import collections
import functools
import random
import textwrap
import types

import numpy as np
import pytest

from checkpointer import Revolve, StoreAll, TraceError, grad
from checkpointer.blocks import BLOCK_BYTES, Known
from checkpointer.snapshots import capture
from checkpointer.state import State

GLOBAL = {"array": np.zeros(2), "number": 1.0}
counter = 0


class Slotted:
    __slots__ = ("late", "u")

    def __init__(self):
        self.u = np.ones(2)


class Shared:
    everyone = np.zeros(2)
    total = 0.5

    @property
    def doubled(self):
        return 2 * GLOBAL["number"]


class Solver:
    def __init__(self):
        self.u = np.arange(4.0)
        self.view = self.u[1:3]
        self.nested = [{"k": np.ones(2)}, (np.full(2, 7.0), 0.25)]
        self.queue = collections.deque([1.5])
        self.names = {"a"}
        self.me = self  # a circle
        self.slotted = Slotted()
        self.shared = Shared()
        self.rng = np.random.default_rng(1)
        self.space = types.SimpleNamespace(t=0.5)
        self.missing = None
        self.partial = functools.partial(max, self.u)

    def step(self):
        global counter
        counter += 1
        return self.helper()

    def helper(self):
        return GLOBAL["array"]


def everything(solver):
    """All that the program can observe of the state, by value."""
    return repr(
        (
            *(solver.u, solver.view, solver.nested, solver.queue, solver.names, solver.space, solver.missing),
            *(solver.slotted.u, getattr(solver.slotted, "late", "unset"), Shared.everyone, Shared.total),
            *(solver.rng.bit_generator.state, GLOBAL, counter, random.getstate()[1][:3]),
        )
    )


def change(solver):
    """Change all of it, in every way."""
    global counter
    solver.u[:] = -1
    solver.nested[0]["k"] *= 3
    solver.nested.append("new")
    solver.nested[1][0][:] = 0
    solver.queue.append(2.5)
    solver.names.add("b")
    solver.slotted.u += 1
    solver.slotted.late = 3.0
    Shared.everyone += 1
    Shared.total = 9.5
    Shared.extra = 1.0
    solver.rng.normal(size=3)
    solver.space.t = 1.5
    solver.space.new = 1
    solver.missing = np.ones(2)
    solver.attribute = 1.0
    GLOBAL["array"][:] = 5
    GLOBAL["number"] = 2.0
    counter = 12
    random.random()


def test_a_snapshot_brings_everything_back_in_place():
    def step():
        solver.step()
        return random.random()

    solver = Solver()
    u, view, nested, partial = solver.u, solver.view, solver.nested[0]["k"], solver.partial.args[0]
    before = everything(solver)
    snapshot = capture(State([step], []))
    change(solver)
    assert everything(solver) != before
    snapshot.restore()
    assert everything(solver) == before
    assert not hasattr(Shared, "extra")
    assert not hasattr(solver, "attribute")
    assert solver.u is u
    assert solver.view is view
    assert solver.nested[0]["k"] is nested
    assert partial is solver.u
    assert np.shares_memory(solver.view, solver.u)


def test_the_builtins_in_a_namespace_are_not_state():
    """A snapshot that is restored empties a dict first; without builtins that is the end of everything."""
    namespace = {}
    exec("u = 1.0", namespace)
    survey = State([lambda: namespace], []).survey()
    assert "namespace['u']" in {leaf.name for leaf in survey.leaves}
    assert vars(builtins) is namespace["__builtins__"]
    assert vars(builtins) not in [getattr(container, "owner", None) for container in survey.containers]


def test_names_are_those_of_the_program():
    solver = Solver()

    def step():
        return solver.step()

    names = {leaf.name for leaf in State([step], []).survey().leaves}
    assert {
        "solver.u",
        "solver.view",
        "solver.slotted.u",
        "solver.space.t",
        "Shared.everyone",
        "Shared.total",
    } <= names
    assert {
        "solver.nested[0]['k']",
        "solver.nested[1]",
        "solver.queue[0]",
        "GLOBAL['array']",
        "GLOBAL['number']",
    } <= names


def test_blocks_that_did_not_change_are_shared():
    history = np.zeros((64, BLOCK_BYTES // 8))
    fixed = np.ones(BLOCK_BYTES)

    state = State([], [history, fixed])
    known = Known()
    first = capture(state, known)
    history[5] = 1.0
    history[6, 0] = -0.0  # equal to what it replaces, and another bit pattern
    known.note_steps()
    second = capture(state, known)
    shared = [
        a is b
        for key, buffer in second.buffers.items()
        for a, b in zip(buffer.blocks, first.buffers[key].blocks, strict=True)
    ]
    assert shared.count(False) == 2
    history[:] = 7
    second.restore()
    assert history[5].tolist() == [1.0] * history.shape[1]
    assert np.signbit(history[6, 0])
    first.restore()
    assert not history.any()
    assert not np.signbit(history).any()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "dtype", [float, np.float32, complex, np.longdouble, int, bool, "datetime64[s]", "S3"]
)
def test_arrays_of_every_kind_come_back(order, dtype):
    array = np.zeros((300, 100), dtype=dtype, order=order)
    array[3] = 1
    before = array.copy()
    snapshot = capture(State([], [array]))
    array[...] = 0
    snapshot.restore()
    assert np.array_equal(array, before)


def iterators():
    yield 1


@pytest.mark.parametrize(
    "thing",
    [iter([1.0]), iterators(), enumerate([1]), map(abs, [1]), iter(range(3))],
    ids=lambda thing: type(thing).__name__,
)
def test_iterators_are_refused(load, thing):
    program = load("""
        from checkpointer import checkpointed

        def f(x, source, scheme):
            for i in checkpointed(range(3), scheme):
                x = x * next(source)
            return x
    """).rewritten
    with pytest.raises(TraceError, match=r"CKP212 .*cannot be put back when steps are recomputed"):
        grad(program.f)(1.0, thing, Revolve(1))


@pytest.mark.parametrize(
    "array",
    [np.ma.zeros(3), np.zeros(3).view(np.recarray), np.zeros(3).view(type("Units", (np.ndarray,), {}))],
)
def test_subclasses_of_arrays_are_refused_by_name(load, array):
    program = load("""
        from checkpointer import checkpointed

        def f(x, field, scheme):
            for i in checkpointed(range(3), scheme):
                x = x * field[0]
            return x
    """).rewritten
    with pytest.raises(TraceError, match=rf"CKP211 .*is a {type(array).__name__}"):
        grad(program.f)(1.0, array, Revolve(1))


STATES = {
    "closure": """
        def f(u, scheme):
            t = 0.5
            def rhs(y):
                return np.sin(y) * t
            for i in checkpointed(range(5), scheme):
                u = u + 0.1 * rhs(u)
                t += 0.1 * u[0]
            return u.sum() * t
    """,
    "counter in a closure": """
        def f(u, scheme):
            calls = 0
            def weight():
                nonlocal calls
                calls += 1
                return calls
            for i in checkpointed(range(5), scheme):
                u = u * (1 + 0.01 * weight())
            return (u**2).sum() * calls
    """,
    "global array": """
        work = np.zeros(3)
        def rhs(u):
            work[:] = np.sin(u) + 0.5 * work
            return work
        def f(u, scheme):
            work[:] = 0
            for i in checkpointed(range(5), scheme):
                u = u + 0.1 * rhs(u)
            return u.sum() + work.sum()
    """,
    "global number": """
        t = 0.0
        def tick(u):
            global t
            t = t + 0.1 * u[0]
        def f(u, scheme):
            global t
            t = 0.0
            for i in checkpointed(range(5), scheme):
                u = u * (1 + 0.1 * t)
                tick(u)
            return u.sum() * t
    """,
    "attribute of a function": """
        def rhs(u):
            rhs.calls += 1
            rhs.last = u * 1.0
            return u * 0.01 * rhs.calls
        def f(u, scheme):
            rhs.calls = 0
            for i in checkpointed(range(5), scheme):
                u = u + rhs(u)
            return (u * rhs.last).sum()
    """,
    "class attribute": """
        class Model:
            total = 0.0
            work = np.zeros(3)
            def step(self, u):
                Model.total = Model.total + u[0]
                self.work[:] = u * Model.total
                return u + 0.1 * self.work
        def f(u, scheme):
            Model.total = 0.0
            model = Model()
            for i in checkpointed(range(5), scheme):
                u = model.step(u)
            return u.sum() * Model.total
    """,
    "mutable default": """
        def rhs(u, cache=[0.0]):
            cache[0] = cache[0] * 0.5 + u[0]
            return u * cache[0]
        def f(u, scheme):
            rhs.__defaults__[0][0] = 0.0
            for i in checkpointed(range(5), scheme):
                u = u + 0.1 * rhs(u)
            return u.sum()
    """,
    "slots and properties": """
        class Cell:
            __slots__ = ("_u", "age")
            def __init__(self, u):
                self._u, self.age = u, 0
            @property
            def u(self):
                return self._u
            @u.setter
            def u(self, value):
                self._u = value
                self.age += 1
        def f(u, scheme):
            cell = Cell(u)
            for i in checkpointed(range(5), scheme):
                cell.u = cell.u * 1.1 + 0.01 * cell.age
                cell.u[0] *= 2
            return (cell.u**2).sum() * cell.age
    """,
    "one dict of fields in two objects": """
        class A:
            def __init__(self, fields):
                self.fields = fields
        def f(u, scheme):
            fields = {"u": u, "v": u * 2}
            a, b = A(fields), A(fields)
            for i in checkpointed(range(5), scheme):
                a.fields["u"] = b.fields["v"] * 0.9
                b.fields["v"][1:] += np.sin(a.fields["u"][:-1])
                if i == 2:
                    a.fields["w"] = a.fields["u"] ** 2
            return sum(field.sum() for field in fields.values())
    """,
    "random numbers": """
        import random
        rng = np.random.default_rng(0)
        def f(u, scheme):
            global rng
            rng = np.random.default_rng(0)
            np.random.seed(1)
            random.seed(2)
            for i in checkpointed(range(5), scheme):
                u = u * (1 + 0.1 * rng.normal(size=3)) + np.random.rand(3) * u[0] * random.random()
            return (u**2).sum()
    """,
    "rotated list, tuple and attribute swap": """
        class S: pass
        def f(u, scheme):
            s = S()
            s.now, s.old = u * 1.0, u * 0.9
            levels = [u * 1.0, u * 2.0, u * 3.0]
            pair = (u * 0.5, 0.3)
            for i in checkpointed(range(7), scheme):
                levels[0][:] = np.sin(levels[1]) + 0.1 * levels[2]
                levels = [levels[2], levels[0], levels[1]]
                s.old[:] = 2 * s.now - s.old - 0.1 * np.sin(s.now)
                s.now, s.old = s.old, s.now
                pair = (pair[0] * pair[1], pair[1] + 0.1 * pair[0][0])
            return levels[0].sum() + s.now.sum() + pair[0].sum() * pair[1]
    """,
    "growing list, changing shape, None that becomes an array": """
        def f(u, scheme):
            log, last = [], None
            for i in checkpointed(range(5), scheme):
                u = np.append(u, u[-1] * 0.5 * u[0])
                if last is not None:
                    u[: last.size] += 0.1 * last
                last = u[1:].copy()
                log.append(u.sum())
            return sum(log) + (u**2).sum()
    """,
    "history": """
        def f(u, scheme):
            u_all = np.zeros((7, 3))
            u_all[0] = u
            for n in checkpointed(range(6), scheme):
                u_all[n + 1] = u_all[n] + 0.1 * np.sin(u_all[n - 1])
            return (u_all**2).sum()
    """,
    "integer and boolean arrays": """
        def f(u, scheme):
            order = np.array([0, 1, 2])
            alive = np.ones(3, bool)
            for i in checkpointed(range(5), scheme):
                order[:] = (order + 1) % 3
                alive[order[0]] = not alive[order[0]]
                u[order[:2]] = u[order[1:]] * 1.1
                u[alive] += 0.1 * u[order[0]] ** 2
                order[0], order[2] = order[2], order[0]
            return (u**2).sum()
    """,
}


@pytest.mark.parametrize("name", STATES)
def test_hidden_state(load, check, name):
    program = load(
        "import numpy as np\nfrom checkpointer import checkpointed\n" + textwrap.dedent(STATES[name])
    )
    for scheme in (Revolve(1), Revolve(2), StoreAll()):
        for x in (np.array([0.3, 0.2, 0.9]), np.array([1.0, -0.4, 0.5])):
            check(program, "f", x, scheme)


DESCRIPTORS = {
    "a descriptor that keeps the values": """
        class Kept:
            def __init__(self):
                self.values = {}
            def __get__(self, solver, cls):
                return self.values[0]
            def __set__(self, solver, value):
                self.values[0] = value

        class Solver:
            u = Kept()
            def step(self, k):
                self.u = self.u + 0.1 * np.sin(self.u) * k
    """,
    "a descriptor that uses a global": """
        scale = {"s": 1.0}

        class Scaled:
            def __get__(self, solver, cls):
                return solver._u * scale["s"]
            def __set__(self, solver, value):
                scale["s"] = 1 + 0.1 * np.sum(value) / (1 + np.sum(value))
                solver._u = value / scale["s"] ** 2

        class Solver:
            u = Scaled()
            def step(self, k):
                self.u = self.u + 0.1 * np.sin(self.u) * k
    """,
    "a method for each type of its argument": """
        weights = np.ones(3)

        class Solver:
            @functools.singledispatchmethod
            def step(self, k):
                raise TypeError
            @step.register
            def _(self, k: int):
                self.u = self.u + 0.1 * np.sin(self.u) * weights
                weights[:] = 1 + 0.1 * self.u
            @step.register
            def _(self, k: str):
                raise ValueError
    """,
    "a part of a method": """
        weights = np.ones(3)

        class Solver:
            def _step(solver, factor, k):
                solver.u = solver.u + factor * np.sin(solver.u) * weights
                weights[:] = 1 + 0.1 * solver.u
            step = functools.partialmethod(_step, 0.1)
            del _step
    """,
}


@pytest.mark.parametrize("text", DESCRIPTORS.values(), ids=DESCRIPTORS.keys())
def test_what_a_class_reaches_by_descriptors(load, check, text):
    program = load(
        "import functools\nimport numpy as np\nfrom checkpointer import Revolve, checkpointed\n"
        + textwrap.dedent(text)
        + textwrap.dedent("""
            def run(u):
                if "weights" in globals():
                    weights[:] = 1
                solver = Solver()
                solver.u = u
                for k in checkpointed(range(7), Revolve(2)):
                    solver.step(k)
                return np.sum(solver.u**2)
        """)
    )
    check(program, "run", np.array([0.3, 0.7, 0.2]))
    check(program, "run", np.array([0.6, 0.1, 0.4]))
