"""A swarm optimiser: dictionaries of arrays that gain keys, global best as a tuple, comprehension over items, sorted()."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.7, 1.2, 0.9, 0.4, 1.5])

def cost(p, a):
    return np.sum((p - a)**2) + 0.3*np.sum(np.cos(2*p))

def run(x, scheme):
    inertia, pull, push = x[:3]
    target = x[3:]
    rng = np.random.default_rng(5)
    walkers = [{"pos": rng.uniform(-2, 2, 2), "vel": np.zeros(2)} for _ in range(4)]
    best = (None, np.inf)
    for n in checkpointed(range(7), scheme):
        for w in walkers:
            value = cost(w["pos"], target)
            if "best" not in w or value < w["best"][1]:
                w["best"] = (w["pos"], value)
        ranked = sorted(walkers, key=lambda w: w["best"][1])
        leader = ranked[0]
        if leader["best"][1] < best[1]:
            best = leader["best"]
        for w in walkers:
            toward = best[0] - w["pos"]
            own = w["best"][0] - w["pos"]
            w["vel"] = 0.5*inertia*w["vel"] + 0.2*pull*toward + 0.1*push*own
            w["pos"] = w["pos"] + np.clip(w["vel"], -0.5, 0.5)
    position, value = best
    return value + position.sum() + min(w["best"][1] for w in walkers)
