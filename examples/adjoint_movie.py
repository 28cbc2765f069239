"""A sound wave, what a microphone reads of it, and the adjoint as a movie that runs backwards in time.

    p_tt = c² (p_xx + p_yy)

on n x n points of a square room, with p = 0 at its walls, by the leapfrog scheme. In a disc in the middle of the room
sound is slower. A bang on the left is heard by a microphone on the right: the loss J is the pressure there at the end. The
adjoint of the pressure p at an earlier time says where one has to push at that time to raise it.

    checkpointer run examples/adjoint_movie.py

prints

    120 x 120 points, 200 steps, Revolve(snapshots=10)
    pressure at the microphone  0.03645875641394541
    norm of its gradient        0.13130816245215507

(the last digits may differ from machine to machine), and writes two files. adjoint_movie.h5 (``--dump`` names another) has
the pressure and its adjoint at every 40th step, in order of time although the adjoint comes from the end:
``xarray.open_dataset("adjoint_movie.h5")`` shows them as p and p_adjoint. adjoint_movie.png (``--picture``) is a strip of
both. Its lower half is read from right to left: the adjoint starts at the microphone, runs back through the disc, and comes
to where the bang was. ``python examples/adjoint_movie.py --plain`` only simulates.
"""

import argparse

import h5py
import numpy as np

from checkpointer import Dump, Revolve, checkpointed, value_and_grad

PANELS = 6


def positions(n):
    """The coordinates x, y of all points of the room, which is 1 wide."""
    line = np.linspace(0, 1, n)
    return np.meshgrid(line, line, indexing="ij")


def bump(n, x0, y0, width):
    """A smooth bump of height 1."""
    x, y = positions(n)
    return np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / width**2)


def courant_numbers(n):
    """The squares of c Δt / Δx: smaller in the disc in the middle, where sound is slower."""
    x, y = positions(n)
    disc = np.hypot(x - 0.5, y - 0.5) < 0.17
    return np.where(disc, 0.3, 0.5) ** 2


def simulate(p, steps, scheme, dump):
    """The pressure after the given steps, from ``p`` at rest."""
    p = p.copy()
    old = p.copy()
    squares = courant_numbers(len(p))[1:-1, 1:-1]
    for _ in checkpointed(range(steps), scheme, dump=dump):
        laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * p[1:-1, 1:-1]
        old[1:-1, 1:-1] = 2 * p[1:-1, 1:-1] - old[1:-1, 1:-1] + squares * laplacian
        p, old = old, p
    return p


def heard(p, steps, scheme, dump):
    """The loss: the pressure at the microphone at the end."""
    microphone = bump(len(p), 0.8, 0.65, 0.03)
    p = simulate(p, steps, scheme, dump)
    return np.sum(microphone * p) / np.sum(microphone)


def save_strip(filename, dump):
    """The pressure above its adjoint, from the first step to the last."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with h5py.File(dump) as file:
        steps = file["step"][:]
        chosen = np.linspace(0, len(steps) - 1, min(PANELS, len(steps))).round().astype(int)
        figure, panels = plt.subplots(
            2, len(chosen), figsize=(13, 4.8), squeeze=False, sharex=True, sharey=True, layout="constrained"
        )
        for row, (name, label) in enumerate((("p", "pressure p"), ("p_adjoint", "adjoint ∂J / ∂p"))):
            for panel, number in zip(panels[row], chosen, strict=True):
                field = file[name][number]
                largest = np.max(np.abs(field)) or 1.0
                panel.imshow(
                    field.T,  # the first index is x, and x runs to the right
                    origin="lower",
                    extent=(0, 1, 0, 1),
                    cmap="RdBu_r",
                    vmin=-largest,
                    vmax=largest,
                )
                panel.add_patch(plt.Circle((0.5, 0.5), 0.17, fill=False, color="gray", linestyle=":"))
                panel.plot(0.8, 0.65, "k+")
                panel.set_title(f"step {steps[number]}")
            panels[row, 0].set_ylabel(label)
    figure.suptitle(
        "A bang, and what the pressure at the microphone (+) depends on; each panel has its own scale"
    )
    figure.savefig(filename, dpi=120)
    plt.close(figure)


def main():
    """Read the options, simulate, print the numbers, save the strip."""
    parser = argparse.ArgumentParser(description="The adjoint of a sound wave, as a movie.")
    parser.add_argument("--n", type=int, default=120, help="points in each direction (%(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="time steps (%(default)s)")
    parser.add_argument("--every", type=int, default=40, help="steps between two pictures (%(default)s)")
    parser.add_argument("--snapshots", type=int, default=10, help="snapshots held at once (%(default)s)")
    parser.add_argument("--dump", metavar="FILE", default="adjoint_movie.h5", help="pressure and adjoint")
    parser.add_argument("--picture", metavar="FILE", default="adjoint_movie.png", help="the strip")
    parser.add_argument("--plain", action="store_true", help="simulate only, without the gradient")
    args = parser.parse_args()

    scheme = Revolve(snapshots=args.snapshots)
    dump = Dump(args.dump, every=args.every, variables=["p"], dims={"p": ["x", "y"]}, overwrite=True)
    bang = bump(args.n, 0.2, 0.45, 0.04)

    print(f"{args.n} x {args.n} points, {args.steps} steps, {scheme!r}")
    if args.plain:
        J = heard(bang, args.steps, scheme, dump)
    else:
        J, gradient = value_and_grad(heard)(bang, args.steps, scheme, dump)
    print(f"pressure at the microphone  {J}")
    if not args.plain:
        print(f"norm of its gradient        {np.linalg.norm(gradient)}")
        save_strip(args.picture, args.dump)
        print(f"written                     {args.dump}, {args.picture}")


if __name__ == "__main__":
    main()
