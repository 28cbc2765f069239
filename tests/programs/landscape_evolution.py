"""Rivers carve a profile: nodes sorted by height, drainage area summed down the receivers, stream-power erosion."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.02, 0.5, 0.3, 1.0])  # uplift, erodibility, diffusivity, roughness


def receivers(z, nx):
    """Each node drains to the lowest of its neighbours."""
    n = z.size
    rec = np.arange(n)
    for i in range(n):
        r, c = divmod(i, nx)
        lowest = z[i]
        for dr, dc in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            rr, cc = r + dr, c + dc
            if 0 <= rr < n//nx and 0 <= cc < nx and z[rr*nx + cc] < lowest:
                lowest = z[rr*nx + cc]
                rec[i] = rr*nx + cc
    return rec


def run(x, scheme):
    U, K, D, rough = x
    nx, ny = 4, 4
    z = 1.0 + rough*0.1*np.sin(3.7*np.arange(nx*ny))
    z[:nx] = 0.0
    rain = 1 + 0.2*np.cos(np.arange(nx*ny))
    sediment = 0.0
    for epoch in checkpointed(range(5), scheme):
        rec = receivers(z, nx)
        order = np.argsort(-z, kind="stable")
        area = rain.copy()
        for i in order:
            if rec[i] != i:
                area[rec[i]] += area[i]*(1 + 0.01*z[i])
        dz = np.zeros_like(z)
        np.add.at(dz, rec, 0.02*K*(z - z[rec]))        # deposits
        for i in order[::-1]:
            drop = z[i] - z[rec[i]]
            dz[i] += U - K*0.05*np.sqrt(area[i])*drop
        zz = z.reshape(ny, nx)                          # a view
        lap = np.zeros((ny, nx))
        lap[1:-1, :] += zz[2:] - 2*zz[1:-1] + zz[:-2]
        z += dz + 0.1*D*lap.ravel()
        z[:nx] = 0.0
        sediment += area.max()
    return np.sum(z**2) + 0.01*sediment
