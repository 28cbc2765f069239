"""The Mackey-Glass delay equation; the past lives in a deque of fixed length."""
from collections import deque

from checkpointer import checkpointed

CONTROLS = [0.2, 0.1, 1.2, 0.9]  # beta, gamma, two points of the past


def run(x, scheme):
    beta, gamma, x0, x1 = x
    delay, dt, n = 5, 0.5, 9.65
    past = deque([x0 + (x1 - x0)*i/delay for i in range(delay)], maxlen=delay)
    value, total, sample = x1, 0.0, []
    for i in checkpointed(range(14), scheme):
        delayed = past[0]
        k1 = beta*delayed/(1 + delayed**n) - gamma*value
        mid = 0.5*(past[0] + past[1])
        k2 = beta*mid/(1 + mid**n) - gamma*(value + dt/2*k1)
        past.append(value)      # pushes the oldest one out
        value += dt*k2
        total += value*dt
        if i % 5 == 4:
            sample.extend([past[-1], value])
    past.rotate(2)
    return total + sample[1]*sample[3] + past[0]
