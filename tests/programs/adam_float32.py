"""Adam on a badly scaled valley, in single precision as training code is."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.2, 0.8, -0.5, 0.9, 1.7, 0.4])
# in single precision differences keep few digits; the double-precision gradient of the same program is compared
RTOL = 5e-3
STEP = 3e-2


def loss_and_grad(w, target):
    r = w - target
    valley = w[1:] - w[:-1]**2
    loss = np.sum(r**2) + np.float32(5)*np.sum(valley**2)
    g = 2*r
    g[1:] += 10*valley
    g[:-1] -= 20*valley*w[:-1]
    return loss, g


def run(x, scheme):
    target = x.astype(np.float32)
    w = np.full_like(target, 0.3)
    params = [w]
    m = [np.zeros_like(p) for p in params]
    v = [np.zeros_like(p) for p in params]
    beta1, beta2, lr, eps = 0.9, 0.99, 0.1, 1e-3
    for t in checkpointed(range(1, 8), scheme):
        loss, *grads = loss_and_grad(params[0], target)
        for i, (p, g) in enumerate(zip(params, grads)):
            m[i] = beta1*m[i] + (1 - beta1)*g
            v[i] = beta2*v[i] + (1 - beta2)*g*g
            mhat = m[i]/(1 - beta1**t)
            vhat = v[i]/(1 - beta2**t)
            p -= lr*mhat/(np.sqrt(vhat) + eps)
    assert w.dtype == np.float32 and loss.dtype == np.float32
    return loss_and_grad(w, target)[0]
