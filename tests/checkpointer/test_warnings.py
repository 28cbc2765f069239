"""Warnings name the line of the user's that the plain program would name, and come as often."""

import threading
import warnings

import numpy as np
import pytest

from checkpointer import Mixed, Revolve, grad, value_and_grad, vjp

PROGRAM = """
import warnings
import numpy as np
from checkpointer import Revolve, checkpointed

def helper(u, step):
    if step in (1, 3):
        warnings.warn("called", stacklevel=2)
    return u + 0 * np.log(u * 0)

def simulate(u, scheme):
    for step in checkpointed(range(5), scheme):
        u = helper(u, step) if step % 2 else u / (1 - u * 0)
        if step == 4:
            u = u + 0 * np.sqrt(-np.abs(u))
            u = u + 0 * np.sqrt(-np.abs(u))
        u = np.nan_to_num(u)
        t = u[0] / (u[1] - u[1])
    u = u + 0 * np.log(u * 0)
    return np.sum(np.nan_to_num(u))

def back(u):
    for step in checkpointed(range(3), Revolve(1)):
        u = u + 0.1 * np.arccosh(1 + 0 * u)
    return np.sum(u)

def behind(u):
    for step in checkpointed(range(3), Revolve(1)):
        u = u * 1.5
    return np.sum(np.arccosh(1 + 0 * u))
"""


@pytest.fixture(scope="module")
def program(load_once):
    return load_once("warning", PROGRAM)


def line_of(text):
    return PROGRAM.split("\n").index(text) + 1


LOOP = line_of("    for step in checkpointed(range(5), scheme):")


def given(function, module, *filters):
    """The warnings of a call, from a registry that is empty."""
    vars(module).pop("__warningregistry__", None)
    warnings.onceregistry.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        for number, action in enumerate(filters):
            warnings.filterwarnings(action, append=number > 0)
        function()
    return [(w.category, str(w.message), w.filename, w.lineno) for w in caught]


@pytest.mark.parametrize("action", ["default", "always", "module", "once"])
@pytest.mark.parametrize("scheme", [Mixed(8), Revolve(1)])
def test_the_same_warnings_as_in_the_plain_program(program, action, scheme):
    """Under Mixed every step of the first sweep is recorded, so that checkpointer calls NumPy; under Revolve one is."""
    u = np.array([1.0, 2.0])
    plain = given(lambda: program.plain.simulate(u, scheme), program.plain, action)
    assert len(plain) >= 5
    mine = given(lambda: value_and_grad(program.rewritten.simulate)(u, scheme), program.rewritten, action)
    assert mine == plain
    undifferentiated = given(lambda: program.rewritten.simulate(u, scheme), program.rewritten, action)
    assert undifferentiated == plain


@pytest.mark.parametrize("scheme", [Mixed(8), Revolve(1)])
def test_they_come_once_per_location_also_over_several_calls(program, scheme):
    u = np.array([1.0, 2.0])

    def twice(module, run):
        run(module.simulate)(u, scheme)
        run(module.simulate)(u, scheme)

    plain = given(lambda: twice(program.plain, lambda f: f), program.plain, "default")
    assert given(lambda: twice(program.rewritten, value_and_grad), program.rewritten, "default") == plain


def test_filters_for_the_users_module(program):
    """They decide for what is issued again; an error for all modules is raised at once, by code of checkpointer."""
    u = np.array([1.0, 2.0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module="warning$")
        value_and_grad(program.rewritten.simulate)(u, Mixed(8))
    assert caught == []
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.filterwarnings("error", module="warning$")
        with pytest.raises(RuntimeWarning) as caught:
            value_and_grad(program.rewritten.simulate)(u, Mixed(8))
    assert caught.traceback[-1].lineno + 1 == line_of("        t = u[0] / (u[1] - u[1])")
    assert caught.value.__notes__ == [
        f"In step 0 of the loop at warning.py:{LOOP}, in the forward sweep, under the tape"
    ]


BACK = "        u = u + 0.1 * np.arccosh(1 + 0 * u)"
BEHIND = "    return np.sum(np.arccosh(1 + 0 * u))"


@pytest.mark.parametrize(("name", "text"), [("back", BACK), ("behind", BEHIND)])
def test_the_way_back(program, name, text):
    function, u = grad(getattr(program.rewritten, name)), np.array([1.0, 2.0])
    for action, times in {"always": 2, "default": 1}.items():
        found = given(lambda: (function(u), function(u)), program.rewritten, action)
        warning = RuntimeWarning, "divide by zero encountered in divide", str(program.path), line_of(text)
        assert found == [warning] * times


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [("back", BACK, "step 2 of the loop at warning.py:{}"), ("behind", BEHIND, "behind")],
)
def test_the_way_back_as_an_error(program, name, text, where):
    function = grad(getattr(program.rewritten, name))
    with pytest.raises(RuntimeWarning) as caught:  # as all warnings in these tests
        function(np.ones(2))
    where = where.format(line_of("    for step in checkpointed(range(3), Revolve(1)):"))
    assert caught.value.__notes__ == [
        f"On the way back through {where}, from warning.py:{line_of(text)}: {text.strip()}"
    ]


def test_show_is_what_it_was_afterwards(program, monkeypatch):
    shown = []
    show = lambda *args: shown.append(args)  # noqa: E731
    monkeypatch.setattr(warnings, "showwarning", show)
    warnings.simplefilter("always")
    _, pullback = vjp(program.rewritten.behind, np.ones(2))
    assert warnings.showwarning is show
    pullback(1.0)
    assert warnings.showwarning is show
    assert [args[3] for args in shown] == [line_of(BEHIND)]


def test_other_threads(program, monkeypatch):
    """A warning of another thread, while one differentiates, is that thread's own."""
    go, done = threading.Event(), threading.Event()
    places = []

    def other():
        go.wait(10)
        np.log(np.zeros(1))
        done.set()

    def function(u):
        go.set()
        assert done.wait(10)
        return np.sum(u)

    monkeypatch.setattr(warnings, "showwarning", lambda *args: places.append(args[2]))
    warnings.simplefilter("always")
    thread = threading.Thread(target=other)
    thread.start()
    grad(function)(np.ones(1))
    thread.join()
    assert places == [__file__]
