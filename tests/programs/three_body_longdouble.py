"""Three bodies with a fourth-order symplectic integrator in extended precision and a compensated sum."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.97, -0.243, 0.466, 0.432])

w1 = 1/(2 - 2**(1/3))
w0 = 1 - 2*w1
c = np.array([w1/2, (w0 + w1)/2, (w0 + w1)/2, w1/2], dtype=np.longdouble)
d = np.array([w1, w0, w1, 0], dtype=np.longdouble)


def acceleration(q):
    a = np.zeros_like(q)
    for i in range(3):
        for j in range(3):
            if i == j: continue
            r = q[j] - q[i]
            a[i] += r/np.sqrt(r @ r)**3
    return a


def run(x, scheme):
    q = np.array([[x[0], x[1]], [-x[0], -x[1]], [0, 0]], dtype=np.longdouble)
    v = np.array([[x[2], x[3]], [x[2], x[3]], [-2*x[2], -2*x[3]]], dtype=np.longdouble)
    h = np.longdouble(1)/20
    total, compensation = np.longdouble(0), np.longdouble(0)
    for step in checkpointed(range(5), scheme):
        for ck, dk in zip(c, d):
            q += ck*h*v
            if dk != 0:
                v += dk*h*acceleration(q)
        y = np.sum(v[0]**2)*h - compensation
        t = total + y
        compensation = (t - total) - y
        total = t
    return float(total + q[0, 1]*q[1, 0] + np.abs(q).sum())
