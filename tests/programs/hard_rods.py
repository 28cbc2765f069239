"""Rods on a line, kept in order by sorting in place; collisions exchange momentum between neighbours."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([2.1, 0.3, 1.4, 0.9, 1.2, -0.7, 0.4, -0.2])

def run(x, scheme):
    x = x.copy()
    pos, vel = x[:4], x[4:]     # views of one array
    labels = np.arange(4)
    gaps = np.empty(3)
    swaps = 0
    for step in checkpointed(range(8), scheme):
        pos += 0.1*vel
        order = np.argsort(pos)
        if np.any(order != np.arange(4)):
            swaps += 1
            labels[:] = labels[order]
            vel[:] = vel[order]
        pos.sort()
        gaps[:] = pos[1:] - pos[:-1]
        for i in range(3):
            if gaps[i] < 0.25:
                vel[i], vel[i+1] = vel[i+1], vel[i]
                push = 0.5*(0.25 - gaps[i])
                pos[i] -= push
                pos[i+1] += push
    assert swaps > 0
    return np.dot(x, x) + vel[labels[0]]*pos[1] + np.sort(np.abs(vel))[-2]
