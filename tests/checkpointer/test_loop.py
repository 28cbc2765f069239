"""A differentiated loop: what it computes, how often it runs a step, what it holds, and how it leaves things."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from checkpointer import (
    ArgumentError,
    MemoryStorage,
    NotRewrittenError,
    Online,
    Periodic,
    ReplayError,
    Revolve,
    StoreAll,
    blocks,
    checkpointed,
    grad,
    value_and_grad,
)
from checkpointer.schemes import advances
from checkpointer.storage import Session, Storage

SCHEMES = [Revolve(1), Revolve(3), Revolve(100), Periodic(2), Periodic(7), Online(1), Online(3), StoreAll()]
ONLINE = [Online(1), Online(3), StoreAll()]

COUNTED = """
    from checkpointer import checkpointed

    counts = []

    def f(x, steps, scheme):
        for i in checkpointed(range(steps), scheme):
            counts.append(i)
            x = x * x + 0.1
        return x
"""


@pytest.mark.parametrize(
    ("steps", "snapshots"), [(10, 3), (15, 5), (50, 3), (100, 4), (1, 1), (2, 1), (7, 100)]
)
def test_each_step_is_run_as_often_as_the_schedule_promises(load, steps, snapshots):
    program = load(COUNTED).rewritten
    ran = []
    program.counts = Counter(ran)  # an object that the state does not see, so that replays are counted too
    grad(program.f)(0.3, steps, Revolve(snapshots))
    assert len(ran) == steps + advances(steps, snapshots)


class Counter:
    """Notes every append; it refuses to be walked, as a logger would."""

    __slots__ = ("append",)
    __module__ = "logging"

    def __init__(self, ran):
        self.append = ran.append


class Watched(Storage):
    """A storage in memory that notes the most snapshots that were alive at once."""

    def __init__(self):
        self.alive = weakref.WeakSet()
        self.most = 0
        self.saved = 0

    def session(self):
        return WatchedSession(self)


class WatchedSession(Session):
    def __init__(self, watched):
        super().__init__()
        self.watched = watched
        self.inner = MemoryStorage().session()

    def save(self, key, snapshot, level):
        gc.collect()
        self.watched.alive.add(snapshot)
        self.watched.most = max(self.watched.most, len(self.watched.alive))
        self.watched.saved += 1
        self.inner.save(key, snapshot)

    def load(self, key):
        return self.inner.load(key)

    def discard(self, key):
        self.inner.discard(key)

    def close(self):
        self.inner.close()

    def __len__(self):
        return len(self.inner)

    _save = _load = _discard = _close = None


@pytest.mark.parametrize("scheme", [Revolve(1), Revolve(4), Periodic(3), Online(2)], ids=repr)
def test_no_more_snapshots_are_alive_than_the_scheme_was_given(load, scheme):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme, storage):
            for i in checkpointed(range(40), scheme, storage=storage):
                x = x * x + 0.1
            return x
    """).rewritten
    watched = Watched()
    grad(program.f)(0.3, scheme, watched)
    assert 0 < watched.most <= scheme.slots(40)
    assert len(watched.alive) == 0


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 11])
def test_for_loop_of_any_length(load, check, scheme, steps):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, steps, scheme):
            t = 0.5
            u = 1.5 * u
            for i in checkpointed(range(steps), scheme):
                u[1:] += 0.1 * np.sin(u[:-1]) * t
                t = t + 0.1 * u[0]
            u *= t
            return np.sum(u**2)
    """)
    for seed in (0, 1):
        check(program, "f", np.random.default_rng(seed).normal(size=5), steps, scheme)


@pytest.mark.parametrize("scheme", ONLINE, ids=repr)
@pytest.mark.parametrize("t_end", [-1.0, 0.05, 1.0])
def test_while_loop_with_a_last_step_cut_short(load, check, scheme, t_end):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, t_end, scheme):
            t, dt = 0.0, 0.1
            while checkpointed(t < t_end, scheme):
                u[:] = u + dt * np.cos(u) * (t + 1)
                t = min(t + dt * (1 + u[0] ** 2), t_end)
            return np.sum(u**2) * (t + 2)
    """)
    for seed in (0, 1):
        check(program, "f", np.random.default_rng(seed).normal(size=3), t_end, scheme)


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("threshold", [0.5, 2.0, 1e9])
def test_early_ends(load, check, scheme, threshold):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def left_by_break(u, threshold, scheme):
            for i in checkpointed(range(12), scheme):
                if i % 4 == 2:
                    continue
                u = u * 1.2
                if u[0] > threshold:
                    break
                u = u + 0.01
            else:
                u = u * 3
            return np.sum(u**2)

        def left_by_return(u, threshold, scheme):
            for i in checkpointed(range(12), scheme):
                u = u * 1.2 + 0.01
                if u[0] > threshold:
                    return np.sum(u**3)
            return np.sum(u**2)
    """)
    for x in (np.array([0.4, 0.2]), np.array([0.6, -0.7])):
        check(program, "left_by_break", x, threshold, scheme)
        check(program, "left_by_return", x, threshold, scheme)


@pytest.mark.parametrize("scheme", [Revolve(1), Revolve(2), Periodic(2), StoreAll()], ids=repr)
def test_nested_marked_loops_reach_the_reference(load, scheme):
    """Checkpointing.jl's own test: 2 x 5 iterations of x -> 2 sqrt(x) sqrt(x), so the gradient is 2**10 exactly."""
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def inner(x, scheme):
            for j in checkpointed(range(5), scheme):
                x = 2 * np.sqrt(x) * np.sqrt(x)
            return x

        def called(x, scheme):
            for i in checkpointed(range(2), scheme):
                x = inner(x, scheme)
            return x.sum()

        def nested(x, scheme):
            for i in checkpointed(range(2), scheme):
                for j in checkpointed(range(5), scheme):
                    x = 2 * np.sqrt(x) * np.sqrt(x)
            return x.sum()
    """).rewritten
    x = np.array([2.0, 3.0, 4.0])
    for function in (program.called, program.nested):
        assert grad(function)(x, scheme).tolist() == [1024.0] * 3


@pytest.mark.parametrize("scheme", [Revolve(1), Revolve(3), StoreAll()], ids=repr)
def test_a_loop_into_which_nothing_differentiated_goes(load, check, scheme):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, scheme):
            c = np.ones(3)
            before = u * c
            for i in checkpointed(range(4), scheme):
                c *= 1.5
                c += i
            return np.sum(before * u * c)
    """)
    for x in (np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.3, 0.2])):
        check(program, "f", x, scheme)


def test_undifferentiated_loop_takes_no_snapshot_and_returns_the_same_bits(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme, storage):
            for i in checkpointed(range(40), scheme, storage=storage):
                x = x * x + 0.1
            return x
    """)
    watched = Watched()
    value = program.rewritten.f(0.3, Revolve(3), watched)
    assert watched.saved == 0
    assert value == program.plain.f(0.3, Revolve(3), watched)


def test_a_loop_that_was_not_rewritten_is_refused(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme):
            for i in checkpointed(range(3), scheme):
                x = x * x
            return x
    """)
    with pytest.raises(NotRewrittenError, match="install_import_hook"):
        grad(program.plain.f)(0.3, Revolve(2))


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("Revolve", "scheme must be one of Auto, .* or another Scheme, but is 'Revolve'"),
        (Revolve, "Revolve is a class; call it"),
        (8, "but is 8"),
    ],
)
def test_what_is_no_scheme_is_refused_by_the_call_that_got_it(load, scheme, message):
    program = load(COUNTED)
    for function in (program.rewritten.f, program.plain.f):
        with pytest.raises(ArgumentError, match=message):
            function(0.3, 3, scheme)
    with pytest.raises(ArgumentError, match=message):
        grad(program.rewritten.f)(0.3, 3, scheme)
    with pytest.raises(ArgumentError, match="storage must be a Storage"):
        checkpointed(range(3), Revolve(1), storage="disk")


def test_while_loop_under_a_scheme_that_needs_its_length_is_refused(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme):
            while checkpointed(x < 5, scheme):
                x = x * 2
            return x
    """).rewritten
    assert program.f(1.0, Revolve(2)) == 8.0
    with pytest.raises(ArgumentError, match=r"Online\(snapshots=...\)"):
        grad(program.f)(1.0, Revolve(2))


def test_objects_are_left_as_the_forward_sweep_left_them(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        class Model:
            def __init__(self):
                self.u = np.ones(3)
                self.t = 0.0
                self.log = []

        def f(a, model, scheme):
            for i in checkpointed(range(5), scheme):
                model.u *= a
                model.t += a
                model.log.append(model.u[0])
            return model.u.sum() + model.t
    """)
    for scheme in (Revolve(1), Revolve(3), StoreAll()):
        model, reference = program.rewritten.Model(), program.plain.Model()
        u = model.u
        grad(program.rewritten.f)(1.1, model, scheme)
        program.plain.f(1.1, reference, scheme)
        assert model.u is u
        assert np.array_equal(u, reference.u)
        assert (model.t, model.log) == (reference.t, reference.log)
        assert type(model.t) is type(reference.t)
        assert [type(item) for item in model.log] == [type(item) for item in reference.log]


def test_objects_hold_plain_values_after_an_error(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(a, model, scheme):
            for i in checkpointed(range(5), scheme):
                model["u"] = model["u"] * a
                if i == 4:
                    raise RuntimeError("blew up")
            return model["u"].sum()
    """).rewritten
    model = {"u": np.ones(3)}
    with pytest.raises(RuntimeError, match="blew up"):
        grad(program.f)(1.1, model, Revolve(2))
    assert type(model["u"]) is np.ndarray
    assert model["u"] == pytest.approx([1.1**5] * 3)


def test_differentiated_arguments_keep_their_content(load):
    program = load("""
        from checkpointer import checkpointed

        def f(state, scheme):
            for i in checkpointed(range(5), scheme):
                state["u"] *= 1.5
                state["t"] = state["t"] + state["u"][0]
            return state["u"].sum() * state["t"]
    """).rewritten
    state = {"u": np.array([1.0, 2.0]), "t": 0.5}
    first = value_and_grad(program.f)(state, Revolve(2))
    assert state["u"].tolist() == [1.0, 2.0]
    assert state["t"] == 0.5
    second = value_and_grad(program.f)(state, Revolve(2))
    assert first[0] == second[0]
    assert first[1]["u"].tolist() == second[1]["u"].tolist()
    assert first[1]["t"] == second[1]["t"]
    assert type(first[1]["t"]) is float


def test_a_step_that_does_not_repeat_itself_is_found_out(load):
    program = load("""
        import itertools
        from checkpointer import checkpointed

        class Clock:
            __module__ = "logging"  # held by reference, as a file or a clock would be
            ticks = itertools.count()

        clock = Clock()

        def f(x, scheme):
            for i in checkpointed(range(6), scheme):
                x = x * 1.1
                if next(clock.ticks) == 4:
                    break
            return x
    """).rewritten
    with pytest.raises(ReplayError, match="step 4 of the loop took another way when it was recomputed"):
        grad(program.f)(1.0, Online(1))


def test_a_generator_that_yields_one_buffer_again_and_again(load, check):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def frames(n):
            frame = np.zeros(3)
            for i in range(n):
                frame[:] = np.arange(3) * i
                yield frame

        def f(u, scheme):
            for frame in checkpointed(frames(5), scheme):
                u = u * 0.9 + 0.1 * u * frame
            return (u**2).sum()
    """)
    for scheme in (Online(1), Online(3), StoreAll()):
        for x in (np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.3, 0.2])):
            check(program, "f", x, scheme)


def test_items_that_are_differentiated(load, check):
    program = load("""
        import math
        from checkpointer import checkpointed

        def rows(forcing, scheme):
            x = 0.3
            for i, row in checkpointed(enumerate(forcing), scheme):
                row *= 2
                x = x + i * math.tanh(row[0]) * row[1] * x
            return x + forcing[1, 1]

        def numbers(forcing, scheme):
            x = 0.3
            for a, b in checkpointed(zip(forcing, reversed(forcing)), scheme):
                x = x + 0.1 * a * math.cos(b * x)
            return x

        def array(forcing, scheme):
            x = 0.3
            for a in checkpointed(forcing, scheme):
                x = x + 0.1 * a * math.cos(a * x)
            return x
    """)
    for scheme in (Revolve(1), Revolve(3), Online(2), StoreAll()):
        for seed in (0, 1):
            draw = np.random.default_rng(seed)
            check(program, "rows", draw.normal(size=(4, 2)), scheme)
            check(program, "array", draw.normal(size=5), scheme)
            check(program, "numbers", draw.normal(size=5), scheme)


@pytest.fixture
def stored(monkeypatch):
    """The most bytes of array contents that snapshots held at once."""
    alive, found = weakref.WeakSet(), SimpleNamespace(most=0)

    class Counted(blocks.Block):
        __slots__ = ()

        def __init__(self, data):
            super().__init__(data)
            alive.add(self)
            found.most = max(found.most, sum(block.data.nbytes for block in alive))

    monkeypatch.setattr(blocks, "Block", Counted)
    return found


NESTED_WITH_CONSTANT = """
    import numpy as np
    from checkpointer import Revolve, StoreAll, checkpointed

    def f(u):
        u, field = u.copy(), np.linspace(1, 2, u.size)
        for i in checkpointed(range(4), Revolve(2)):
            for j in checkpointed(range(3), Revolve(2)):
                u *= 1 + 0.1 * field
        return u.sum()
"""


def test_what_does_not_change_is_held_once_by_loops_in_loops(load, stored):
    """States of 1.6 MB, half of it constant: at most 2 + 2 halves that change and one that does not."""
    program = load(NESTED_WITH_CONSTANT)
    u = np.linspace(0.1, 1, 100_000)
    gradient = grad(program.rewritten.f)(u)
    assert gradient == pytest.approx((1 + 0.1 * np.linspace(1, 2, u.size)) ** 12)
    assert stored.most <= 5 * u.nbytes


def test_the_input_of_the_loop_is_stored_once(load, stored):
    """The argument is still at hand, and was not written to; so the loop's one snapshot is all that is stored."""
    program = load("""
        from checkpointer import Revolve, checkpointed

        def f(u):
            v = u.copy()
            for i in checkpointed(range(4), Revolve(1)):
                v *= u
            return v.sum()
    """)
    u = np.linspace(0.1, 1, 100_000)
    assert grad(program.rewritten.f)(u) == pytest.approx(5 * u**4)
    assert stored.most <= 2 * u.nbytes  # u and v, once each
