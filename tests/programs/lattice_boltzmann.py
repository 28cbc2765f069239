"""Flow past a cylinder, D2Q9, np.roll and zip: after a popular hundred-line tutorial."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.9, 0.1, 0.3])  # relaxation time, inflow, disturbance


def main(tau, inflow, noise, scheme):
	""" Lattice Boltzmann Simulation """
	Nx, Ny, Nt = 12, 6, 6
	rho0 = 10

	# Lattice speeds / weights
	NL = 9
	idxs = np.arange(NL)
	cxs = np.array([0, 0, 1, 1, 1, 0,-1,-1,-1])
	cys = np.array([0, 1, 1, 0,-1,-1,-1, 0, 1])
	weights = np.array([4/9,1/9,1/36,1/9,1/36,1/9,1/36,1/9,1/36]) # sums to 1

	# Initial Conditions
	F = np.ones((Ny,Nx,NL))
	np.random.seed(42)
	F += noise*0.1*np.random.randn(Ny,Nx,NL)
	X, Y = np.meshgrid(range(Nx), range(Ny))
	F[:,:,3] += inflow * (1+0.2*np.cos(2*np.pi*X/Nx*4))
	rho = np.sum(F,2)
	for i in idxs:
		F[:,:,i] *= rho0 / rho

	# Cylinder boundary
	cylinder = (X - Nx/4)**2 + (Y - Ny/2)**2 < (Ny/4)**2

	# Simulation Main Loop
	for it in checkpointed(range(Nt), scheme):
		# Drift
		for i, cx, cy in zip(idxs, cxs, cys):
			F[:,:,i] = np.roll(F[:,:,i], cx, axis=1)
			F[:,:,i] = np.roll(F[:,:,i], cy, axis=0)

		# Set reflective boundaries
		bndryF = F[cylinder,:]
		bndryF = bndryF[:,[0,5,6,7,8,1,2,3,4]]

		# Calculate fluid variables
		rho = np.sum(F,2)
		ux  = np.sum(F*cxs,2) / rho
		uy  = np.sum(F*cys,2) / rho

		# Apply Collision
		Feq = np.zeros(F.shape)
		for i, cx, cy, w in zip(idxs, cxs, cys, weights):
			Feq[:,:,i] = rho * w * ( 1 + 3*(cx*ux+cy*uy)  + 9*(cx*ux+cy*uy)**2/2 - 3*(ux**2+uy**2)/2 )

		F += -(1.0/tau) * (F - Feq)

		# Apply boundary
		F[cylinder,:] = bndryF

	ux[cylinder] = 0
	uy[cylinder] = 0
	vorticity = (np.roll(ux, -1, axis=0) - np.roll(ux, 1, axis=0)) - (np.roll(uy, -1, axis=1) - np.roll(uy, 1, axis=1))
	vorticity[cylinder] = np.nan
	return np.nansum(vorticity**2) + 1e-3*np.sum(F**2)


def run(x, scheme):
	return main(*x, scheme)
