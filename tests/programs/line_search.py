"""Gradient descent on Rosenbrock's valley with backtracking: an unmarked while in a marked one, functions as arguments."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([-0.6, 0.9, 1.3, 4.0])
LENGTH = "unknown"
STEP = 1e-6  # where the number of halvings changes, the result jumps


def minimize(fun, jac, x0, scheme, *, maxiter=9, gtol=1e-8, c1=1e-4, callback=None):
    x = np.asarray(x0, dtype=float)
    f, nit = fun(x), 0
    while checkpointed(np.linalg.norm(g := jac(x)) > gtol, scheme):
        alpha, slope = 1.0, -(g @ g)
        while (f_new := fun(x - alpha*g)) > f + c1*alpha*slope:
            alpha *= 0.5
            if alpha < 1e-10:
                raise RuntimeError("line search failed")
        x = x - alpha*g
        f = f_new
        nit += 1
        if callback is not None and callback(nit, x):
            break
        if nit == maxiter:
            return {"x": x, "fun": f, "nit": nit, "success": False}
    return {"x": x, "fun": f, "nit": nit, "success": True}


def run(x, scheme):
    a, b = x[2:]
    path = []

    def watch(k, p):
        path.append(p.copy())
        return k >= 7

    result = minimize(lambda p: (a - p[0])**2 + b*(p[1] - p[0]**2)**2,
                      lambda p: np.array([-2*(a - p[0]) - 4*b*p[0]*(p[1] - p[0]**2), 2*b*(p[1] - p[0]**2)]),
                      x[:2], scheme, callback=watch)
    assert result["success"] and len(path) == 7
    return result["fun"] + np.sum(np.array(path)[:, 0]) + result["x"][1]
