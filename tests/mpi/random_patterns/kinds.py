"""Pieces that send other kinds of numbers: ``z`` holds six complex numbers, ``g`` eight in single precision."""

from __future__ import annotations

from collections.abc import Iterator

from pen import Communicator, Pen

Piece = Iterator[None]


def complex_numbers(pen: Pen) -> Piece:
    """Messages and sums of complex numbers."""
    c, x = pen.communicator(), pen.writable()
    pen.emit(f"z[:] = 0.8 * z * np.exp(0.2j * {x}[:6]) + 0.1 * {x}[6:]")
    yield from _calls(pen, c, "z", 6, pen.pick(["MPI.DOUBLE_COMPLEX", "MPI.C_DOUBLE_COMPLEX"]))
    pen.emit(
        pen.pick(
            [f"{x}[:6] += 0.2 * np.abs(1.5 + 0.3 * z)", f"{x}[6:] *= 0.9 + 0.1 * np.real(np.conj(z) * z)"]
        )
    )


def single_precision(pen: Pen) -> Piece:
    """Messages and sums in single precision."""
    c, x = pen.communicator(), pen.writable()
    pen.emit(f"g[:] = 0.7 * np.sin(g) + (0.3 * {x}[:8]).astype(np.float32)")
    yield from _calls(pen, c, "g", 8, "MPI.FLOAT")
    pen.emit(f"{x}[4:] += 0.1 * np.cos(g)")


def _calls(pen: Pen, c: Communicator, name: str, count: int, datatype: str) -> Piece:
    half, dtype = count // 2, f"{name}.dtype"
    other = pen.fresh("other")
    kind = pen.pick(
        ["messages", "sum", "bcast", "replace", *(["gather"] if "Allgather" in pen.known else [])]
    )
    if kind == "messages":
        posts = [
            f"{c.name}.Irecv([{name}[:{half}], {datatype}], source={c.left}, tag=7)",
            f"{c.name}.Isend([{name}[{half}:], {half}, {datatype}], dest={c.right}, tag=7)",
        ]
        pen.emit(f"{other} = [{', '.join(pen.shuffled(posts))}]", f"MPI.Request.Waitall({other})")
    elif kind == "sum":
        pen.emit(
            f"{other} = np.empty_like({name})",
            f"{c.name}.Allreduce({name}, {other})",
            f"{name} = 0.8 * {other} / {c.size}",
        )
    elif kind == "bcast":
        pen.emit(f"{c.name}.Bcast([{name}, {datatype}], root={c.size} - 1)")
    elif kind == "replace":
        pen.emit(f"{c.name}.Sendrecv_replace({name}[1:4], {c.right}, 8, {c.left}, 8)")
    else:
        pen.emit(
            f"{other} = np.empty(({c.size}, {count}), dtype={dtype})",
            f"{c.name}.Allgather({name}, {other})",
            f"{name} = {other}.mean(axis=0)",
        )
    yield from ()


COMPLEX = [complex_numbers]
SINGLE = [single_precision]
