"""Roots and operations of collective calls."""

from __future__ import annotations

from pen import Communicator, Pen


def root_of(pen: Pen, c: Communicator) -> str:
    """The first or the last rank."""
    return str(pen.pick(["0", "0", f"{c.size} - 1"]))


def operation(pen: Pen, c: Communicator) -> tuple[str, str, str]:
    """An operation, the form of what is given to it, and a factor that keeps the result small."""
    name = pen.pick(pen.operations)
    form = "(1.0 + 0.2 * np.sin({}))" if name == "PROD" else pen.pick(["{}", "{}", "np.sin({})"])
    return f"MPI.{name}", form, f"(0.8 / {c.size})" if name == "SUM" else "0.9"
