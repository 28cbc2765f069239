"""Everything that changes an array in place."""

import numpy as np

from checkpointer import checkpointed


def masks_and_indices(u, scheme):
    """Masks, fancy indices with duplicates, np.add.at, copyto, put, where= and out=."""
    places = np.array([0, 1, 1, 3])
    for _ in checkpointed(range(4), scheme):
        np.add.at(u, places, u[4:8] * 0.1)
        np.subtract.at(u, ([2, 2],), 0.1)
        u[places] = u[4:8] * 1.1
        u[places] += 0.1
        u[[3, 4]] = u[[4, 3]]
        u[u > 0.9] *= 0.9
        np.copyto(u, u * 1.01, where=u > 0.5)
        np.put(u, [1, 2], u[:2])
        np.multiply(u, u, out=u, where=u < 0.8)
        np.clip(u, 0.1, 2.0, out=u)
        root = np.sqrt(u, where=u > 0.3, out=np.full_like(u, 0.2))
        u[:] = root + u
    return u.sum()


def operators(u, scheme):
    """Every operator that assigns."""
    for _ in checkpointed(range(3), scheme):
        u **= 1.1
        u[1:] **= 2
        u %= 0.9
        u[::2] /= 1 + u[1::2]
        u += 0.5
        u[0] **= 3
        u[:5] *= u[0]
        u[1:] *= u[:-1]
    return np.sum(u**2)


def nested_places(u, scheme):
    """Assignments into arrays inside a list inside a dict."""
    box = {"fields": [u.copy(), {"a": u * 2}]}
    for _ in checkpointed(range(4), scheme):
        box["fields"][0][1:3] += box["fields"][1]["a"][2:4]
        box["fields"][1]["a"][::2] *= box["fields"][0][::2]
        box["fields"][1]["a"][box["fields"][0] > 0.8] -= 0.1
        box["fields"][0][[1, 1, 2]] += 1.0 * box["fields"][1]["a"][:3]
    return np.sum(box["fields"][0]) + np.sum(box["fields"][1]["a"])


def work_buffer(u, scheme):
    """One buffer serves every step."""
    k = np.zeros(u.shape)
    for _ in checkpointed(range(6), scheme):
        k[...] = np.sin(u)
        u = u + 0.1 * k
        k *= 2
        np.multiply(k, u, out=k)
        u = u - 0.01 * k
    return (u**3).mean() + k.sum()


def history(u, scheme):
    """An array that stores every step."""
    states = np.zeros((7, u.size))
    states[0] = u
    for k in checkpointed(range(6), scheme):
        states[k + 1] = states[k] + 0.1 * np.exp(-states[k]) * np.sin(states[k, 0])
    return (states**2).sum()


def growing_list(u, scheme):
    """A list of rows that becomes an array."""
    rows = []
    for _ in checkpointed(range(4), scheme):
        rows.append(u * 1.1)
        u = np.array(rows).mean(axis=0) + 0.01 * np.stack(rows)[-1] ** 2
    return u.sum() + np.array(rows).sum()


def growing_arrays(u, scheme):
    """Arrays whose shape changes every step."""
    tail = np.array([])
    for i in checkpointed(range(4), scheme):
        tail = np.append(tail, u[i] * u[0])
        u = np.concatenate([u, [tail.sum()]])
    return u.sum()
