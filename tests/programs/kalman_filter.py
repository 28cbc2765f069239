"""A Kalman filter class run over measured data, some of which is missing."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.1, 0.4, 0.9, 1.4, 1.6, 2.3, 2.2, 0.05, 0.3])   # measurements, two noise levels


class KalmanFilter(object):
    def __init__(self, F=None, H=None, Q=None, R=None, P=None, x0=None):
        if F is None or H is None:
            raise ValueError("Set proper system dynamics.")
        self.n = F.shape[1]
        self.F, self.H = F, H
        self.Q = np.eye(self.n) if Q is None else Q
        self.R = np.eye(self.n) if R is None else R
        self.P = np.eye(self.n) if P is None else P
        self.x = np.zeros((self.n, 1)) if x0 is None else x0
        self.loglik = 0.0

    def predict(self):
        self.x = np.dot(self.F, self.x)
        self.P = np.dot(np.dot(self.F, self.P), self.F.T) + self.Q
        return self.x

    def update(self, z):
        y = z - np.dot(self.H, self.x)
        S = self.R + np.dot(self.H, np.dot(self.P, self.H.T))
        K = np.dot(np.dot(self.P, self.H.T), np.linalg.inv(S))
        self.x = self.x + np.dot(K, y)
        I = np.eye(self.n)
        self.P = np.dot(np.dot(I - np.dot(K, self.H), self.P), (I - np.dot(K, self.H)).T) + np.dot(np.dot(K, self.R), K.T)
        self.loglik -= 0.5*(np.log(np.linalg.det(S)) + y.T @ np.linalg.solve(S, y))[0, 0]


def run(x, scheme):
    *data, q, r = x
    dt = 0.5
    F = np.array([[1, dt], [0, 1]])
    H = np.array([1, 0]).reshape(1, 2)
    Q = q*np.array([[dt**3/3, dt**2/2], [dt**2/2, dt]])
    kf = KalmanFilter(F=F, H=H, Q=Q, R=np.array([[r]]))
    predictions = []
    for i, (z, valid) in checkpointed(enumerate(zip(data, [True, True, False, True, True, False, True])), scheme):
        predictions.append(np.dot(H, kf.predict())[0])
        if not valid:
            continue
        kf.update(z)
    return kf.loglik + np.sum(np.array(predictions)**2) + np.trace(kf.P)
