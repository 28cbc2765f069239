"""What an iterator will hand out, told from the sequences below it."""

from collections import OrderedDict

import numpy as np
import pytest

from checkpointer import ArgumentError, Online, Revolve, TraceError, grad
from checkpointer.sequences import sequence_of


class Ring(list):
    def __iter__(self):
        return iter([*list.__iter__(self)] * 2)


def _advanced(iterator, count):
    for _ in range(count):
        next(iterator)
    return iterator


@pytest.mark.parametrize(
    "make",
    [
        lambda: range(7, 1, -2),
        lambda: [3, 1, 2],
        lambda: (3, 1, 2),
        lambda: "héllo",
        lambda: np.arange(6.0).reshape(3, 2),
        lambda: iter([3, 1, 2]),
        lambda: _advanced(iter([3, 1, 2]), 2),
        lambda: _advanced(iter(range(2, 30, 3)), 4),
        lambda: _advanced(iter(np.arange(5.0)), 2),
        lambda: reversed([3, 1, 2]),
        lambda: _advanced(reversed([3, 1, 2]), 1),
        lambda: _advanced(reversed((3, 1, 2)), 3),
        lambda: reversed(range(5)),
        lambda: reversed(np.arange(5.0)),
        lambda: enumerate([3, 1, 2], start=5),
        lambda: _advanced(enumerate("abcd"), 2),
        lambda: zip([1, 2, 3], "ab", range(9), strict=False),
        lambda: zip([1, 2], "ab", strict=True),
        lambda: zip(),
        lambda: _advanced(enumerate(zip(reversed([1, 2, 3]), enumerate("abc"), strict=False), 1), 1),
        lambda: [],
        lambda: _advanced(iter([1]), 1),
        lambda: {"a": 1, "b": 2}.values(),
        lambda: OrderedDict(a=1, b=2).items(),
    ],
)
def test_items_are_those_of_the_iterator(make):
    sequence = sequence_of(make())
    expected = list(make())
    assert len(sequence) == len(expected)
    for number in (*range(len(expected)), *reversed(range(len(expected)))):
        np.testing.assert_equal(sequence[number], expected[number])
        assert type(sequence[number]) is type(expected[number])


@pytest.mark.parametrize(
    "iterable",
    [
        (x for x in range(3)),
        map(abs, [1]),
        iter({1: 2}),
        zip([1], (x for x in range(3)), strict=False),
        zip([1], [1, 2], strict=True),
        zip(*[iter([1, 2, 3, 4])] * 2, strict=False),
        enumerate(map(abs, [1])),
        Ring([1, 2]),
        reversed(Ring([1, 2])),
        range(1 << 70),
    ],
)
def test_what_only_iterating_can_tell(iterable):
    assert sequence_of(iterable) is None


LOOPS = {
    "rows of a differentiated array": "for row in checkpointed(f, scheme): u = np.sin(u + row)",
    "rows and times": "for t, row in checkpointed(zip(ts, f), scheme): u = np.sin(u + t * row)",
    "rows backwards": "for k, row in checkpointed(enumerate(reversed(f)), scheme): u = np.sin(u + k * row)",
    "neighbours": "for a, b in checkpointed(zip(f, f[1:]), scheme): u = np.sin(u + a * b)",
    "rows that are updated": "for row in checkpointed(f, scheme): row *= u; u = np.sin(u + row)",
    "the same array, by its name too": (
        "for k, row in checkpointed(enumerate(f), scheme): f[k - 1] *= row; u = np.sin(u + row)"
    ),
    "numbers": "for x in checkpointed(f[:, 0], scheme): u = np.sin(u + x)",
    "a list of arrays, one of them twice": (
        "for row in checkpointed([f[0], f[1], f[0]], scheme): row *= 1.1; u = np.sin(u + row)"
    ),
    "objects": "for item in checkpointed([{'x': f[0]}, {'x': f[1]}], scheme): item['x'] *= u; u = np.sin(u + item['x'])",
    "a view of an array that changes": "for row in checkpointed(f.T[:2], scheme): f[1:3, :] *= 1.1; u = np.sin(u) + row[:3]",
    "values of a dict that are replaced": (
        "d = {'a': f[0], 'b': f[1]}\n"
        "        for k, row in checkpointed(d.items(), scheme): d['b'] = d['b'] * row; row *= u; u = np.sin(u + row)"
    ),
    "values of a dict that the body does not name": (
        "for row in checkpointed({'a': f[0], 'b': f[1]}.values(), scheme): row *= u; u = np.sin(u + row)"
    ),
    "an early end": (
        "for row in checkpointed(f, scheme):\n            u = np.sin(u + row)\n            if row[0] > 0.5: break"
    ),
    "two loops over one iterator": (
        "rows = iter(f)\n        for row in checkpointed(rows, scheme):\n            u = np.sin(u + row)\n"
        "            if row[0] > 0.5: break\n        for row in checkpointed(rows, scheme): u = u * row"
    ),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS.keys())
def test_gradients(load, check, loop):
    program = load(f"""
    import numpy as np
    from checkpointer import Revolve, checkpointed

    def run(x, scheme):
        f = x.reshape(4, 3) + 0.0
        u = f[2] * f[3]
        ts = [0.1, 0.2, 0.4, 0.8]
        {loop}
        return np.sum(u * u[::-1]) + np.sum(f**3)
    """)
    rng = np.random.default_rng(3)
    for scheme in (Revolve(1), Revolve(3), Online(2)):
        for _ in range(2):
            check(program, "run", rng.uniform(0.1, 0.9, 12), scheme)


def test_long_arrays_of_items_are_one_leaf(load, visits):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed

        def run(f):
            u = 0.0
            for k, (t, row) in checkpointed(enumerate(zip(f[:, 0], f)), Revolve(100)):
                u = u + k * t * row[1]
            return u
    """)
    few, many = (visits(lambda n=n: grad(program.rewritten.run)(np.ones((n, 2)))) for n in (100, 200))
    assert many < 2.1 * few


@pytest.mark.parametrize(
    "items",
    [
        "filter(None, xs)",
        "itertools.islice(xs, 3)",
        "itertools.chain(xs, iter(xs))",
        "zip(iter(d.values()), range(3))",
        "(x for x in iter(xs))",
        "map(abs, (x for x in xs))",
        "iter(Numbers(xs))",
    ],
)
def test_iterators_that_can_reach_what_the_loop_changes(load, items):
    program = load(f"""
        import itertools
        import numpy as np
        from checkpointer import StoreAll, checkpointed

        class Numbers:
            def __init__(self, xs):
                self.xs = xs
            def __getitem__(self, k):
                return self.xs[k]

        def run(u):
            xs, d = [1.0, 2.0, 3.0], {{"a": 1.0, "b": 2.0, "c": 3.0}}
            for x in checkpointed({items}, StoreAll()):
                xs[2] = xs[2] * u[1]
                d["c"] = xs[2]
                u = u + 0.1 * np.sin(u * np.sum(x))
            return np.sum(u)
    """)
    with pytest.raises(TraceError, match="CKP219"):
        grad(program.rewritten.run)(np.array([0.3, 0.7]))


def test_a_scheme_that_does_not_fit_is_not_taken_for_the_error_of_the_program(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed

        def run(u):
            try:
                for x, y in checkpointed(zip([1.0, 2.0], [3.0], strict=True), Revolve(2)):
                    u = u * x * y
            except ValueError:
                u = 2 * u
            return np.sum(u)
    """)
    with pytest.raises(ArgumentError, match="number of steps"):
        grad(program.rewritten.run)(np.ones(2))
