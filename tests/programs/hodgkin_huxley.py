"""Hodgkin-Huxley with whole histories V[i+1] = V[i] + ..., rates as small functions of the voltage."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([120., 36., .3, 10.0])  # gNa, gK, gL, current

alpha_n = lambda V: 0.01*(V + 10)/(np.exp((V + 10)/10) - 1)
beta_n = lambda V: 0.125*np.exp(V/80)
alpha_m = lambda V: 0.1*(V + 25)/(np.exp((V + 25)/10) - 1)
beta_m = lambda V: 4*np.exp(V/18)
alpha_h = lambda V: 0.07*np.exp(V/20)
beta_h = lambda V: 1/(np.exp((V + 30)/10) + 1)


def simulate(gbar, I0, T, dt, scheme):
    E = {'Na': -115., 'K': 12., 'L': -10.613}
    N = int(T/dt)
    t = np.arange(N + 1)*dt
    V, n, m, h = [np.zeros(N + 1) for _ in range(4)]
    V[0] = -4.0
    for gate, a, b in ((n, alpha_n, beta_n), (m, alpha_m, beta_m), (h, alpha_h, beta_h)):
        gate[0] = a(V[0])/(a(V[0]) + b(V[0]))
    for i in checkpointed(range(N), scheme):
        I = -I0 if 0.1 < t[i] < 0.5 else 0.0
        INa = gbar['Na']*m[i]**3*h[i]*(V[i] - E['Na'])
        IK = gbar['K']*n[i]**4*(V[i] - E['K'])
        IL = gbar['L']*(V[i] - E['L'])
        V[i+1] = V[i] + dt*(I - INa - IK - IL)
        n[i+1] = n[i] + dt*(alpha_n(V[i])*(1 - n[i]) - beta_n(V[i])*n[i])
        m[i+1] = m[i] + dt*(alpha_m(V[i])*(1 - m[i]) - beta_m(V[i])*m[i])
        h[i+1] = h[i] + dt*(alpha_h(V[i])*(1 - h[i]) - beta_h(V[i])*h[i])
    return t, V, n, m, h


def run(x, scheme):
    gNa, gK, gL, I0 = x
    t, V, n, *rest = simulate(dict(Na=gNa, K=gK, L=gL), I0, 0.6, 0.05, scheme)
    return np.mean(V**2) + n[-1] + sum(gate.max() for gate in rest)
