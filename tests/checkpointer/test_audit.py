"""The audit finds the first variable and step that differ, whatever it is; and nothing where nothing differs."""

import importlib.util
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

from checkpointer import ArgumentError, Online, ReplayError, Revolve, StoreAll, checkpointed, grad, watching
from checkpointer.blocks import Known
from checkpointer.boxes import plain
from checkpointer.fingerprints import Fingerprints
from checkpointer.hook import TransformingLoader
from checkpointer.runtime import run_loop, run_while
from checkpointer.transforms.marks import OPTIONS

HEAD = """
    import itertools
    import threading
    import numpy as np
    from checkpointer import checkpointed, replaying

    hidden = threading.local()  # what it holds is beyond the reach of the state
    hidden.count = itertools.count()

    def other_on_replay(step, first, second):
        return second if replaying() and step == 3 else first
"""

# what step 3 leaves when it is computed again; the place that the audit names
FOUND = {
    "an array": ("u = u * other_on_replay(i, 1.5, 1.25)", "u"),
    "an element": ("w[2] = other_on_replay(i, 1.0, 2.0)", "w"),
    "elements that changed places": ("w[:] = other_on_replay(i, [0, 1, 2], [0, 2, 1])", "w"),
    "an integer": ("n = other_on_replay(i, 1, 2)", "n"),
    "a text": ("name = other_on_replay(i, 'a', 'b')", "name"),
    "a number's type": ("n = other_on_replay(i, 1, True)", "n"),
    "an attribute": ("box.label = other_on_replay(i, 'a', 'b')", "box.label"),
    "a list": ("log.append(other_on_replay(i, 1, 2))", "log[3]"),
    "an entry of a dict": ("table['a'] = other_on_replay(i, 1, 2)", "table['a']"),
    "a set": ("seen.add(other_on_replay(i, 1, 2))", "seen"),
    "a nested tuple": ("name = ('a', (other_on_replay(i, 1, 2),))", "name"),
    "a binding": ("v = other_on_replay(i, u, w)", "v"),
    "a random generator": ("rng.normal(size=other_on_replay(i, 1, 2))", "rng"),
    "bytes": ("raw[0] = other_on_replay(i, 1, 2)", "raw"),
    "a long list": ("many[70] = other_on_replay(i, 1, 2)", "many"),
    "infinitely small": ("w[0] = other_on_replay(i, 0.0, -0.0)", "w"),
}


@pytest.mark.parametrize("scheme", [Revolve(1), StoreAll()], ids=repr)
@pytest.mark.parametrize(("statement", "name"), FOUND.values(), ids=FOUND.keys())
def test_the_first_variable_and_step(load, statement, name, scheme):
    program = load(
        HEAD
        + f"""
    class Box:
        label = "none"

    def f(u, scheme, audit=True):
        w, box, log, table, seen = np.zeros(3), Box(), [], {{}}, set()
        v, n, name, rng, raw, many = w, 0, "", np.random.default_rng(1), bytearray(3), [0] * 100
        for i in checkpointed(range(6), scheme, audit=audit):
            u = u * 1.5
            {statement}
        return np.sum(u) + (v is None)
    """
    ).rewritten
    with pytest.raises(ReplayError) as caught:
        grad(program.f)(np.ones(3), scheme)
    assert str(caught.value).startswith(
        f"audit: {name} was something else when step 3 was recomputed than in the first"
    )


def test_the_environment_asks_for_the_audit_of_all_loops(load, monkeypatch):
    program = load(
        HEAD
        + """
    def f(u, scheme):
        name = ""
        for i in checkpointed(range(6), scheme):
            u, name = u * 1.5, f"{next(hidden.count)}"
        return np.sum(u)
    """
    ).rewritten
    for value in ("", "0"):
        monkeypatch.setenv("CHECKPOINTER_AUDIT", value)
        grad(program.f)(np.ones(3), Revolve(1))
    monkeypatch.setenv("CHECKPOINTER_AUDIT", "1")
    with pytest.raises(ReplayError, match="audit: name was something else when step 0"):
        grad(program.f)(np.ones(3), Revolve(1))


def test_a_guess_at_the_cause(load):
    program = load(
        HEAD
        + """
    import time
    def f(u, scheme):
        start = 0
        for i in checkpointed(range(6), scheme, audit=True):
            u, start = u * 1.5, int(1e9 * time.perf_counter())
        return np.sum(u)
    """
    ).rewritten
    with pytest.raises(
        ReplayError, match=r"than in the first sweep \(its body mentions perf_counter, time\)\. What"
    ):
        grad(program.f)(np.ones(3), Revolve(1))


def test_marks_in_comments_and_while_loops(load):
    program = load(
        HEAD
        + """
    def f(u):
        n = 0
        # checkpointer: Online(snapshots=2), audit=True
        while n < 5:
            u, n, name = u * 1.5, n + 1, next(hidden.count)
        return np.sum(u) + 0 * name
    """
    ).rewritten
    with pytest.raises(ReplayError, match="audit: name was something else when step"):
        grad(program.f)(np.ones(3))


def test_the_argument():
    with pytest.raises(ArgumentError, match="audit must be True or False, but is 1"):
        checkpointed(range(3), Revolve(1), audit=1)
    for function in (checkpointed, run_loop, run_while):
        parameters = inspect.signature(function).parameters.values()
        options = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
        assert options - {"forward", "reverse"} == set(OPTIONS)


def test_nested_loops_that_repeat_themselves(load):
    program = load(
        HEAD
        + """
    class Model:
        def __init__(self, u):
            self.u, self.steps, self.noise = u, 0, np.random.default_rng(1)

        def run(self, scheme):
            for j in checkpointed(range(3), scheme, audit=True):
                self.u = self.u * (1 + 0.1 * self.noise.normal())
                self.steps += 1

    def f(u, scheme):
        model, log = Model(u), []
        for i in checkpointed(range(4), scheme, audit=True):
            model.run(scheme)
            log.append((i, model.u, f"step {model.steps}"))
        return np.sum(model.u)
    """
    )
    for scheme in (Revolve(1), Online(2), StoreAll()):
        gradient = grad(program.rewritten.f)(np.ones(3), scheme)
        assert gradient == pytest.approx(program.plain.f(np.ones(3), scheme) / 3 * np.ones(3), rel=1e-12)


CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.py"))


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_nothing_is_found_in_programs_that_repeat_themselves(path, monkeypatch):
    """All programs of the corpus under the audit: no false alarm."""
    monkeypatch.setenv("CHECKPOINTER_AUDIT", "1")
    name = f"audited_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=TransformingLoader(name, str(path)))
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # where dataclasses look for their module
    spec.loader.exec_module(module)
    programs = [member for member in vars(module).values() if inspect.isfunction(inspect.unwrap(member))]
    programs = [f for f in programs if inspect.unwrap(f).__code__.co_varnames[:2] == ("u", "scheme")]
    assert programs
    for program in programs:
        scheme = Online(2) if program.__name__.startswith("online_") else Revolve(2)
        grad(program)(np.linspace(0.2, 1.3, 10), scheme)


class Leaf:
    """What `Fingerprints` looks at."""

    key, name = ("u",), "u"

    def __init__(self, value):
        self.value = value


def print_of(value):
    return Fingerprints(Known()).before([Leaf(value)])[("u",)][1]


@pytest.mark.parametrize("size", [1, 10, 1021, 1022, 5000, 100_000])
@pytest.mark.parametrize("kind", [float, np.float32, np.int8, bool, complex, np.longdouble])
def test_the_fingerprint_sees_every_change_and_most_exchanges(size, kind):
    rng = np.random.default_rng(size)
    array = (rng.normal(size=size) * 50).astype(kind)
    array[0] = 1
    first = print_of(array)
    assert print_of(array.copy()) == first
    changed = array.copy()
    changed[size // 2] = not changed[size // 2]
    assert print_of(changed) != first
    if size > 1:
        swapped = array.copy()
        swapped[-1] = not array[0]
        first = print_of(swapped)
        swapped[[0, -1]] = swapped[[-1, 0]]
        assert print_of(swapped) != first
    shuffled = rng.permutation(array)
    assert np.array_equal(shuffled, array) or print_of(shuffled) != print_of(array)
    assert print_of(array.reshape(1, -1)) != print_of(array)


def test_the_fingerprint_of_views_and_empty_arrays():
    grid = np.arange(12.0).reshape(3, 4)
    assert print_of(grid.T) == print_of(grid.T.copy())
    assert print_of(grid[:, ::2]) == print_of(grid[:, ::2].copy())
    assert print_of(np.zeros(0)) == print_of(np.zeros(0)) != print_of(np.zeros((0, 2)))
    assert print_of(np.array(1.0)) == print_of(np.array(1.0)) != print_of(np.array(2.0))
    assert plain(grid) is grid


@pytest.mark.parametrize("look", ["audit", "report"])
def test_what_a_number_is_written_as_is_the_programs_own_affair(load, look):
    """A class of numbers may write itself as it likes; to look at the state runs no code of the program."""
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        class Rate(float):
            def __repr__(self):
                raise AssertionError("nobody asked")

        def f(u, scheme, audit):
            rate, seen = Rate(1.5), [Rate(number) for number in range(12)]
            for i in checkpointed(range(6), scheme, audit=audit):
                u = rate * u
                rate = Rate(rate + seen[i])
            return np.sum(u)
    """).rewritten
    with watching(report=look == "report"):
        gradient = grad(program.f)(np.ones(2), Revolve(2), audit=look == "audit")
    rates = [1.5 + number * (number - 1) / 2 for number in range(6)]
    np.testing.assert_allclose(gradient, np.full(2, np.prod(rates)), rtol=1e-14)
