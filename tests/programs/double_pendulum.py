"""The double pendulum with math functions, closures and a nonlocal clock."""
from math import cos, pi, sin

from checkpointer import checkpointed

CONTROLS = [1.0, 0.8, 1.2, 0.9, 2.0, 1.1]  # lengths, masses, angles


def pendulum(L1, L2, m1, m2, g=9.8):
    calls = 0

    def rhs(th1, w1, th2, w2):
        nonlocal calls
        calls += 1
        d = th2 - th1
        den1 = (m1 + m2)*L1 - m2*L1*cos(d)*cos(d)
        a1 = (m2*L1*w1*w1*sin(d)*cos(d) + m2*g*sin(th2)*cos(d) + m2*L2*w2*w2*sin(d) - (m1 + m2)*g*sin(th1))/den1
        den2 = (L2/L1)*den1
        a2 = (-m2*L2*w2*w2*sin(d)*cos(d) + (m1 + m2)*g*sin(th1)*cos(d) - (m1 + m2)*L1*w1*w1*sin(d)
              - (m1 + m2)*g*sin(th2))/den2
        return w1, a1, w2, a2

    return rhs, lambda: calls


def run(x, scheme):
    L1, L2, m1, m2, *angles = map(float, x)
    rhs, count = pendulum(L1, L2, m1, m2)
    y = (angles[0], 0.0, angles[1], 0.0)
    dt = 0.02
    trace = []
    for _ in checkpointed(range(10), scheme):
        k1 = rhs(*y)
        k2 = rhs(*(a + 0.5*dt*b for a, b in zip(y, k1)))
        y = tuple([a + dt*b for a, b in zip(y, k2)])
        th1, _w1, th2, _w2 = y
        if th1 > pi:
            y = (th1 - 2*pi, *y[1:])
        trace.append((L1*sin(th1) + L2*sin(th2), -L1*cos(th1) - L2*cos(th2)))
    tip = trace[-1]
    return tip[0]*tip[1] + min(p[1] for p in trace) + round(count()/20)
