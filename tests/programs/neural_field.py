"""An Amari neural field on a ring with a Mexican-hat kernel, all scalars in a params dict, **kwargs in callees."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([1.5, 0.8, 0.5, 4.0])


def mexican_hat(d, A=1.5, a=0.4, B=0.7, b=1.1, **ignored):
    return A*np.exp(-(d/a)**2/2) - B*np.exp(-(d/b)**2/2)


def firing_rate(u, threshold=0.2, gain=4.0, **ignored):
    return 1/(1 + np.exp(-gain*(u - threshold)))


def run(x, scheme):
    params = dict(A=x[0], B=x[1], threshold=x[2], gain=x[3])
    n = 16
    theta = np.linspace(-np.pi, np.pi, n, endpoint=False)
    dtheta = 2*np.pi/n
    d = np.minimum(np.abs(theta), 2*np.pi - np.abs(theta))
    w_hat = np.fft.fft(np.fft.ifftshift(mexican_hat(d, **params)))
    u = np.exp(-theta**2)
    params["tau"] = 3.0
    activity = []
    for t in checkpointed(range(8), scheme):
        stim = 0.5*np.cos(theta - 0.2*t) if t < 4 else np.zeros(n)
        conv = np.real(np.fft.ifft(w_hat*np.fft.fft(firing_rate(u, **params))))*dtheta
        u += (-u + conv + stim)/params["tau"]
        if t == 5:
            params["tau"] *= 0.5 + u[3]**2
        activity.append(u.max() - u.min())
    return sum(activity) + u @ np.cos(theta)
