"""Three boxes of the Atlantic, and how their temperature depends on the heat and salt of long before.

Three well-mixed boxes (0 the southern and 1 the northern surface water, 2 the deep), each with a temperature
and a salinity. Differences of density drive a circulation through all three, in one direction or the other;
it carries heat and salt around. Leapfrog steps of 10 days with a Robert filter; 10 000 steps are 274 years.

    checkpointer run examples/box_model.py

prints, for the temperature of box 0 at the end and its derivatives with respect to the six entries
(T0, T1, T2, S0, S1, S2) of the older of the two initial states,

    10000 steps, Revolve(snapshots=500)
    final temperature of box 0                21.41890316892692
    its derivative by the old state's
        temperature of box 0                  9.076556101612717e-06
        temperature of box 1                 -0.00011108329224528909
        temperature of box 2                 -0.007258754140418006
        salinity of box 0                    -0.003060992835219484
        salinity of box 1                     0.006161395957594978
        salinity of box 2                    -0.0031004031223750643

(the last digits may differ from machine to machine). ``--snapshots 10`` gives the same in less memory and
more time. ``python examples/box_model.py --plain`` only simulates.

The model and both numbers are those of the tests of Checkpointing.jl. All units are CGS.
"""

import argparse

import numpy as np

from checkpointer import Revolve, checkpointed, value_and_grad

day = 3600 * 24.0
year = day * 365
Sv = 1e12  # cm³/s

# Geometry of the boxes.
blength = np.array([5000e5, 1000e5, 5000e5])
bdepth = np.array([1e5, 5e5, 4e5])
delta = bdepth[0] / (bdepth[0] + bdepth[2])
bwidth = 4000e5
barea = blength * bwidth
bvol = barea * bdepth

# Circulation, density, and the exchange with the atmosphere.
u0 = 16 * Sv / 0.0004
alpha = 1668e-7
beta = 0.7811e-3
gamma = 1 / (300 * day)
FW = np.array([(100 / year) * 35 * barea[0], -(100 / year) * 35 * barea[0]])
Tstar = np.array([22.0, 0.0])

# Time stepping.
dt = 10 * day
robert_filter_coeff = 0.25


class Box:
    """Two time levels of the state (T0, T1, T2, S0, S1, S2), as they enter a step and as they leave it."""

    def __init__(self, now, old):
        self.in_now = now.copy()
        self.in_old = old.copy()
        self.out_now = np.zeros_like(now)
        self.out_old = np.zeros_like(old)


def density(T, S):
    """Density against that of the reference, linear in temperature and salinity."""
    return -alpha * T + beta * S


def transport(rho):
    """Circulation from the density of box 1 against that of the other two."""
    return u0 * (rho[1] - (delta * rho[0] + (1 - delta) * rho[2]))


def tendencies(state):
    """d/dt of the six state variables."""
    T = state[:3]
    S = state[3:]
    U = transport(density(T, S))
    dT = np.zeros_like(T)
    dS = np.zeros_like(S)
    if U > 0:
        dT[0] = U * (T[2] - T[0]) / bvol[0] + gamma * (Tstar[0] - T[0])
        dT[1] = U * (T[0] - T[1]) / bvol[1] + gamma * (Tstar[1] - T[1])
        dT[2] = U * (T[1] - T[2]) / bvol[2]
        dS[0] = U * (S[2] - S[0]) / bvol[0] + FW[0] / bvol[0]
        dS[1] = U * (S[0] - S[1]) / bvol[1] + FW[1] / bvol[1]
        dS[2] = U * (S[1] - S[2]) / bvol[2]
    else:
        dT[0] = U * (T[1] - T[0]) / bvol[0] + gamma * (Tstar[0] - T[0])
        dT[1] = U * (T[2] - T[1]) / bvol[1] + gamma * (Tstar[1] - T[1])
        dT[2] = U * (T[0] - T[2]) / bvol[2]
        dS[0] = U * (S[1] - S[0]) / bvol[0] + FW[0] / bvol[0]
        dS[1] = U * (S[2] - S[1]) / bvol[1] + FW[1] / bvol[1]
        dS[2] = U * (S[0] - S[2]) / bvol[2]
    return np.concatenate([dT, dS])


def forward(now, old, out_old, out_now):
    """Leapfrog from ``old`` over ``now``; ``now`` itself is smoothed on the way."""
    new = old + 2 * dt * tendencies(now)
    now[:] = now + robert_filter_coeff * (new - 2 * now + old)
    out_old[:] = now
    out_now[:] = new


def advance(box):
    """One step of the model."""
    # The out arrays stand here in the other order than in `forward`, and the loop below swaps them back.
    forward(box.in_now, box.in_old, box.out_now, box.out_old)


def simulate(now, old, steps, scheme):
    """Run the three boxes from two consecutive states."""
    box = Box(now, old)
    for _ in checkpointed(range(steps), scheme):
        advance(box)
        box.in_now[:] = box.out_old
        box.in_old[:] = box.out_now
    return box


def final_temperature(old, now, steps, scheme):
    """The loss: the temperature of box 0 at the end."""
    return simulate(now, old, steps, scheme).out_now[0]


def initial_state():
    """Warm south, cold north, cold deep."""
    return np.array([20.0, 1.0, 1.0, 35.5, 34.5, 34.5])


def main():
    """Read the options, run the model, print the numbers."""
    parser = argparse.ArgumentParser(description="How the Atlantic depends on its initial state.")
    parser.add_argument("--steps", type=int, default=10_000, help="steps of 10 days (%(default)s)")
    parser.add_argument("--snapshots", type=int, default=500, help="snapshots held at once (%(default)s)")
    parser.add_argument("--plain", action="store_true", help="simulate only, without the gradient")
    args = parser.parse_args()

    scheme = Revolve(snapshots=args.snapshots)
    now = initial_state()
    old = initial_state()

    print(f"{args.steps} steps, Revolve(snapshots={args.snapshots})")
    if args.plain:
        print(f"final temperature of box 0               {final_temperature(old, now, args.steps, scheme): }")
        return
    temperature, d_old = value_and_grad(final_temperature)(old, now, args.steps, scheme)
    print(f"final temperature of box 0               {temperature: }")
    print("its derivative by the old state's")
    for i in range(6):
        quantity = "temperature" if i < 3 else "salinity"
        print(f"    {quantity + f' of box {i % 3}':<36} {d_old[i]: }")


if __name__ == "__main__":
    main()
