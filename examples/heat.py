"""Heat in a rod, and how what is left of it depends on the temperature of every point at the start.

A rod of 100 points is 20 degrees warm at its left end and 0 everywhere else. Explicit Euler steps spread the
heat; both ends keep their temperature. The loss is the sum of the final temperatures, and its gradient with
respect to the initial field says how much of a degree, given to one point at the start, is there at the end.

    checkpointer run examples/heat.py

prints

    500 steps, slices, revolve
    norm of the final temperatures    66.21987468492061
    norm of the gradient, ends aside  6.970279349365908

(the last digits may differ from machine to machine). ``--scalar`` runs the same step as a loop over the
points, ``--scheme`` and ``--snapshots`` choose the memory, and ``python examples/heat.py --plain`` does not
compute the gradient.

The setting and both numbers are those of the tests of Checkpointing.jl.
"""

import argparse

import numpy as np

from checkpointer import Periodic, Revolve, StoreAll, checkpointed, value_and_grad


class Heat:
    """The rod: temperatures after (``Tnext``) and before (``Tlast``) the current step, λ = κ Δt / Δx²."""

    def __init__(self, T, lam=0.5):
        self.Tnext = T.copy()
        self.Tlast = np.zeros_like(T)
        self.n = len(T)
        self.lam = lam


def advance(heat):
    """One step on all inner points at once."""
    nxt = heat.Tnext
    last = heat.Tlast
    nxt[1:-1] = last[1:-1] + heat.lam * (last[:-2] - 2 * last[1:-1] + last[2:])


def advance_scalar(heat):
    """The same step, point by point."""
    nxt = heat.Tnext
    last = heat.Tlast
    for i in range(1, heat.n - 1):
        nxt[i] = last[i] + heat.lam * (last[i - 1] - 2 * last[i] + last[i + 1])


def simulate(T0, steps, scheme, advance=advance):
    """Run the rod from the temperatures ``T0``."""
    heat = Heat(T0)
    for _ in checkpointed(range(steps), scheme):
        heat.Tlast[:] = heat.Tnext
        advance(heat)
    return heat


def total_heat(T0, steps, scheme, advance=advance):
    """The loss: the sum of the final temperatures."""
    return np.sum(simulate(T0, steps, scheme, advance).Tnext)


def initial_temperatures(n=100):
    """Warm at the left end, cold everywhere else."""
    T0 = np.zeros(n)
    T0[0] = 20
    T0[-1] = 0
    return T0


def main():
    """Read the options, run the rod, print the numbers."""
    parser = argparse.ArgumentParser(description="How the heat left in a rod depends on its start.")
    parser.add_argument("--steps", type=int, default=500, help="time steps (%(default)s)")
    schemes = ["revolve", "periodic", "store-all"]
    parser.add_argument("--scheme", choices=schemes, default="revolve", help="(default: %(default)s)")
    parser.add_argument("--snapshots", type=int, default=4, help="snapshots held at once (%(default)s)")
    parser.add_argument("--scalar", action="store_true", help="advance point by point instead of with slices")
    parser.add_argument("--plain", action="store_true", help="simulate only, without the gradient")
    args = parser.parse_args()

    if args.scheme == "revolve":
        scheme = Revolve(snapshots=args.snapshots)
    elif args.scheme == "periodic":
        scheme = Periodic(snapshots=args.snapshots)
    else:
        scheme = StoreAll()
    step = advance_scalar if args.scalar else advance
    T0 = initial_temperatures()

    print(f"{args.steps} steps, {'point by point' if args.scalar else 'slices'}, {args.scheme}")
    heat = simulate(T0, args.steps, scheme, step)
    print(f"norm of the final temperatures    {np.linalg.norm(heat.Tnext)}")
    if not args.plain:
        _, dT = value_and_grad(total_heat)(T0, args.steps, scheme, step)
        print(f"norm of the gradient, ends aside  {np.linalg.norm(dT[1:-1])}")


if __name__ == "__main__":
    main()
