"""Material point method: particles to grid and back, quadratic weights, 2x2 matrices, loops over neighbours."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([30.0, 0.3, -1.0, 0.8])  # stiffness, ratio, falling speed, density


def run(x, scheme):
    E, nu, v0, rho = x
    n_grid, dx, dt = 6, 1/6, 2e-2
    inv_dx = 1/dx
    mu, lam = E/(2*(1 + nu)), E*nu/((1 + nu)*(1 - 2*nu))
    pos = np.array([[0.42, 0.45], [0.55, 0.58]])
    n = len(pos)
    vel = np.tile(np.array([0.1, 0.0]), (n, 1))
    vel[:, 1] += v0
    C = np.zeros((n, 2, 2))
    F = np.repeat(np.eye(2)[None], n, axis=0)
    mass = vol = None
    for step in checkpointed(range(3), scheme):
        if mass is None:
            vol = np.full(n, (0.5*dx)**2)
            mass = rho*vol
        grid_v, grid_m = np.zeros((n_grid, n_grid, 2)), np.zeros((n_grid, n_grid))
        for p in range(n):
            base = (pos[p]*inv_dx - 0.5).astype(int)
            fx = pos[p]*inv_dx - base
            w = [0.5*(1.5 - fx)**2, 0.75 - (fx - 1)**2, 0.5*(fx - 0.5)**2]
            J = np.linalg.det(F[p])
            stress = mu*(F[p] @ F[p].T - np.eye(2)) + lam*np.log(J)*np.eye(2)
            affine = -dt*vol[p]*4*inv_dx**2*stress + mass[p]*C[p]
            for i, j in np.ndindex(3, 3):
                weight = w[i][0]*w[j][1]
                dpos = (np.array([i, j]) - fx)*dx
                grid_v[base[0] + i, base[1] + j] += weight*(mass[p]*vel[p] + affine @ dpos)
                grid_m[base[0] + i, base[1] + j] += weight*mass[p]
        full = grid_m > 1e-12
        grid_v[full] /= grid_m[full][:, None]
        grid_v[full, 1] -= dt*9.8
        grid_v[:, :1, 1] = np.maximum(grid_v[:, :1, 1], 0)
        for p in range(n):
            base = (pos[p]*inv_dx - 0.5).astype(int)
            fx = pos[p]*inv_dx - base
            w = [0.5*(1.5 - fx)**2, 0.75 - (fx - 1)**2, 0.5*(fx - 0.5)**2]
            vel[p] = 0
            C[p] = 0
            for i, j in np.ndindex(3, 3):
                g_v = grid_v[base[0] + i, base[1] + j]
                weight = w[i][0]*w[j][1]
                vel[p] += weight*g_v
                C[p] += 4*inv_dx*weight*np.outer(g_v, np.array([i, j]) - fx)
            pos[p] += dt*vel[p]
            F[p] = (np.eye(2) + dt*C[p]) @ F[p]
    return np.sum(pos[:, 1]**2) + 0.1*np.sum(vel**2) + np.linalg.det(F[0])
