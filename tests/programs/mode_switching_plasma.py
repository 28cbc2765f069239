"""A test-particle pusher: strings choose the field and the method, getattr finds the routine, *args travel through."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.0, 0.2, 0.5, 0.1, -0.3, 0.4])


class Pusher:
    methods = ("boris", "euler")

    def __init__(self, method="boris", **fields):
        if method not in self.methods:
            raise KeyError(method)
        self.method = method
        for name, value in fields.items():
            setattr(self, name, value)

    def field(self, r):
        kind = getattr(self, "kind", "uniform")
        if kind == "uniform":
            return np.array([0.0, 0.0, self.B0])
        elif kind == "mirror":
            Bz = self.B0*(1 + self.b*r[2]**2)
            return np.array([-self.B0*self.b*r[0]*r[2], -self.B0*self.b*r[1]*r[2], Bz])
        raise NotImplementedError

    def push_boris(self, r, v, dt, *, E=np.zeros(3)):
        t = 0.5*dt*self.field(r)
        s = 2*t/(1 + t @ t)
        v_minus = v + 0.5*dt*E
        v_prime = v_minus + np.cross(v_minus, t)
        v[:] = v_minus + np.cross(v_prime, s) + 0.5*dt*E
        r += dt*v

    def push_euler(self, r, v, dt, *, E=np.zeros(3)):
        dv = dt*(np.cross(v, self.field(r)) + E)
        r += dt*v
        v += dv

    def __call__(self, *args, **kwargs):
        return getattr(self, "push_" + self.method)(*args, **kwargs)


def run(x, scheme):
    push = Pusher(kind="mirror", B0=x[0], b=x[1])
    state = np.concatenate([np.array([1.0, 0.0, 0.2]), x[2:5]])
    r, v = state[:3], state[3:]
    mu = []
    for n in checkpointed(range(9), scheme):
        if n == 6:
            push.method = "euler"
        push(r, v, 0.1, E=np.array([0, x[5], 0]))
        B = np.linalg.norm(push.field(r))
        mu.append((v @ v)/B)
    return state @ state + np.mean(mu)
