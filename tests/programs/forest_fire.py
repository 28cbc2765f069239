"""A burning forest: integer states of the cells drive a field of heat; the old random state and a boolean history."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.8, 0.15, 0.4, 0.3])

EMPTY, TREE, FIRE = 0, 1, 2

def run(x, scheme):
    release, loss, spread, wind = x
    rs = np.random.RandomState(4)
    forest = (rs.rand(6, 6) < 0.8).astype(np.int8)
    forest[2, 2] = FIRE
    heat = np.zeros((6, 6))
    burnt = np.zeros((8, 6, 6), dtype=bool)
    count = np.zeros(3, dtype=int)
    for t in checkpointed(range(8), scheme):
        burning = forest == FIRE
        heat[burning] += release
        heat *= 1 - loss
        flux = spread*(np.roll(heat, 1, 0) - heat) + wind*spread*(np.roll(heat, 1, 1) - heat)
        heat += flux
        forest[burning] = EMPTY
        ignite = (forest == TREE) & (heat > 0.08) & (rs.random_sample(forest.shape) < 0.9)
        forest[ignite] = FIRE
        burnt[t] = ignite
        count += np.bincount(forest.ravel(), minlength=3)
        heat[0, count[FIRE] % 6] += 0.01*release*burnt[:t].any()
    assert count[FIRE] > 0
    return np.sum(heat**2) + heat[burnt.any(axis=0)].sum()*0.1
