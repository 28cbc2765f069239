"""Cases at the edge: loops without iterations, overlapping views, indices of every form, iterators that are shared."""

import collections

import numpy as np

from checkpointer import checkpointed


def inner_loop_without_iterations(u, scheme):
    """An inner marked loop that runs 0, 1, 2 ... times."""
    t, pair = u[0] * 2, (u[1], u[2] * 3)
    for i in checkpointed(range(3), scheme):
        for _ in checkpointed(range(i), scheme):
            t = t * 1.1 + u[3]
            pair = (pair[1], pair[0] * t)
        u = u * t * 0.5
    return np.sum(u) * t + pair[0] * pair[1]


def loop_without_iterations(u, scheme):
    """A marked loop that does not run at all."""
    t, w = u[0] * 2, u * 3
    for _ in checkpointed(range(0), scheme):
        t = t * 1.1
        w *= 2
    return np.sum(w) * t + u[1]


def overlapping_views_as_state(u, scheme):
    """A broadcast view and windows that are carried from step to step."""
    row = np.broadcast_to(u, (3, 10))
    windows = np.lib.stride_tricks.sliding_window_view(u * 2, 4)
    for _ in checkpointed(range(3), scheme):
        u = u + 0.1 * row.sum(axis=0) * windows[0, 0]
        row = np.broadcast_to(u * 0.5, (3, 10))
        windows = np.lib.stride_tricks.sliding_window_view(u[1:] * row[0, 1], 4)
    a, b = np.broadcast_arrays(u[0] * 2, u)
    return np.sum(row) + np.sum(windows**2) + np.sum(a * b)


def tuples_as_indices(u, scheme):
    """Tuples within the index are arrays of places, and may name one twice."""
    for _ in checkpointed(range(3), scheme):
        a = u.reshape(2, 5)
        u = u + 0.1 * a[:, (0, 0, 2)].sum() + a[(0, 1, 1), (1, 2, 2)].sum() * 0.1
        u[(0, 0, 3),] = u[5:8] ** 2
        u[[1, 1]] += 0.1
    return np.sum(u * np.arange(10))


def iterator_that_is_used_further(u, scheme):
    """The loop is left early, and the code after it goes on with the iterator."""
    items = iter(range(1, 8))
    pairs = enumerate(u * 2)
    for i in checkpointed(items, scheme):
        u = u * (1 + 0.1 * i)
        if i == 3:
            break
    for i, x in checkpointed(pairs, scheme):
        u = u + 0.1 * x * i
        if i == 2:
            break
    return np.sum(u) + sum(items) + sum(i * x for i, x in pairs)


def online_buffers_in_tuples(u, scheme):
    """A generator that yields one buffer, in a tuple."""

    def frames():
        frame = np.zeros(10)
        for i in range(4):
            frame[:] = np.arange(10) * i
            yield i, frame

    for i, frame in checkpointed(frames(), scheme):
        u = u * 0.9 + 0.01 * u * frame * i
    return np.sum(u**2)


def bound_methods(u, scheme):
    """``append = log.append`` keeps the list out of sight, and it belongs to the state all the same."""
    log = []
    append = log.append
    table = collections.OrderedDict(a=u[0], b=u[1])
    for _ in checkpointed(range(4), scheme):
        append(u[0])
        table.move_to_end("a")
        table["b"] = table["b"] * 1.1
        u = u * (1 + 0.01 * append.__self__[-1]) + 0.1 * next(iter(table.values()))
    return np.sum(u) + sum(log) + sum(table.values())


def defaults_of_every_kind(u, scheme):
    """Generators and deques as default arguments."""
    recent = collections.deque([0.0], maxlen=2)

    def noise(n, rng=np.random.default_rng(0), *, recent=recent):  # noqa: B008
        recent.append(recent[-1] * 0.5 + u[0])
        return rng.normal(size=n)

    noise.__defaults__[0].bit_generator.state = np.random.default_rng(0).bit_generator.state
    for _ in checkpointed(range(4), scheme):
        u = u * (1 + 0.1 * noise(10)) + recent[0]
    return np.sum(u**2)


def subclasses_with_attributes(u, scheme):
    """A list of a class of one's own, with an attribute."""

    class Levels(list):
        total = 0.0

        def push(self, x):
            self.append(x)
            self.total = self.total + x[0]

    levels = Levels()
    for _ in checkpointed(range(4), scheme):
        levels.push(u * 0.5)
        u = u * (1 + 0.1 * levels.total) + levels[-1]
    return np.sum(u) + levels.total


def rules_at_their_edges(u, scheme):
    """Rules that are often wrong: tile of a matrix, clip with crossed bounds, cholesky, sinc at zero, compress."""
    for _ in checkpointed(range(2), scheme):
        tiled = np.tile(u[:4].reshape(2, 2), 2)
        crossed = np.clip(u[:3], u[3:6] + 1.0, 0.5 * u[6:9])
        factor = np.linalg.cholesky(np.diag(u[:3] + 1.0) + 0.1 * np.outer(u[:3], u[1:4]))
        slope = np.sinc(u[:2] - u[:2]) * np.sinc(u[2:4])
        taken = u.compress(np.arange(10) % 3 == 0)
        u = u * 0.9 + 0.1 * (
            np.sum(tiled[:, 2:] ** 2) + crossed.sum() + np.sum(factor**2) + slope.sum() + taken.prod()
        )
    return np.sum(u * np.arange(10))


def uninitialised_work_arrays(u, scheme):
    """What np.empty leaves at the edges is carried along, and never read."""
    flux = np.empty(10)
    for _ in checkpointed(range(4), scheme):
        flux = np.empty(10)
        flux[1:-1] = u[2:] - u[:-2]
        u[1:-1] += 0.1 * flux[1:-1] ** 2
    return np.sum(u) + np.sum(flux[1:-1])
