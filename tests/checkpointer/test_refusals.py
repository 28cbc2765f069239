"""Every refusal at run time: its code, the place in the user's file, its text, and its section in the documentation."""

import re
import textwrap
from pathlib import Path

import autograd
import numpy as np
import pytest

from checkpointer import Online, ReplayError, Revolve, TraceError, grad, value_and_grad, vjp
from checkpointer.stretch import Stretch, check_nothing_lost
from checkpointer.tape import Tape

ROOT = Path(__file__).parents[2]

# code, the line of the step that is refused, what the message says
REFUSED = [
    ("CKP201", "u = u + np.i0(u)", "np.i0 was called on a value that is being differentiated"),
    ("CKP201", "u = u * np.roots(u)[0].real", "np.roots was called on a value that is being differentiated"),
    ("CKP201", "u = u * np.cov(u, aweights=u)", "np.cov with weights"),
    ("CKP201", "u = u * np.quantile(u, u[0], method='hazen')", "np.quantile with method='hazen' of a q"),
    (
        "CKP201",
        "u = u * np.histogram(u, density=True)[0][0]",
        "np.histogram with bins that depend on a value",
    ),
    (
        "CKP201",
        "u = np.linalg.lstsq(np.outer(u, u), u)[0]",
        "np.linalg.lstsq of a matrix that has not full rank",
    ),
    ("CKP201", "u = np.pad(u, 1, mode='mean')[1:-1]", "np.pad with mode='mean'"),
    ("CKP203", "u = u * outside.array(u)", "would become a plain array here"),
    ("CKP204", "u = u * outside.number(u[0])", "would become a plain float here"),
    ("CKP205", "u = outside.pickled(u)", "would be pickled"),
    ("CKP207", "u.view(np.int64)", "would reinterpret the bytes of an array"),
    ("CKP208", "u.resize(3)", "ndarray.resize was used on an array that the tape watches"),
    (
        "CKP209",
        "np.add(u, 1.0, out=outside.buffer())",
        "would write a value that is being differentiated into a plain array",
    ),
    ("CKP210", "np.modf(u, out=(u, u))", "modf with several outputs and out="),
    ("CKP214", "u = u * outside.gradient(u[0])", "a gradient inside a function that is being differentiated"),
]

OUTSIDE = """
    import pickle
    import numpy
    from checkpointer import grad

    # a module that is not rewritten, as a library would be
    def array(u): return numpy.asarray(u)
    def number(x): return float(x)
    def pickled(u): return pickle.loads(pickle.dumps(u))
    def buffer(): return numpy.zeros(3)
    def gradient(x): return grad(lambda y: y**2)(x)
"""


@pytest.mark.parametrize(("code", "line", "what"), REFUSED)
def test_refusals_in_a_step(load, code, line, what):
    outside = load(OUTSIDE).plain
    program = load(f"""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, outside, scheme):
            for i in checkpointed(range(3), scheme):
                {line}
            return np.sum(u)
    """)
    with pytest.raises(TraceError) as caught:
        grad(program.rewritten.f)(np.array([0.3, 0.2, 0.9]), outside, Revolve(2))
    error = caught.value
    assert error.code == code
    assert what in str(error)
    assert "\nInstead: " in str(error)
    if error.filename == str(program.path):
        assert error.line == 7
        assert error.text.strip() == line
        assert re.search(r"^    .+\n    +\^$", str(error), re.MULTILINE)
    else:
        assert error.filename.endswith(".py")
        assert outside.__file__ == error.filename


def test_memory_that_is_not_dense(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, gaps, scheme):
            for i in checkpointed(range(3), scheme):
                gaps[:] = gaps * u
            return np.sum(gaps)
    """).rewritten
    gaps = np.ndarray((3,), float, bytearray(80), 0, (24,))
    with pytest.raises(TraceError, match="CKP202 an array with strides"):
        grad(program.f)(2.0, gaps, Revolve(2))


def test_a_marked_loop_whose_exception_is_caught_around_it(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme):
            try:
                for i in checkpointed(range(3), scheme):
                    x = x * 2
                    if i == 1:
                        raise ValueError("too large")
            except ValueError:
                pass
            return x
    """)
    assert program.rewritten.f(1.0, Revolve(2)) == 4.0
    with pytest.raises(TraceError, match="CKP213 a marked loop raised ValueError"):
        grad(program.rewritten.f)(1.0, Revolve(2))


def test_a_primitive_that_uses_what_is_not_its_argument(load):
    program = load("""
        import numpy as np
        from autograd.extend import defvjp, primitive
        from checkpointer import checkpointed

        def f(u, scheme):
            @primitive
            def product(x):
                return np.array(x * u)

            defvjp(product, lambda ans, x: lambda g: g)
            for i in checkpointed(range(3), scheme):
                u = u + product(u)
            return np.sum(u)
    """).rewritten
    with pytest.raises(TraceError, match="CKP216 the body of an autograd primitive uses a value"):
        grad(program.f)(np.ones(3), Revolve(2))


PAGE = (ROOT / "docs" / "refusals.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (CKP2\d\d): (.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
CODES = {
    code
    for folder in ("", "mpi4py", "scipy")
    for path in (ROOT / "checkpointer" / folder).glob("*.py")
    for code in re.findall(r'"(CKP2\d\d)"', path.read_text("utf-8"))
}
ON_RANKS = {f"CKP{number}" for number in range(226, 231)}
"""Those that only MPI programs meet: their examples run in ``tests/mpi/cases_meaning.py``."""
LIBRARY = """
    import math
    import threading
    import numpy

    kept = threading.local()

    def smooth(u): return 0.5 * numpy.asarray(u)
    def sine(x): return math.sin(x)
    def buffer(): return numpy.zeros(3)
    def with_gaps(): return numpy.ndarray((3,), float, bytearray(80), 0, (24,))
    def the_one_before(u):
        before, kept.u = getattr(kept, "u", u), u
        return before
"""


def test_every_code_has_a_section_and_a_test():
    """A code that only the source knows is of no use to whoever meets it."""
    assert set(SECTIONS) == CODES
    files = [*Path(__file__).parent.glob("test_*.py"), *(ROOT / "tests" / "mpi").glob("cases_*.py")]
    tests = "".join(path.read_text("utf-8") for path in files)
    assert {code for code in CODES if code not in tests} == set(), "write a test of its text"


def as_program(example):
    """An example of the documentation as the function that it stands for."""
    inside = example
    if "checkpointed(" not in example:
        inside = "for step in checkpointed(range(n), Revolve(snapshots=2)):\n" + textwrap.indent(
            example, "    "
        )
    body = textwrap.indent(inside, "    ")
    head = "import numpy as np\nfrom checkpointer import Online, Revolve, checkpointed\n\n"
    return f"{head}def f(u, library, n=3):\n{body}\n    return np.sum(u)\n"


@pytest.mark.parametrize("code", sorted(CODES - {"CKP215"} - ON_RANKS))
def test_the_examples_of_the_documentation(load, code):
    library = load(LIBRARY).plain
    examples = re.findall(r"```python\n(.*?)```", SECTIONS[code], flags=re.DOTALL)
    assert len(examples) == 2, "one example that is refused, and one of what to write instead"
    refused, accepted = (load(as_program(example)) for example in examples)
    u = np.array([0.3, 0.25, 0.9])
    with pytest.raises(TraceError) as caught:
        grad(refused.rewritten.f)(u.copy(), library)
    assert caught.value.code == code
    assert caught.value.filename in (str(refused.path), library.__file__)
    assert caught.value.text.strip()
    value, gradient = value_and_grad(accepted.rewritten.f)(u.copy(), library)
    assert value == accepted.plain.f(u.copy(), library)
    assert np.isfinite(gradient).all()


def test_a_gradient_of_a_gradient():
    _, pullback = vjp(lambda u: np.sum(u**2), np.ones(3))
    with pytest.raises(TraceError, match="CKP215 the gradient of a gradient"):
        autograd.grad(lambda g: np.sum(pullback(g)))(1.0)


def test_a_differentiated_number_as_a_key(load):
    program = load("""
        import functools
        from checkpointer import checkpointed

        @functools.lru_cache
        def weight(x):
            return x * x

        def cached(x, scheme):
            for i in checkpointed(range(3), scheme):
                x = x + weight(x)
            return x

        def in_a_dict(x, scheme):
            seen = {}
            for i in checkpointed(range(3), scheme):
                seen[x] = i
                x = x * 1.5
            return x
    """).rewritten
    for function in (program.cached, program.in_a_dict):
        with pytest.raises(TraceError, match="CKP217 a number that is being differentiated is looked up"):
            grad(function)(1.0, Revolve(2))


def test_cached_functions(load):
    program = load("""
        import functools
        import numpy as np
        from checkpointer import checkpointed

        work = np.zeros(3)
        order = 2

        @functools.lru_cache
        def of_its_arguments(n):
            return np.arange(n) / order

        @functools.lru_cache
        def of_the_state(n):
            return work * n

        class Model:
            @functools.lru_cache
            def method(self, n):
                return n

        def fine(u, scheme):
            for i in checkpointed(range(3), scheme):
                u = u + of_its_arguments(3) * u
            return np.sum(u)

        def wrong(u, scheme):
            for i in checkpointed(range(3), scheme):
                work[:] = u
                u = u + of_the_state(3)
            return np.sum(u)

        def wrong_method(u, scheme):
            model = Model()
            for i in checkpointed(range(3), scheme):
                u = u * model.method(i)
            return np.sum(u)
    """).rewritten
    assert grad(program.fine)(np.ones(3), Revolve(2)).tolist() == [1.0, 1.5**3, 8.0]
    for function, name in (
        (program.wrong, "of_the_state .* depends on work"),
        (program.wrong_method, "method .*attributes"),
    ):
        with pytest.raises(TraceError, match=rf"CKP218 .*{name}"):
            grad(function)(np.ones(3), Revolve(2))


def test_items_that_depend_on_the_state(load):
    program = load("""
        from checkpointer import checkpointed

        class Clock:
            t = 0.0

        def times(clock):
            while clock.t < 1.0:
                yield clock.t

        def f(x, scheme):
            clock = Clock()
            for t in checkpointed(times(clock), scheme):
                x = x + t
                clock.t = clock.t + 0.3 * x
            return x

        def g(x, scheme):
            for t in checkpointed((x * i for i in range(3)), scheme):
                x = x + t
            return x
    """).rewritten
    for function in (program.f, program.g):
        with pytest.raises(TraceError, match="CKP219 the loop's items come from a generator that can reach"):
            grad(function)(1.0, Online(2))


def test_a_list_that_grows_while_a_loop_goes_over_it(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme):
            jobs = [1, 2]
            for job in checkpointed(jobs, scheme):
                x = x * job
                if len(jobs) < 4:
                    jobs.append(3)
            return x
    """).rewritten
    assert program.f(1.0, Revolve(2)) == 18.0
    with pytest.raises(
        TraceError, match="CKP220 the list that the loop goes over had 2 items at first, and has 4 now"
    ):
        grad(program.f)(1.0, Revolve(2))


def test_a_refusal_that_the_program_swallows(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                try:
                    w = np.i0(u)
                except Exception:
                    w = 1.0
                u = u * w
            return np.sum(u)
    """).rewritten
    with pytest.raises(TraceError, match=r"CKP201 np\.i0"):
        grad(program.f)(np.ones(3), Revolve(2))


def test_memory_that_is_shared_through_a_buffer(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(x, a, b, scheme):
            for i in checkpointed(range(3), scheme):
                a[:] = b * x
            return np.sum(b)
    """).rewritten
    raw = bytearray(24)
    with pytest.raises(TraceError, match=r"CKP202 two arrays .* share memory through a buffer"):
        grad(program.f)(1.0, np.frombuffer(raw), np.frombuffer(raw), Revolve(2))


def test_writing_through_asarray(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, outside, scheme):
            for i in checkpointed(range(3), scheme):
                plain = outside.buffer()
                alias = np.asarray(plain)
                alias[:] = u
                u = u + plain
            return np.sum(u)
    """).rewritten
    outside = load(OUTSIDE).plain
    with pytest.raises(TraceError, match=r"CKP209 .*through numpy.asarray"):
        grad(program.f)(np.ones(3), outside, Revolve(2))


def test_steps_that_do_not_repeat_themselves(load):
    """State that a library hides is noticed by what the recomputed steps leave."""
    program = load("""
        import queue
        import numpy as np
        from checkpointer import checkpointed

        def f(u, scheme):
            waiting = queue.Queue()
            for i in range(10):
                waiting.put(0.1 * i)
            for i in checkpointed(range(5), scheme):
                u = u * (1 + waiting.get())
            return np.sum(u)
    """).rewritten
    with pytest.raises(ReplayError, match=r"u was something else when step \d was recomputed"):
        grad(program.f)(np.ones(3), Revolve(2))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("u = np.array([u[0], u[1]], dtype=object)", "CKP221"),
        ("u = u.astype(object)", "CKP221"),
        ("np.lib.stride_tricks.sliding_window_view(u, 2, writeable=True)[:] = u[:2]", "CKP222"),
        ("u = u * np.sign(u + 1j).real", "CKP201"),
        ("u = u * np.ma.masked_array([1.0, 2.0, 3.0])", "CKP211"),
        (
            "u = np.linalg.eigh(np.diag(u) + 1j * np.tril(np.outer(u, u), -1))[1].sum(0).real",
            "CKP201 .*complex phase",
        ),
        ("u = u * np.linalg.eigh(np.eye(3) * u[0])[1][0]", "CKP201 .*equal eigenvalues"),
        (
            "u = u * np.linalg.svd(np.outer(u, u))[0][0]",
            "CKP201 .*singular vectors of a matrix that has not full rank",
        ),
        (
            "u = u * np.linalg.svd(u[:, None] + np.eye(3)[:, :2])[0][0]",
            "CKP201 .*singular vectors beyond the rank",
        ),
    ],
)
def test_more_refusals_in_a_step(load, line, code):
    program = load(f"""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                {line}
            return np.sum(u)
    """).rewritten
    with pytest.raises(TraceError, match=code):
        grad(program.f)(np.array([0.3, 0.2, 0.9]), Revolve(2))


def test_an_array_of_a_library_that_a_loop_overwrites(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, outside, scheme, copied):
            field = outside.buffer()
            if copied:
                field = np.array(field)
            alias = field
            for i in checkpointed(range(3), scheme):
                field[:] = 0.5 * field + u
            return np.sum(alias)
    """).rewritten
    outside = load(OUTSIDE).plain
    with pytest.raises(TraceError, match="CKP209 the loop writes into an array"):
        grad(program.f)(np.ones(3), outside, Revolve(2), False)
    assert grad(program.f)(np.ones(3), outside, Revolve(2), True).tolist() == [1.75] * 3


BOUND_EARLIER = """
    import array, ctypes, decimal, fractions, json, math, pickle, statistics, struct, time
    import numpy
    from math import sin as sine

    def number(x): return sine(x)
    def packed(x): return struct.pack("d", x)
    def numbers(u): return array.array("d", u)
    def c(x): return ctypes.c_double(x)
    def buffer(u): return memoryview(u)
    def data(u): return bytes(u)
    def from_buffer(u): return numpy.frombuffer(u)
    def shared(u): return numpy.ndarray((3,), buffer=u)
    def address(u): return u.ctypes.data
    def interface(u): return u.__array_interface__
    def dlpack(u): return numpy.from_dlpack(u)
    def raw(u): return u.tobytes()
    def reduced(u): return u.__reduce__()
    def text(x): return json.dumps({"x": x})
    def listed(u): return json.dumps(u.tolist())
    def mean(u): return statistics.mean([u[0], u[1]])
    def exact(x): return fractions.Fraction(x)
    def decimals(x): return decimal.Decimal(x)
    def wait(x): return time.sleep(abs(x))
    def unbound(x): return float.__mul__(x, 2.0)
    def method(u): return numpy.ndarray.sum(u)
    def hashed(x): return hash(x)
    def filled(u):
        out = numpy.empty(3)
        out[:] = u
        return out
    def drawn(u): return numpy.random.default_rng(0).normal(u)
    def shuffled(u): numpy.random.default_rng(0).shuffle(u.reshape(3, 1))
    def shuffled_columns(u): numpy.random.default_rng(0).shuffle(u.reshape(1, 3), axis=1)
    def shuffled_by_the_old(u): numpy.random.RandomState(0).shuffle(u.reshape(3, 1))
"""


@pytest.mark.filterwarnings("ignore:you are shuffling")
@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("number(u[0])", "CKP204"),
        ("packed(u[0])", "CKP204"),
        ("numbers(u)", "CKP204"),
        ("c(u[0])", "CKP204"),
        ("buffer(u)", "CKP223"),
        ("data(u)", "CKP223"),
        ("from_buffer(u)", "CKP223"),
        ("shared(u)", "CKP223"),
        ("address(u)", "CKP208"),
        ("interface(u)", "CKP203"),
        ("dlpack(u)", "CKP203"),
        ("raw(u)", "CKP208"),
        ("reduced(u)", "CKP205"),
        ("text(u[0])", "CKP223"),
        ("listed(u)", "CKP223"),
        ("mean(u)", "CKP208"),
        ("exact(u[0])", "CKP208"),
        ("decimals(u[0])", "CKP223"),
        ("wait(u[0])", "CKP223"),
        ("unbound(u[0])", "CKP223"),
        ("method(u)", "CKP223"),
        ("hashed(u[0])", "CKP217"),
        ("filled(u)", "CKP203"),
        ("drawn(u)", "CKP203"),
        ("shuffled(u)", "CKP201"),
        ("shuffled_columns(u)", "CKP223"),
        ("shuffled_by_the_old(u)", "CKP201"),
    ],
)
def test_values_that_would_leave_the_tape(load, call, code):
    """Also where compiled code, or Python's own library, meets the value: the line is the user's."""
    outside = load(BOUND_EARLIER).plain
    program = load(f"""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, outside, scheme):
            for i in checkpointed(range(3), scheme):
                outside.{call}
                u = u * 1.5
            return np.sum(u)
    """)
    arguments = np.array([0.001, 0.002, 0.003]), outside, Revolve(2)
    program.plain.f(*arguments)  # nothing is wrong with it
    with pytest.raises(TraceError) as caught:
        grad(program.rewritten.f)(*arguments)
    error = caught.value
    assert (error.code, error.filename) == (code, outside.__file__)
    assert f"def {call.partition('(')[0]}(" in error.text or "out[:] = u" in error.text
    assert "\nInstead: " in str(error)


def test_compiled_code_keeps_its_words(load):
    program = load("""
        import json
        from checkpointer import checkpointed

        def f(x, scheme):
            for i in checkpointed(range(3), scheme):
                report = json.dumps({"x": x})
                x = x * 1.5
            return x
    """).rewritten
    with pytest.raises(TraceError, match=r"CKP223 .* plain values only; .*float is not JSON serializable"):
        grad(program.f)(1.0, Revolve(2))


def test_a_number_that_goes_through_a_text(load):
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def by_format(x, scheme):
            for i in checkpointed(range(3), scheme):
                x = x * float(f"{x:.3f}")
            return x

        def by_str(x, scheme):
            for i in checkpointed(range(3), scheme):
                x = x * float(str(x))
            return x

        def by_percent(x, scheme):
            for i in checkpointed(range(3), scheme):
                x = x * float("%.4e" % x)
            return x

        def of_another(x, scheme):
            for i in checkpointed(range(3), scheme):
                report = f"{x:.3f}"
                x = x * float("0.5")
            return x
    """).rewritten
    for function in (program.by_format, program.by_str, program.by_percent):
        with pytest.raises(TraceError, match=r"CKP224 '1\.\d+(e\+00)?' is read as a number"):
            grad(function)(1.1234567, Revolve(2))
    assert grad(program.of_another)(1.1234567, Revolve(2)) == 0.125


def test_exceptions_of_the_program_stay_what_they_are(load):
    program = load("""
        from checkpointer import checkpointed

        def f(x, scheme, error):
            for i in checkpointed(range(3), scheme):
                if i == 2:
                    raise error
                x = x * 1.5
            return x
    """).rewritten
    for error in (TypeError("unhashable type: 'dict'"), KeyError("x"), ZeroDivisionError()):
        with pytest.raises(type(error)) as caught:
            grad(program.f)(1.0, Revolve(2), error)
        assert caught.value is error


PLACES = {
    "a step": ("w = 1.0 + np.i0(u)", "np.i0(u)", 0),
    "a lambda": ("w = (lambda v: 2 * np.i0(v))(u)", "np.i0(v)", 0),
    "a comprehension": ("w = [np.i0(v) for v in [u]]", "np.i0(v)", 0),
    "behind letters that are two bytes": ("w = {'ü': np.i0(u)}['ü']", "np.i0(u)", 0),
    "several lines": (
        "w = np.add(\n                1.0,\n                np.i0(u),\n            )",
        "np.i0(u)",
        2,
    ),
}


@pytest.mark.parametrize("steps", [1, 4], ids=["recorded", "recomputed"])
@pytest.mark.parametrize(("statement", "caret", "below"), PLACES.values(), ids=PLACES.keys())
def test_the_caret(load, statement, caret, below, steps):
    """In a step that is recorded when it first runs, and in one that is computed again."""
    program = load(f"""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, scheme, steps):
            for i in checkpointed(range(steps), scheme):
                u = u * 1.5
                if i == 0:
                    {statement.replace(chr(10), chr(10) + "        ")}
            return np.sum(u)
    """)
    with pytest.raises(TraceError) as caught:
        grad(program.rewritten.f)(np.ones(3), Revolve(1), steps)
    error = caught.value
    assert (error.code, error.filename, error.line) == ("CKP201", str(program.path), 9 + below)
    assert error.column == error.text.index(caret)
    where = str(error).splitlines()
    assert where[2].index("^") == where[1].index(caret)


def test_a_line_in_a_module_that_is_not_rewritten(load):
    outside = load("""
        import numpy as np

        def helper(u):
            return 1 + np.i0(u)
    """)
    program = load("""
        import numpy as np
        from checkpointer import checkpointed

        def f(u, helper, scheme):
            for i in checkpointed(range(3), scheme):
                u = helper(u)
            return np.sum(u)
    """).rewritten
    with pytest.raises(TraceError) as caught:
        grad(program.f)(np.ones(3), outside.plain.helper, Revolve(1))
    assert (caught.value.filename, caught.value.line) == (outside.plain.__file__, 5)
    assert caught.value.column == caught.value.text.index("np.i0")


def test_a_line_that_calls_an_installed_package(load):
    """The line is the user's, not the package's."""
    program = load("""
        import numpy as np
        from matplotlib.cbook import boxplot_stats
        from checkpointer import checkpointed

        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                w = boxplot_stats(u)
                u = u * 1.5
            return np.sum(u)
    """)
    with pytest.raises(TraceError) as caught:
        grad(program.rewritten.f)(np.ones(3), Revolve(1))
    assert (caught.value.filename, caught.value.line) == (str(program.path), 8)


def test_a_rule_that_gives_up_on_the_way_back(load):
    """No line of the step is running then; the operation's is named, and a note tells the step."""
    program = load("""
        import numpy as np
        from autograd.extend import defvjp, primitive
        from checkpointer import checkpointed

        @primitive
        def law(u):
            return 2 * u

        def rule(ans, u):
            def pull(g):
                raise NotImplementedError("of this kind")
            return pull

        defvjp(law, rule)

        def f(u, scheme):
            for i in checkpointed(range(3), scheme):
                u = law(u)
            return np.sum(u)

        def without_loop(u):
            return np.sum(law(u))
    """)
    with pytest.raises(TraceError, match=r"CKP201 .*of this kind") as caught:
        grad(program.rewritten.f)(np.ones(3), Revolve(1))
    assert (caught.value.filename, caught.value.line) == (str(program.path), 19)
    assert caught.value.text[caught.value.column :] == "law(u)"
    name = program.path.name
    assert caught.value.__notes__ == [
        f"On the way back through step 2 of the loop at {name}:18, from {name}:19: u = law(u)"
    ]
    assert isinstance(caught.value.__cause__, NotImplementedError)
    with pytest.raises(TraceError, match=r"CKP201 .*of this kind") as caught:
        grad(program.rewritten.without_loop)(np.ones(3))
    assert (caught.value.filename, caught.value.line) == (str(program.path), 23)


def test_an_adjoint_that_has_no_place_in_the_state():
    check_nothing_lost({})
    with pytest.raises(
        ReplayError, match=r"another form than the loop went on from \(1 of its numbers and arrays have no"
    ):
        check_nothing_lost({("data", 3, "u"): 1.0})
    stretch = Stretch(Tape(), [])
    stretch.end([])
    with pytest.raises(ReplayError, match="another form than the loop went on from"):
        stretch.pullback({("data", 3, "u"): 1.0})
