"""FitzHugh-Nagumo with lists that grow, a stimulus with default arguments, spikes counted with the old state."""
from checkpointer import checkpointed

CONTROLS = [0.7, 0.8, 12.5, 0.6]


def stimulus(t, amplitude=0.5, start=1.0, stop=20.0):
    return amplitude if start <= t <= stop else 0.0


def run(params, scheme):
    a, b, tau, I = params
    dt = 0.4
    v, w = -1.0, -0.5
    t = 0.0
    time, vs, ws = [t], [v], [w]
    spikes = 0; above = False
    for _ in checkpointed([None]*16, scheme):
        dv = v - v**3/3 - w + stimulus(t, amplitude=I)
        dw = (v + a - b*w)/tau
        v, w, t = v + dt*dv, w + dt*dw, t + dt
        spikes += (not above) and v > 0.5
        above = v > 0.5
        time.append(t); vs.append(v); ws.append(w)
        mean_of_last = sum(vs[-3:])/len(vs[-3:])
        print("t = %5.2f  v = %+.3f  mean %s" % (t, v, f"{mean_of_last:.2f}")) if len(vs) % 8 == 0 else None
    area = 0.0
    for i in range(1, len(time)):
        area += 0.5*(vs[i] + vs[i-1])*(time[i] - time[i-1])
    return area*area + max(ws) + spikes*v
