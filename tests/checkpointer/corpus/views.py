"""Aliases and views of arrays that are updated in place."""

import numpy as np

from checkpointer import checkpointed


def swapped_buffers(u, scheme):
    """Two buffers change roles every step."""
    new = np.empty_like(u)
    for _ in checkpointed(range(7), scheme):
        new[1:-1] = u[1:-1] + 0.1 * u[2:] * u[:-2]
        new[0] = u[0]
        new[-1] = u[-1] * np.sin(u[0])
        u, new = new, u
    return np.sum(u**2)


def rows_and_columns(u, scheme):
    """Views bound to names before the loop: a row, a column of the transpose, and the array itself."""
    grid = u.reshape(2, -1)
    row = grid[0]
    column = grid.T[1]
    whole = u
    for _ in checkpointed(range(6), scheme):
        row *= 1.01
        column[:] = np.sin(column) + row[2]
        whole[3] += 0.1 * whole[4] ** 2
        u[::2] -= 0.01 * u[::2] ** 3
    return (whole * np.arange(whole.size)).sum()


def rolled_axes(u, scheme):
    """Writes through rolled, swapped, moved and reversed axes, a diagonal and a broadcast array."""
    grid = u.reshape(2, 5)
    rolled = np.rollaxis(grid, 1)
    turned = grid.T
    reversed_row = turned[::-1, 0]
    diagonal = grid[:, :2].diagonal()
    for _ in checkpointed(range(4), scheme):
        rolled[0] *= 1.1
        turned[1:] += 0.1 * turned[:-1] ** 2
        reversed_row -= 0.01
        grid[0, 0] = diagonal.sum()
        np.swapaxes(grid, 0, 1)[2] *= diagonal[0]
        np.moveaxis(grid, 0, 1)[3, :] = grid[:, 0]
        grid.ravel()[3] = grid[1, 1]
        np.add(grid, 1.0, out=turned.T)
        grid += 0.1 * np.broadcast_to(u[:5], (2, 5))
    return np.sum(grid**2) + diagonal.sum()


def same_array_twice(u, scheme):
    """A function that is given one array in two roles, and the roles change."""
    field = u.copy()
    target = np.zeros_like(u)
    for _ in checkpointed(range(4), scheme):
        exchange(field, field, target)
        exchange(target, field, field)
    return np.sum(field * target)


def exchange(a, b, out):
    """Writes to two of its arguments."""
    out[:] = a + 0.1 * b * a
    b[1:] -= 0.1 * out[:-1]
    return out


def overlapping_parts(u, scheme):
    """Parts of one array are stored into overlapping parts of it."""
    for _ in checkpointed(range(4), scheme):
        u[1:] = u[:-1]
        u[1:4] = u[2:5]
        u[0] = u[9]
        u[:] = u[::-1] * 1.1
        u[1:] -= 0.1 * u[:-1]
        u += u
        u -= 0.4 * u[::-1]
        np.multiply(u[:-1], 0.9, out=u[1:])
    return np.sum(u * np.arange(u.size))


def views_in_a_list(u, scheme):
    """A list collects views of an array that goes on changing, until the name is bound to another."""
    kept = []
    work = u * 2
    kept.append(work[2:5])
    for i in checkpointed(range(4), scheme):
        work[1:] += 0.3 * work[:-1] * kept[0][1]
        kept.append(work[i : i + 2])
        work = work * 1.0 if i == 2 else work
    return sum(part.sum() for part in kept) + work.sum()


def complex_parts(u, scheme):
    """Writes through the real and imaginary parts of a complex array, and through its bytes seen as floats."""
    z = u + 1j * u[::-1]
    real, imaginary = z.real, z.imag
    for _ in checkpointed(range(4), scheme):
        z *= 1 + 0.1j
        real += 0.1 * imaginary
        imaginary[1:] *= np.abs(z[:-1])
        z[0] = real[1]
        z.imag[2] = 0.5 * real[3]
        z.real = z.real + imaginary**2
        z.view(float)[::3] *= 1.1
        z = z / np.abs(z).max() + z.conj() * 0.1
        real, imaginary = z.real, z.imag
        z[3] = z[0] * z[1].conjugate() + abs(z[2])
    return np.sum(np.abs(z) ** 2)


def updates_around_the_loop(u, scheme):
    """In-place updates before and after the loop, through a view that lives through it."""
    u *= 2
    u[1:] += u[:-1]
    even = u[::2]
    for _ in checkpointed(range(3), scheme):
        even *= 1.1
        u[3] = u[2] * even[0]
    even -= u[1::2]
    u[0] = u[9]
    return np.sum(u**2)
