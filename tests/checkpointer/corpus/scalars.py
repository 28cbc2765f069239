"""Numbers: clocks, adaptive steps, kinds of numbers, ``math``."""

import math
from math import cos as cosine
from math import pi, sin

import numpy as np
from numpy.linalg import norm

from checkpointer import checkpointed


def number_kinds(u, scheme):
    """Python and NumPy numbers with the operators and functions of both."""
    t, k = 0.0, 3
    dt, e = float(u[0]), u[1]
    x = np.float32(0.5)
    for _ in checkpointed(range(4), scheme):
        t += dt
        dt = min(dt * 1.1, max(0.3, t % 0.25), abs(e))
        k = k // 2 + int(t)
        whole, rest = divmod(t, 0.3)
        e = e**1.5 + rest * whole - pow(t, 2) + (-t) ** 2 + 2**t
        x = x * 2 - x
    return t * e + k + x


def functions_of_numbers(u, scheme):
    """``math`` and NumPy imported in several ways."""
    t = 0.1
    for _ in checkpointed(range(4), scheme):
        t = 0.2 * t + 0.1 * sin(t * u[0]) + 0.1 * cosine(u[1]) + math.sqrt(abs(t)) * pi / 10
        t = math.hypot(t, u[2]) + math.atan2(u[3], t) + math.log(t + 4, 10) + math.tanh(u[4])
        u = u / norm(u) * (t + 3)
    return t * u.sum()


def zero_dimensional(u, scheme):
    """Arrays without axes, updated in place."""
    s, t = np.zeros(()), np.array(0.5)
    for _ in checkpointed(range(4), scheme):
        s += u[0] ** 2
        s[...] = s * 1.1
        t *= s
        u = u + s * t
    return u.sum() + s[()] + float(t)


def long_double(u, scheme):
    """Extended precision."""
    w = u.astype(np.longdouble)
    s = np.longdouble(0)
    for _ in checkpointed(range(4), scheme):
        w = w + 0.1 * w**2
        s += w[0]
    return float(w.sum() + s)


def integer_state(u, scheme):
    """Integer arrays and ring indices that decide what is computed."""
    hits = np.zeros(3, int)
    now, before = 0, 1
    levels = np.zeros((2, u.size))
    levels[0] = u
    levels[1] = u**2
    for i in checkpointed(range(5), scheme):
        levels[now] += 0.1 * levels[before] * hits[i % 3]
        hits[i % 3] += int(levels[now, 0] * 3) + 1
        now, before = before, now
        mask = levels[now] > 0.5
        levels[before, mask] -= 0.01 * levels[now][mask]
    return levels.sum() * hits.sum()


def starred(u, scheme):
    """Tuples of numbers, packed and unpacked."""
    a, *b, c = u[0], u[1], u[2], u[3]
    for _ in checkpointed(range(4), scheme):
        a, *b, c = c * 0.9, *b, a + b[0] ** 2
    return a + c + sum(b)


def texts(u, scheme):
    """Numbers written into texts stay differentiable."""
    for i in checkpointed(range(4), scheme):
        text = f"{u[0]:.3f} {i} %g" % u[1] + "{:5.1f}".format(u[2]) + str(u[3])  # noqa: UP032
        u = u * (1.0 + 0.1 * bool(text))
    return np.sum(u**2)


def mapped_conversions(u, scheme):
    """The conversion itself is an argument."""
    a, b, *rest = map(float, u)
    for _ in checkpointed(range(3), scheme):
        a, b = map(float, (a * b, b + 0.1 * a**2))
    return a + b * sum(rest)
