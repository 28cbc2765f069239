"""Ways through and out of a marked loop."""

import contextlib

import numpy as np

from checkpointer import checkpointed


def every_exit(u, scheme):
    """Continue, break, else, try, with and return in one body."""
    s = 0.0
    for i in checkpointed(range(9), scheme):
        for j in range(3):
            if j == 1:
                continue
            if j == 2 and i > 5:
                break
            s += u[j] ** 2
        else:
            s *= 1.1
        try:
            if i % 4 == 3:
                raise ValueError(i)
            u = u * 1.01
        except ValueError:
            u = u * 0.9
        else:
            s = s + 0.1 * u[1]
        finally:
            s *= 1.01
        with np.errstate(all="ignore"):
            u = np.sqrt(u) * u
        if s > 100:
            return s
    else:
        s = s * 2
    return s * u.sum()


def early_return(u, scheme):
    """The loop returns an expression of the state."""
    for i in checkpointed(range(9), scheme):
        u = u * 1.1
        if i == 6:
            return (u**2).sum()
    return u.sum()


def nested_loops(u, scheme):
    """Marked loops in a marked loop, one of them left early, lengths that differ."""
    for i in checkpointed(range(3), scheme):
        for j in checkpointed(range(i + 1), scheme):
            u = u + 0.01 * u**2 * j
            if u[0] > 3:
                break
        u[0] *= 1.1
        for _ in checkpointed(range(2), scheme):
            u[1:] += 0.1 * u[:-1]
    return u.sum()


def loop_in_callee(u, scheme):
    """A marked loop in a function that a marked loop calls."""
    for i in checkpointed(range(3), scheme):
        u = smoothed(u, i + 1, scheme)
    return u.sum()


def smoothed(v, count, scheme):
    """Changes its argument and may return early."""
    for j in checkpointed(range(count), scheme):
        v[1:] -= 0.1 * v[:-1] ** 2
        if j == 2:
            return v * 1.1
    return v


def no_steps(u, scheme):
    """A loop over nothing leaves its index alone."""
    y, i = u * 2, -1
    for i in checkpointed(range(0), scheme):  # noqa: B007
        y = y * 2
    return y.sum() + i


def one_step(u, scheme):
    """A single step."""
    for i in checkpointed(range(1), scheme):  # noqa: B007
        u = u * u
    return u.sum() + i


def online_walrus(u, scheme):
    """A while loop whose condition computes, and binds, a residual."""
    count = 0
    while checkpointed((residual := float(np.sum(u**2))) > 0.5 and count < 20, scheme):
        u = u * 0.8 + 0.01 * residual
        count += 1
    return residual * u.sum()


def online_last_step(u, scheme):
    """An endless loop with an adaptive step that is cut to end on time."""
    t = 0.0
    while checkpointed(True, scheme):
        dt = 0.1 * np.min(u)
        if t + dt >= 0.7:
            dt = 0.7 - t
        u = u + dt * np.cos(u)
        t += dt
        if t >= 0.7:
            break
    return u.sum()


def online_else(u, scheme):
    """A while loop with an else."""
    count = 0
    while checkpointed(count < 5, scheme):
        u = u * 1.1
        count += 1
    else:
        u = u**2
    return u.sum()


def match_statement(u, scheme):
    """A mode that changes every step."""
    mode = "grow"
    for _ in checkpointed(range(4), scheme):
        match mode:
            case "grow":
                u = u * 1.1
                mode = "bend"
            case "bend":
                u = u**2
                mode = "grow"
    return u.sum()


def context_manager(u, scheme):
    """A context manager of the user's that changes an array on the way in and out."""

    @contextlib.contextmanager
    def scaled(a):
        a *= 1.1
        yield a
        a *= 0.95

    w = u.copy()
    for _ in checkpointed(range(4), scheme):
        with scaled(w) as inner:
            inner[0] += inner[1] ** 2
    return w.sum()


def deleted_name(u, scheme):
    """A name that is deleted at the end of each step."""
    for _ in checkpointed(range(4), scheme):
        twice = u * 2
        u = twice * 0.6
        del twice
    return u.sum()
