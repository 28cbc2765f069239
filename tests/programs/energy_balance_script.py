"""Budyko's climate in latitude bands: a script whose loop stands at module level, with the ice line found on the way."""
import numpy as np
from checkpointer import Revolve, checkpointed

CONTROLS = np.array([340.0, 0.32, 0.6, 2.1, 3.8])
x = globals().get('x', CONTROLS)              # an input deck may set these two
scheme = globals().get('scheme', Revolve(3))

S0, a_warm, a_ice, B, C = x
A = 210.0
nlat = 12
phi = np.linspace(0, np.pi/2, nlat + 1)
phi = (phi[1:] + phi[:-1])/2
weight = np.cos(phi)
weight /= weight.sum()
S = S0*(1 - 0.48*0.5*(3*np.sin(phi)**2 - 1))

def albedo(T):
    a = np.empty_like(T)
    for i in range(len(T)):
        if T[i] > 0: a[i] = a_warm
        elif T[i] < -10: a[i] = a_ice
        else: a[i] = a_warm + (a_ice - a_warm)*T[i]/(-10.0)
    return a

T = 30 - 45*np.sin(phi)**2
dt = 0.05
iceline = []
for n in checkpointed(range(10), scheme):
    Tmean = np.sum(weight*T)
    T = T + dt*(S*(1 - albedo(T)) - (A + B*T) + C*(Tmean - T))
    frozen = np.nonzero(T < -10)[0]
    if len(frozen) == 0:
        iceline.append(np.pi/2)
        continue
    k = frozen[0]
    iceline.append(phi[k-1] + (phi[k] - phi[k-1])*(T[k-1] + 10)/(T[k-1] - T[k]))

result = np.sum(weight*T) + iceline[-1] + sum(iceline)/len(iceline)
