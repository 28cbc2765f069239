"""2D viscous Burgers, and which of the initial velocities decide how much energy is left at the end.

    u_t + u u_x + v u_y = μ (u_xx + u_yy)
    v_t + u v_x + v v_y = μ (v_xx + v_yy)

on n x n points with spacing 0.03 around the origin, from u = v = exp(-x² - y²), with explicit Euler steps and
central differences; the boundary keeps its initial values. The loss is the mean of u² + v² over the interior,
the gradient is taken with respect to the initial u and v together.

    checkpointer run examples/burgers.py
    checkpointer run examples/burgers.py --n 512 --steps 1000 --snapshots 10
    checkpointer run examples/burgers.py --n 512 --steps 200 --memory "150 MB" --disk "1 GB"
    checkpointer run examples/burgers.py --n 512 --steps 1000 --resume burgers.h5

The first prints

    128 x 128 points, 200 steps, Revolve(snapshots=10)
    mean of u² + v²       0.21806450206417338
    norm of its gradient  0.007455236366675644

with the time and the memory that it took, the second 0.012791251961741829 and 0.0005154061039698661 (the last
digits may differ from machine to machine). The third lets `Auto` choose the scheme, and prints what it chose and how long it
took beside what was predicted. The fourth may be killed, and goes on from where it was when it is started again. All save a
picture of the adjoint, burgers_adjoint.png (``--picture`` names another file). ``python examples/burgers.py --plain`` only
simulates.
"""

import argparse
import logging
import sys
import time

import numpy as np

from checkpointer import Auto, HDF5Storage, Revolve, checkpointed, value_and_grad

mu = 0.01
dx = 3e-2
dy = 3e-2
dt = 1e-3


def initial_velocities(n):
    """exp(-x² - y²) in both components, x and y centred on the origin."""
    x = (np.arange(n) - (n - 1) / 2) * dx
    y = (np.arange(n) - (n - 1) / 2) * dy
    X, Y = np.meshgrid(x, y, indexing="ij")
    u = np.exp(-(X**2) - Y**2)
    return u, u.copy()


def advance(u, v, un, vn):
    """One explicit Euler step from u, v into the inner points of un, vn."""
    uc = u[1:-1, 1:-1]
    vc = v[1:-1, 1:-1]
    for w, wn in ((u, un), (v, vn)):
        w_x = (w[2:, 1:-1] - w[:-2, 1:-1]) / (2 * dx)
        w_y = (w[1:-1, 2:] - w[1:-1, :-2]) / (2 * dy)
        w_xx = (w[2:, 1:-1] - 2 * w[1:-1, 1:-1] + w[:-2, 1:-1]) / dx**2
        w_yy = (w[1:-1, 2:] - 2 * w[1:-1, 1:-1] + w[1:-1, :-2]) / dy**2
        wn[1:-1, 1:-1] = w[1:-1, 1:-1] + dt * (mu * (w_xx + w_yy) - uc * w_x - vc * w_y)


def simulate(velocities, steps, scheme, storage=None):
    """The velocities u, v after the given steps from the pair ``velocities``."""
    u0, v0 = velocities
    u = u0.copy()
    v = v0.copy()
    un = u.copy()
    vn = v.copy()
    for _ in checkpointed(range(steps), scheme, storage=storage):
        advance(u, v, un, vn)
        u, un = un, u
        v, vn = vn, v
    return u, v


def energy(velocities, steps, scheme, storage=None):
    """The loss: the mean of u² + v² over the interior at the end."""
    u, v = simulate(velocities, steps, scheme, storage)
    return np.mean(u[1:-1, 1:-1] ** 2 + v[1:-1, 1:-1] ** 2)


def save_picture(filename, d_u, d_v, steps):
    """The gradient with respect to the initial u and v, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    n = len(d_u)
    half_x = (n - 1) / 2 * dx
    half_y = (n - 1) / 2 * dy
    shown = 3  # further out there is nothing to see
    largest = max(abs(d_u).max(), abs(d_v).max())
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True, layout="constrained")
    for panel, field, name in zip(panels, (d_u, d_v), ("u", "v"), strict=True):
        image = panel.imshow(
            field.T,  # the first index is x, and x runs to the right
            origin="lower",
            extent=(-half_x, half_x, -half_y, half_y),
            cmap="RdBu_r",
            vmin=-largest,
            vmax=largest,
        )
        panel.set_xlim(-min(half_x, shown), min(half_x, shown))
        panel.set_ylim(-min(half_y, shown), min(half_y, shown))
        panel.set_title(f"∂J / ∂{name}(t = 0)")
        panel.set_xlabel("x")
    panels[0].set_ylabel("y")
    figure.colorbar(image, ax=panels, label="change of J per unit of velocity at one point")
    figure.suptitle(f"2D Burgers, {n} x {n} points, {steps} steps: adjoint of J = mean(u² + v²)")
    figure.savefig(filename, dpi=120)
    plt.close(figure)


def peak_memory():
    """Largest resident memory of this process so far, in MiB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main():
    """Read the options, simulate, print the numbers, save the picture."""
    parser = argparse.ArgumentParser(description="The adjoint of the energy in a 2D Burgers flow.")
    parser.add_argument("--n", type=int, default=128, help="points in each direction (%(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="time steps (%(default)s)")
    parser.add_argument("--snapshots", type=int, default=10, help="snapshots held at once (%(default)s)")
    parser.add_argument("--memory", metavar="SIZE", help="choose the scheme by itself within this memory")
    parser.add_argument("--disk", metavar="SIZE", help="and with so much disk")
    parser.add_argument(
        "--resume",
        metavar="FILE",
        help="keep snapshots in this HDF5 file, and go on from there after a crash",
    )
    parser.add_argument(
        "--picture", metavar="FILE", default="burgers_adjoint.png", help="image of the adjoint"
    )
    parser.add_argument("--plain", action="store_true", help="simulate only, without the gradient")
    args = parser.parse_args()

    scheme = Revolve(snapshots=args.snapshots)
    if args.memory:
        scheme = Auto(memory=args.memory, disk=args.disk)
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    storage = None
    if args.resume:
        storage = HDF5Storage(args.resume, resume=True)
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    velocities = initial_velocities(args.n)
    memory_before = peak_memory()
    start = time.perf_counter()

    print(f"{args.n} x {args.n} points, {args.steps} steps, {scheme!r}")
    if args.plain:
        J = energy(velocities, args.steps, scheme, storage)
    else:
        J, (d_u, d_v) = value_and_grad(energy)(velocities, args.steps, scheme, storage)
    seconds = time.perf_counter() - start
    memory = peak_memory() - memory_before

    print(f"mean of u² + v²       {J}")
    if not args.plain:
        print(f"norm of its gradient  {np.sqrt(np.sum(d_u**2) + np.sum(d_v**2))}")
    print(f"time                  {seconds:.1f} s")
    print(f"peak memory           {memory:.0f} MiB more than before the simulation")
    if not args.plain:
        save_picture(args.picture, d_u, d_v, args.steps)
        print(f"picture               {args.picture}")


if __name__ == "__main__":
    main()
