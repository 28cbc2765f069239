"""A vibrating string as a script with a comment for a mark: no function at all, one star import, names of builtins reused."""
from numpy import *
from checkpointer import Revolve

CONTROLS = array([0.6, 0.9, 0.02])
x = globals().get('x', CONTROLS)
scheme = globals().get('scheme', Revolve(3))

courant, height, damping = x
n = 14
s = linspace(0, 1, n)
y1 = height*sin(pi*s)*s
y0 = y1.copy()
sum = 0.0                # shadows the builtin, and numpy's
t = 0

# the time loop
# checkpointer: scheme
for step in range(9):
    y2 = zeros(n)
    y2[1:-1] = (2*y1[1:-1] - (1 - damping)*y0[1:-1] + courant**2*(y1[2:] - 2*y1[1:-1] + y1[:-2]))/(1 + damping)
    if step % 4 == 0: y2[n//2] += 0.01*max(y1)
    sum += abs(y2).mean()
    y0, y1 = y1, y2
    t += 1

result = dot(y1, y1) + sum
