"""One number or array in several places, places that are left, overwritten or rebound."""

import math

import numpy as np

from checkpointer import checkpointed


class Body:
    def __init__(self, x):
        self.x = x
        self.t = 0.5
        self.log = []


def one_number_in_a_name_and_a_list(u, scheme):
    """t = ...; log.append(t)."""
    t, log, last = 0.0, [], 0.0
    for _ in checkpointed(range(4), scheme):
        t = t + 0.1 * u[0] * u[0]
        u = u * (1 + last)
        log.append(t)
        last = t
    return np.sum(u) * t + sum(log) + last**2


def one_number_in_two_attributes(u, scheme):
    """The same number in an attribute and in a list of another object."""
    a, b = Body(u), Body(u)
    for _ in checkpointed(range(4), scheme):
        a.t += 0.1 * u[0] * u[0]
        b.t = a.t
        u = u * (1 + b.t)
        b.log.append(a.t)
    return np.sum(u) * a.t + sum(b.log)


def one_number_at_the_entry(u, scheme):
    """Two names, and an item of a list, hold one number when the loop begins."""
    a = u[0] * 2
    b = a
    c = [a]
    for i in checkpointed(range(4), scheme):
        c.append(b)
        b = a * 1.01
        u = u * (b + c[i]) * 0.5
    return np.sum(u) * a * b + sum(c)


def array_that_outlives_its_name(u, scheme):
    """The loop changes an array, then rebinds its name; code outside still holds the array."""
    first = u
    for _ in checkpointed(range(4), scheme):
        u[0] *= 0.5
        u = u * 1.1
    return np.sum(first) + np.sum(u)


def object_that_outlives_its_name(u, scheme):
    """The same with an object."""
    first = body = Body(u)
    for _ in checkpointed(range(4), scheme):
        body.x = body.x * 1.5
        body = Body(body.x + 1.0)
    return np.sum(first.x) + np.sum(body.x)


def list_that_outlives_its_name(u, scheme):
    """The same with a list."""
    levels = [u, u * 2]
    first = levels
    for _ in checkpointed(range(4), scheme):
        levels[0] = levels[0] * 1.1
        levels = levels[::-1]
    return np.sum(first[0]) + np.sum(levels[0] ** 2)


def array_that_outlives_an_inner_loop(u, scheme):
    """The same in a nested marked loop."""
    for _ in checkpointed(range(3), scheme):
        first = u
        for _ in checkpointed(range(2), scheme):
            u[0] *= 0.5
            u = u * 1.1
        u = u + 0.1 * first
    return np.sum(u)


def number_overwritten_by_a_constant(u, scheme):
    """What a place held before does not matter any more."""
    k, m = float(u[2]), u[1] * 1.0
    body = Body(u)
    body.t = u[3] * 2
    for _ in checkpointed(range(3), scheme):
        u = u * (0.9 + 0.1 * k)
        k = math.sin(0.5)
        m = 1
        body.t = None
    return np.sum(u * np.arange(10)) + k + m


def array_overwritten_by_constants(u, scheme):
    """An array is replaced by one without derivatives."""
    w = u * 2
    for i in checkpointed(range(3), scheme):
        u = u * w * 0.5
        w = np.ones(10) * (i + 1)
    return np.sum(u) + w[0]


def power_in_place_on_views(u, scheme):
    """In place NumPy may take another loop, which rounds differently."""
    v = u.reshape(2, 5)
    for _ in checkpointed(range(2), scheme):
        u **= 1.1
        v[1:] **= 2
        u %= 0.93
        np.power(v[:, ::2], 1.3, out=v[:, ::2])
        np.clip(u, u[0] * 0.1, 0.9, out=u)
    return np.sum(u * np.arange(10))


def movers_with_keywords(u, scheme):
    """Constants among the elements that are moved."""
    for _ in checkpointed(range(2), scheme):
        u = np.insert(u, 1, values=3)[:10] * 0.9
        u = np.append(u[:8], values=[2, 3])
        u = np.select([u > 0.5, u > 0.4], [u, u * 0.5], default=1)
    return np.sum(u**2)


def masked_windows(u, scheme):
    """A mask on windows that overlap."""
    for _ in checkpointed(range(2), scheme):
        windows = np.lib.stride_tricks.sliding_window_view(u, 3)
        u = u + 0.1 * np.sum(windows[windows > 0.5])
    return np.sum(u**2)


def norms(u, scheme):
    """Norms of order 1, 2 and infinity, also of zero."""
    for _ in checkpointed(range(3), scheme):
        largest = np.linalg.norm(u.reshape(2, 5), np.inf, axis=1).sum()
        u = u * (1 + 0.01 * np.linalg.norm(u, np.inf) + 0.01 * np.linalg.norm(u, 1)) * 0.1 * largest
        u = u + 0.1 * np.linalg.norm(u - u) + 0.01 * np.linalg.norm(u)
    return np.sum(u**2)


def complex_real_part_into_itself(u, scheme):
    """``z[:] = z.real`` is no assignment of z to itself."""
    z = u + 1j * u[::-1]
    for _ in checkpointed(range(2), scheme):
        z *= 1 + 0.1j
        z[:5] = z.real[:5]
    return abs(complex(z[0])) + np.sum(np.abs(z))


def types_are_asked(u, scheme):
    """``type(x)`` is what it is in the plain program."""
    t = 0.5
    for _ in checkpointed(range(2), scheme):
        t = t * float(u[0]) if type(t) is float else t * 100
        u = u * 1.1 if type(u) is np.ndarray else u * 100
    return np.sum(u) * t


def arrays_made_of_lists(u, scheme):
    """Arrays that NumPy makes of plain lists, and that are then written to."""
    for _ in checkpointed(range(3), scheme):
        matrix = np.diag([2.0] * 10)
        matrix[0, 1] = u[0]
        tiled = np.tile([1.0, 2.0], 5)
        tiled *= u
        outer = np.outer(np.arange(3), [1.0, 2.0])
        outer[0] = u[:2]
        u = matrix @ u * 0.1 + tiled + outer.sum()
    return np.sum(u)


def partial_and_namespace(u, scheme):
    """Arrays in a functools.partial, and numbers in an argparse.Namespace."""
    import argparse
    import functools

    work = u * 2
    rhs = functools.partial(np.multiply, work)
    options = argparse.Namespace(t=0.1)
    for _ in checkpointed(range(3), scheme):
        work[1:] = 0.9 * work[:-1]
        options.t = options.t + 0.1 * u[0]
        u = u + 0.1 * rhs(u) * options.t
    return np.sum(u) * options.t
