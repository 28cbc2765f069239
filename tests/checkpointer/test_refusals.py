"""Every refusal at run time: its code, the place in the user's file, its text, and its section in the documentation."""

import re
from pathlib import Path

import numpy as np
import pytest

from checkpointer import Online, ReplayError, Revolve, TraceError, grad
from checkpointer.stretch import Stretch, check_nothing_lost
from checkpointer.tape import Tape

ROOT = Path(__file__).parents[2]

# code, the line of the step that is refused, what the message says
REFUSED = [
    ("CKP201", "u = u + np.median(u)", "np.median was called on a value that is being differentiated"),
    (
        "CKP201",
        "np.put_along_axis(u, np.array([0]), 1.0, 0)",
        "np.put_along_axis writes to an array that the tape watches",
    ),
    (
        "CKP201",
        "np.maximum.at(u, [0], 2.0)",
        "np.maximum.at was called on a value that is being differentiated",
    ),
    ("CKP201", "u = u * np.average(u, weights=u)", "np.average with weights"),
    ("CKP201", "u = np.pad(u, 1, mode='mean')[1:-1]", "np.pad with mode='mean'"),
    ("CKP201", "np.place(u, u > 0, [1.0])", "np.place and np.putmask"),
    ("CKP203", "u = u * outside.array(u)", "would become a plain array here"),
    ("CKP204", "u = u * outside.number(u[0])", "would become a plain float here"),
    ("CKP205", "u = outside.pickled(u)", "would be pickled"),
    ("CKP207", "u.view(np.int64)", "would reinterpret the bytes of an array"),
    ("CKP208", "u.partition(1)", "ndarray.partition was used on an array that the tape watches"),
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


def test_every_code_has_a_section_in_the_documentation():
    documented = set(
        re.findall(r"^## (CKP2\d\d):", (ROOT / "docs" / "refusals.md").read_text(), re.MULTILINE)
    )
    used = {
        code
        for path in (ROOT / "checkpointer").glob("*.py")
        for code in re.findall(r'"(CKP\d+)"', path.read_text())
    }
    assert used == documented


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
                    w = np.median(u)
                except Exception:
                    w = 1.0
                u = u * w
            return np.sum(u)
    """).rewritten
    with pytest.raises(TraceError, match=r"CKP201 np\.median"):
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
        ("u = u * np.nextafter(u, 9.0)", "CKP201"),
        ("u = u * np.histogram(u, weights=u)[0][0]", "CKP201"),
        ("u = np.fft.irfft(np.fft.rfft(u, norm='forward'), n=3)", "CKP201"),
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
