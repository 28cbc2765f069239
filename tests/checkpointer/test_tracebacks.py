"""Exceptions speak of the user's file: the line, the step, the sweep; and of nothing between the user's lines."""

import gc
import logging
import os
import signal
import sys
import threading
import traceback
import weakref

import autograd
import numpy as np
import pytest

import checkpointer
from checkpointer import (
    ReplayError,
    Revolve,
    StoreAll,
    TraceError,
    grad,
    value_and_grad,
    vjp,
)
from checkpointer.compiled import rewrite
from checkpointer.state import State

PROGRAM = """
import numpy as np
from autograd.extend import defvjp, primitive
from checkpointer import Revolve, checkpointed, replaying, transform

def nothing(where, number):
    pass

event = nothing  # what happens in a step, set by the tests

@primitive
def law(u):
    return 2.0 * u

def law_rule(ans, u):
    def pull(g):
        event("rule", 0)
        return 2.0 * g
    return pull

defvjp(law, law_rule)

def rate(u):
    return np.sin(law(u))

def simulate(u, steps, scheme):
    u = u.copy()
    for step in checkpointed(range(steps), scheme):
        event("again" if replaying() else "first", step)
        u = u + 0.1 * rate(u)
    return np.sum(u)

def nested(u, steps, scheme):
    for i in checkpointed(range(steps), scheme):
        u = u * 1.5
        for j in checkpointed([10, 20, 30], Revolve(2)):
            event("again" if replaying() else "first", (i, j))
            u = u + 0.1 * law(u)
    return np.sum(u)

def around(u, steps, scheme):
    for i in checkpointed(range(steps), scheme):
        u = u * 1.5
    return np.sum(rate(u))

def counts(items):
    for item in checkpointed(items):
        event("first", item)

def waits(n):
    while checkpointed(n > 0):
        n = n - 1
        event("first", n)
"""


class Trouble(Exception):
    pass


_counter = logging.getLogger(
    "counter"
)  # which a loop's state holds by reference: it counts what is computed again


@pytest.fixture(scope="module")
def loaded(load_once):
    return load_once("troubled", PROGRAM)


@pytest.fixture
def program(loaded, monkeypatch):
    """The program, and ``program.on(where, number)``: where an error is raised."""
    monkeypatch.setattr(loaded.rewritten, "event", loaded.rewritten.nothing)
    monkeypatch.delenv("CHECKPOINTER_FULL_TRACEBACK", raising=False)

    def on(where, number, error=Trouble, skip=0):
        _counter.left = skip

        def event(here, now):
            if (here, now) == (where, number):
                _counter.left -= 1
                if _counter.left < 0:
                    raise error("too hot")

        monkeypatch.setattr(loaded.rewritten, "event", event)

    loaded.on = on
    return loaded


def shown(error, without=("event",)):
    """The frames of a traceback, from the test's own on: name and text of the line."""
    frames = traceback.extract_tb(error.__traceback__)
    return [(frame.name, frame.line) for frame in frames if frame.name not in without][1:]


def line_of(text):
    return PROGRAM.split("\n").index(text) + 1


LOOP = f"troubled.py:{line_of('    for step in checkpointed(range(steps), scheme):')}"
OUTER = f"troubled.py:{line_of('    for i in checkpointed(range(steps), scheme):')}"
INNER = f"troubled.py:{line_of('        for j in checkpointed([10, 20, 30], Revolve(2)):')}"
FOR = "for step in checkpointed(range(steps), scheme):"
EVENT = 'event("again" if replaying() else "first", step)'


def test_the_forward_sweep(program):
    program.on("first", 2)
    with pytest.raises(Trouble) as caught:
        value_and_grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert caught.value.__notes__ == [f"In step 2 of the loop at {LOOP}, in the forward sweep"]
    assert shown(caught.value) == [("simulate", FOR), ("simulate.<step>", EVENT)]


def test_a_step_that_is_recorded_when_it_first_runs(program):
    program.on("first", 5)
    with pytest.raises(Trouble) as caught:
        value_and_grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert caught.value.__notes__ == [
        f"In step 5 of the loop at {LOOP}, in the forward sweep, under the tape"
    ]
    assert shown(caught.value) == [("simulate", FOR), ("simulate.<step>", EVENT)]


TAPED = ", under the tape, to be differentiated"


@pytest.mark.parametrize(
    ("step", "skip", "how"),
    [(0, 0, ""), (4, 0, TAPED), (2, 1, ""), (2, 2, TAPED)],
)
def test_a_step_that_is_computed_again(program, step, skip, how):
    """With one snapshot, steps 0 to 3 run again before step 4 is reversed; then 0 to 2, ..."""
    program.on("again", step, skip=skip)
    with pytest.raises(Trouble) as caught:
        value_and_grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    note = f"In step {step} of the loop at {LOOP}, while it was computed again for the reverse sweep{how}"
    assert caught.value.__notes__ == [note]
    assert shown(caught.value) == [("simulate.<reverse sweep>", FOR), ("simulate.<step>", EVENT)]


@pytest.mark.parametrize("scheme", [StoreAll(), Revolve(1), Revolve(2)])
def test_every_level_of_nested_loops_says_its_step_once(program, scheme):
    program.on("first", (1, 20))
    with pytest.raises(Trouble) as caught:
        grad(program.rewritten.nested)(np.ones(2), 3, scheme)
    inner, outer = caught.value.__notes__
    assert inner.startswith(f"In step 1 of the loop at {INNER}")
    assert outer.startswith(f"In step 1 of the loop at {OUTER}, in the forward sweep")
    program.on("again", (1, 30))
    with pytest.raises(Trouble) as caught:
        grad(program.rewritten.nested)(np.ones(2), 3, scheme)
    inner, outer = caught.value.__notes__
    assert inner.startswith(
        f"In step 2 of the loop at {INNER}, while it was computed again for the reverse sweep"
    )
    assert outer.startswith(("In step 1", "On the way back through step 1"))


def test_an_exception_that_is_handled_in_the_step_has_no_note(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed
        def simulate(u, seen):
            for step in checkpointed(range(4), Revolve(1)):
                try:
                    if step % 2:
                        raise ValueError(step)
                except ValueError as error:
                    seen(getattr(error, "__notes__", None), error.__traceback__.tb_next)
                    u = u * 2.0
            return np.sum(u)
    """)
    seen = []
    assert grad(program.rewritten.simulate)(np.ones(1), lambda *found: seen.append(found)) == [4.0]
    assert set(seen) == {(None, None)}


@pytest.mark.parametrize("items", [range(5, 30, 5), [5, 10, 15], (0, 10, 15)])
def test_a_loop_that_is_not_differentiated(program, items):
    program.on("first", 15)
    with pytest.raises(Trouble) as caught:
        program.rewritten.counts(items)
    loop = f"troubled.py:{line_of('    for item in checkpointed(items):')}"
    assert caught.value.__notes__ == [f"In step 2 of the loop at {loop}"]
    assert shown(caught.value) == [
        ("counts", "for item in checkpointed(items):"),
        ("counts.<step>", 'event("first", item)'),
    ]


def test_a_loop_that_is_not_differentiated_and_cannot_tell_the_step(program):
    program.on("first", 2)
    with pytest.raises(Trouble) as generated:
        program.rewritten.counts(item for item in range(9))
    with pytest.raises(Trouble) as waited:
        program.rewritten.waits(9)
    for caught in (generated, waited):
        assert not hasattr(caught.value, "__notes__")
        assert [name.rpartition(".")[2] for name, _ in shown(caught.value)][1:] == ["<step>"]


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_what_is_no_error_has_no_note(program, error):
    program.on("first", 1, error)
    with pytest.raises(error) as caught:
        grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert not hasattr(caught.value, "__notes__")


def test_one_object_that_is_raised_again_and_again_does_not_grow(program):
    error = Trouble()
    program.on("first", 1, lambda text: error)
    for _ in range(3):
        with pytest.raises(Trouble):
            grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert len(error.__notes__) == 1


def test_a_refusal_in_a_step(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed
        to_float = [float][0]
        def simulate(u):
            for step in checkpointed(range(4), Revolve(1)):
                u = u * to_float(np.sum(u))
            return np.sum(u)
    """)
    with pytest.raises(TraceError, match="CKP204") as caught:
        grad(program.rewritten.simulate)(np.ones(1))
    name = program.path.name
    assert caught.value.__notes__ == [
        f"In step 3 of the loop at {name}:6, in the forward sweep, under the tape"
    ]
    assert shown(caught.value)[-1] == ("simulate.<step>", "u = u * to_float(np.sum(u))")


def test_an_error_whose_text_tells_the_step(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed, replaying
        def simulate(u):
            for step in checkpointed(range(9), Revolve(1)):
                if replaying():
                    break
                u = u * 2.0
            return np.sum(u)
    """)
    with pytest.raises(ReplayError, match=r"step \d of the loop took another way") as caught:
        grad(program.rewritten.simulate)(np.ones(1))
    assert not hasattr(caught.value, "__notes__")
    assert shown(caught.value)[0][0] == "simulate.<reverse sweep>"


# The way back


RATE = f"troubled.py:{line_of('    return np.sin(law(u))')}: return np.sin(law(u))"


def test_a_rule_of_the_users_fails(program):
    """The error is the user's, with the frames of the rule; the note has the innermost line that called the function."""
    program.on("rule", 0, ValueError)
    with pytest.raises(ValueError, match="too hot") as caught:
        grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert type(caught.value) is ValueError
    assert caught.value.__notes__ == [f"On the way back through step 5 of the loop at {LOOP}, from {RATE}"]
    assert shown(caught.value) == [("simulate.<reverse sweep>", FOR), ("pull", 'event("rule", 0)')]
    program.on("rule", 0, ValueError, skip=3)
    with pytest.raises(ValueError, match="too hot") as caught:
        grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert caught.value.__notes__ == [f"On the way back through step 2 of the loop at {LOOP}, from {RATE}"]


def test_a_rule_fails_in_nested_loops(program):
    program.on("rule", 0, skip=4)
    with pytest.raises(Trouble) as caught:
        grad(program.rewritten.nested)(np.ones(2), 3, Revolve(1))
    inner = f"troubled.py:{line_of('            u = u + 0.1 * law(u)')}: u = u + 0.1 * law(u)"
    outer = f"{INNER}: for j in checkpointed([10, 20, 30], Revolve(2)):"
    assert caught.value.__notes__ == [
        f"On the way back through step 1 of the loop at {INNER}, from {inner}",
        f"On the way back through step 1 of the loop at {OUTER}, from {outer}",
    ]
    assert [name for name, _ in shown(caught.value)] == [
        "nested.<reverse sweep>",
        "nested.<reverse sweep>",
        "pull",
    ]


def test_a_rule_fails_outside_of_loops(program):
    program.on("rule", 0)
    _, pullback = vjp(program.rewritten.around, np.ones(2), 3, Revolve(1))
    with pytest.raises(Trouble) as caught:
        pullback(1.0)
    assert caught.value.__notes__ == [f"On the way back through around, from {RATE}"]
    assert [name for name, _ in shown(caught.value)] == ["pull"]


LENGTH = """
import numpy as np
from checkpointer import Revolve, checkpointed

def length(u):
    return np.arccosh(1 + 0 * u)

def simulate(u):
    for step in checkpointed(range(3), Revolve(1)):
        u = u + np.sum(length(u))
    return np.sum(u)
"""


def test_a_rule_of_ours_fails(load, monkeypatch):
    """Operations note the line of the step; the function below it where all is wanted."""
    program = load(LENGTH)
    name = program.path.name
    with np.errstate(all="raise"), pytest.raises(FloatingPointError) as caught:
        grad(program.rewritten.simulate)(np.zeros((2, 2)))
    note = f"On the way back through step 2 of the loop at {name}:9, from {name}"
    assert caught.value.__notes__ == [f"{note}:10: u = u + np.sum(length(u))"]
    assert shown(caught.value) == [
        ("simulate.<reverse sweep>", "for step in checkpointed(range(3), Revolve(1)):")
    ]
    monkeypatch.setenv("CHECKPOINTER_FULL_TRACEBACK", "1")
    with np.errstate(all="raise"), pytest.raises(FloatingPointError) as caught:
        grad(program.rewritten.simulate)(np.zeros((2, 2)))
    assert caught.value.__notes__ == [f"{note}:6: return np.arccosh(1 + 0 * u)"]
    files = {frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert any("autograd" in file for file in files)
    assert any(file.endswith("tape.py") for file in files)


def test_frames_are_not_kept_alive(program):
    """Where an operation stands is noted without the frame, which would keep all that its names hold."""

    class Held:
        pass

    found = []

    def function(u):
        held = Held()
        found.append(weakref.ref(held))
        return np.sum(np.sin(u))

    gc.disable()
    try:
        _, pullback = vjp(function, np.ones(2))
        assert found[0]() is None
        pullback(1.0)
    finally:
        gc.enable()


# Frames


def test_what_numpy_raises_on_behalf_of_the_users_line(load):
    """The recorded step is the only one in which our frames stand behind the user's; a note says that they are left out."""
    program = load("""
        import numpy as np
        from checkpointer import StoreAll, checkpointed
        def simulate(u, bad):
            for step in checkpointed(range(4), StoreAll()):
                if step == 3:
                    u = bad(u)
                u = u * 2.0
            return np.sum(u)
    """)
    for bad, error in {
        lambda u: u + np.ones(7): ValueError,
        lambda u: u[9]: IndexError,
        lambda u: u.nothing: AttributeError,
        lambda u: np.linalg.inv(np.outer(u, u)): np.linalg.LinAlgError,
        lambda u: u["x"]: IndexError,
    }.items():
        with pytest.raises(error) as caught:
            grad(program.rewritten.simulate)(np.ones(2), bad)
        with pytest.raises(error) as plain:
            program.plain.simulate(np.ones(2), bad)
        assert str(caught.value) == str(plain.value)
        names = [name for name, _ in shown(caught.value)]
        assert names[:3] == ["simulate", "simulate.<step>", "<lambda>"]
        assert names[3:] == [name for name, _ in shown(plain.value)][2:]
        if error in (ValueError, IndexError):
            assert caught.value.__notes__[1] == (
                "(frames of checkpointer behind the last line are left out: CHECKPOINTER_FULL_TRACEBACK=1 shows them)"
            )


def test_all_frames(program, monkeypatch):
    monkeypatch.setenv("CHECKPOINTER_FULL_TRACEBACK", "1")
    program.on("first", 2)
    with pytest.raises(Trouble) as caught:
        value_and_grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    names = [name for name, _ in shown(caught.value)]
    for name in ("gradient", "run_loop", "simulate.<forward sweep>", "advance_first", "simulate.<step>"):
        assert name in names
    monkeypatch.setenv("CHECKPOINTER_FULL_TRACEBACK", "0")
    with pytest.raises(Trouble) as caught:
        value_and_grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    assert [name for name, _ in shown(caught.value)] == ["simulate", "simulate.<step>"]


@pytest.mark.parametrize("error", [KeyError, AssertionError, AttributeError, RuntimeError])
def test_an_error_of_checkpointer_itself_keeps_its_frames(program, monkeypatch, error):
    def broken(*args, **kwargs):
        raise error("a bug")

    monkeypatch.setattr(State, "settle", _as_ours(broken))
    with pytest.raises(error) as caught:
        grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    names = [name for name, _ in shown(caught.value)]
    # what is raised behind a line of the user's, and may have been caused by it, is cut
    whole = error is not RuntimeError
    assert ("differentiate" in names) is whole
    assert ("broken" in names) is whole


def _as_ours(function):
    """The function as if it stood in checkpointer."""
    return type(function)(
        function.__code__, {**globals(), "__name__": "checkpointer.state"}, closure=function.__closure__
    )


def test_errors_behind_and_inside_an_error(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed
        def fail(u):
            for step in checkpointed(range(4), Revolve(1)):
                u = u * 2
                if step == 2:
                    raise ValueError("inner")
            return u
        def chained(u):
            for step in checkpointed(range(3), Revolve(1)):
                try:
                    u = fail(u)
                except ValueError as error:
                    raise KeyError("outer") from error
            return u
        def during(u):
            try:
                u = fail(u)
            except ValueError:
                raise KeyError("outer")
        def group(u):
            errors = []
            try:
                u = fail(u)
            except ValueError as error:
                errors.append(error)
            raise ExceptionGroup("all", errors)
    """)
    for name in ("chained", "during", "group"):
        with pytest.raises((KeyError, ExceptionGroup)) as caught:
            grad(getattr(program.rewritten, name))(np.ones(1))
        error = caught.value
        behind = error.__cause__ or error.__context__ or error.exceptions[0]
        for one in (error, behind):
            frames = traceback.extract_tb(one.__traceback__)
            assert {frame.filename for frame in frames} <= {__file__, str(program.path)}
        assert traceback.extract_tb(behind.__traceback__)[-1].line == 'raise ValueError("inner")'
        assert behind.__notes__[0].startswith("In step 2 of the loop at ")


def test_threads(program):
    program.on("first", 2)
    caught = []

    def work():
        try:
            grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
        except Trouble as error:
            caught.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [shown(error) for error in caught] == [[("simulate", FOR), ("simulate.<step>", EVENT)]] * 4
    assert [len(error.__notes__) for error in caught] == [1] * 4


@pytest.mark.parametrize(
    ("where", "number", "note"),
    [
        ("first", 3, f"In step 3 of the loop at {LOOP}, in the forward sweep"),
        ("again", 3, f"In step 3 of the loop at {LOOP}, while it was computed again for the reverse sweep"),
        ("rule", 0, f"On the way back through step 5 of the loop at {LOOP}, from {RATE}"),
    ],
)
def test_an_interrupt(program, where, number, note):
    program.on(where, number, lambda text: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores it
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught.value.__notes__ == [note]


def test_autograd_outside(program):
    """autograd's frames around the call are the user's affair; behind it, none are left."""
    for where, number, names in (
        ("first", 2, ["simulate", "simulate.<step>"]),
        ("rule", 0, ["simulate.<reverse sweep>", "pull"]),
    ):
        program.on(where, number)
        with pytest.raises(Trouble) as caught:
            autograd.grad(program.rewritten.simulate)(np.ones(2), 6, Revolve(1))
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert [frame.name for frame in frames if frame.filename == str(program.path)] == names
        folders = {os.path.dirname(frame.filename) for frame in frames}
        assert os.path.dirname(checkpointer.__file__) not in folders


def test_a_loop_over_what_has_no_more_than_it_needs(program):
    """An iterator that is no iterable itself will do for a loop."""

    class Least:
        def __next__(self):
            raise StopIteration

    class Items:
        def __iter__(self):
            return Least()

    program.rewritten.counts(Items())


def test_a_rewritten_file(tmp_path, monkeypatch):
    """The traceback shows the file that runs; the notes speak of its source."""
    (tmp_path / "norm_adjoint.py").write_text(rewrite(LENGTH, "norm.py").code)
    monkeypatch.syspath_prepend(tmp_path)
    import norm_adjoint

    with np.errstate(all="raise"), pytest.raises(FloatingPointError) as caught:
        grad(norm_adjoint.simulate)(np.zeros((2, 2)))
    del sys.modules["norm_adjoint"]
    (note,) = caught.value.__notes__
    assert note.startswith("On the way back through step 2 of the loop at norm.py:9, from norm_adjoint.py:")
    assert note.endswith(": u = u + np.sum(length(u))")
    assert [name for name, _ in shown(caught.value)] == ["simulate_loop1_reverse"]


def test_a_method_that_is_transformed_alone(tmp_path, monkeypatch):
    (tmp_path / "alone.py").write_text(
        "import numpy as np\n"
        "from checkpointer import Revolve, checkpointed, transform\n"
        "class Model:\n"
        "    @transform\n"
        "    def simulate(self, u):\n"
        "        for step in checkpointed(range(4), Revolve(1)):\n"
        "            u = u * int('x' * (step == 2) or '2')\n"
        "        return np.sum(u)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import alone

    with pytest.raises(ValueError, match="invalid literal") as caught:
        grad(alone.Model().simulate)(np.ones(1))
    del sys.modules["alone"]
    assert caught.value.__notes__ == ["In step 2 of the loop at alone.py:6, in the forward sweep"]
    assert [name for name, _ in shown(caught.value)] == ["simulate", "simulate.<step>"]


class Frozen(Exception):
    """Refuses every assignment, as a frozen dataclass does."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


class Noted(Exception):
    """Has something else in the place of the notes."""

    __notes__ = 3


def test_exceptions_that_take_no_notes_keep_their_type(program):
    program.on("first", 1, Frozen)
    with pytest.raises(Frozen) as caught:
        program.rewritten.simulate(np.ones(3), 3, Revolve(2))
    assert caught.value.__context__ is None
    assert shown(caught.value) == [("simulate", FOR), ("simulate.<step>", EVENT)]
    program.on("first", 1, Noted)
    with pytest.raises(Noted) as caught:
        value_and_grad(program.rewritten.simulate)(np.ones(3), 3, Revolve(2))
    assert caught.value.__context__ is None
    assert shown(caught.value) == [("simulate", FOR), ("simulate.<step>", EVENT)]
