"""An LSTM-like cell over a sequence; the hidden state is None before the first item."""
import numpy as np

from checkpointer import checkpointed

CONTROLS = np.array([0.5, -0.3, 0.8, 0.1, -0.6, 0.4, 0.9, -0.2])


def sigmoid(z):
    return np.where(z >= 0, 1/(1 + np.exp(-np.abs(z))), np.exp(-np.abs(z))/(1 + np.exp(-np.abs(z))))


class Cell:
    def __init__(self, n, seed=5):
        w = np.cos(np.arange(4*n*(n + 1)) + seed).reshape(4*n, n + 1)*0.5
        self.Wx, self.Wh = w[:, :1], w[:, 1:]
        self.n = n
        self.h = self.c = None

    def __call__(self, item):
        if self.h is None:
            self.h, self.c = np.zeros(self.n), np.zeros(self.n)
        z = self.Wx @ np.atleast_1d(item) + self.Wh @ self.h
        i, f, o, g = z.reshape(4, self.n)
        self.c = sigmoid(f)*self.c + sigmoid(i)*np.tanh(g)
        self.h = sigmoid(o)*np.tanh(self.c)
        return self.h


def run(x, scheme):
    cell, outputs, best = Cell(3), [], None
    for t, item in checkpointed(enumerate(x, 1), scheme):
        out = cell(item)
        outputs.append(out)
        score = out.sum()*t
        if best is None or score > best:
            best = score
    H = np.stack(outputs)
    return np.sum(H[-1]**2) + H[:, 0].mean() + best
