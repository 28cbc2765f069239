"""Stommel's two boxes: an immutable state that is replaced every step, a flow that may turn around."""
from __future__ import annotations

from dataclasses import dataclass, replace

from checkpointer import checkpointed

CONTROLS = [1.0, 0.6, 0.45, 2.2]


@dataclass(frozen=True)
class Box:
    T: float
    S: float

    def density(self, alpha: float = 1.0, beta: float = 0.8) -> float:
        return beta*self.S - alpha*self.T


@dataclass(frozen=True, slots=True)
class Ocean:
    equator: Box
    pole: Box
    year: int = 0

    @classmethod
    def from_rest(cls, T, S):
        return cls(Box(T, S), Box(0.0, 0.0))

    @property
    def flow(self) -> float:
        return self.pole.density() - self.equator.density()


def step(o: Ocean, dt: float, *, T_star: float, F: float, k: float) -> Ocean:
    q = k*abs(o.flow)
    e, p = o.equator, o.pole
    return replace(
        o,
        equator=replace(e, T=e.T + dt*((T_star - e.T) - q*(e.T - p.T)), S=e.S + dt*(F - q*(e.S - p.S))),
        pole=Box(T=p.T + dt*(-p.T + q*(e.T - p.T)), S=p.S + dt*(-F + q*(e.S - p.S))),
        year=o.year + 1,
    )


def run(x, scheme):
    ocean = Ocean.from_rest(x[0], x[1])
    reversals = 0
    trajectory: list[Ocean] = [ocean]
    for _ in checkpointed(range(12), scheme):
        new = step(ocean, 0.15, T_star=x[0], F=x[2], k=x[3])
        if (new.flow > 0) != (ocean.flow > 0):
            reversals += 1
        ocean = new
        trajectory.append(ocean)
    assert ocean.year == 12
    return ocean.flow + reversals*ocean.pole.S + sum(o.flow**2 for o in trajectory[::3])
