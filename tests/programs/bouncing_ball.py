"""A ball on a moving table: events inside a while loop with else, a walrus, early returns from a helper."""
from checkpointer import checkpointed

CONTROLS = [1.2, 0.8, 9.81, 0.15]
LENGTH = "unknown"


def next_bounce(z, v, g, table, t):
    """Time to the next contact by Newton's method, at most ten iterations."""
    dt = 2*v/g + 0.3
    for _ in range(10):
        gap = z + v*dt - 0.5*g*dt**2 - table(t + dt)
        slope = v - g*dt - (table(t + dt + 1e-3) - table(t + dt - 1e-3))/2e-3
        change = gap/slope
        dt = dt - change
        if abs(change) < 1e-13:
            return dt
    return dt


def run(x, scheme):
    z, e, g, amplitude = x
    table = lambda t: amplitude*(1 - t)*t
    t = v = 0.0
    bounces = []
    while checkpointed((remaining := 3.0 - t) > 0 and len(bounces) < 8, scheme):
        dt = next_bounce(z, v, g, table, t)
        if dt > remaining:
            z, v = z + v*remaining - 0.5*g*remaining**2, v - g*remaining
            t += remaining
            break
        t += dt
        v = -e*(v - g*dt)
        z = table(t)
        bounces.append((t, v))
    else:
        z = z + 0.0
    assert 2 < len(bounces) < 9
    return z + 0.1*v**2 + bounces[1][0] + bounces[2][1]
