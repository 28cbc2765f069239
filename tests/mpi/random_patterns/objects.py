"""Pieces with the lower-case calls, which send objects: numbers, arrays, and dicts and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from operations import operation, root_of
from pen import Communicator, Pen

Piece = Iterator[None]


def ring(pen: Pen) -> Piece:
    """``sendrecv``."""
    c, got = pen.communicator(), pen.fresh("got")
    given, use = _thing(pen)
    to, back = pen.pick([(c.right, c.left), (c.left, c.right)])
    tag = pen.tagged()
    tags = f", sendtag={tag}, recvtag={tag}" if tag else ""
    pen.emit(f"{got} = {c.name}.sendrecv({given}, dest={to}, source={back}{tags})")
    _use(pen, c, got, use)
    yield from ()


def parity(pen: Pen) -> Piece:
    """Even ranks send first, odd ones receive first."""
    c, got = pen.communicator(), pen.fresh("got")
    given, use = _thing(pen)
    mark = pen.tagged()
    tag = f", tag={mark}" if mark else ""
    send = f"{c.name}.send({given}, dest={c.rank} + 1{tag})"
    receive = f"{got} = {c.name}.recv(source={c.rank} - 1{tag})"
    last, first = f"if {c.rank} < {c.size} - 1:", f"if {c.rank} > 0:"
    with pen.block(f"if {c.rank} % 2 == 0:"):
        pen.emit(last, f"    {send}", first, f"    {receive}")
    with pen.block("else:"):
        pen.emit(receive, last, f"    {send}")
    with pen.block(first):
        pen.emit(*use(got))
    yield from ()


def later(pen: Pen) -> Piece:
    """``isend`` and ``irecv``; what was sent is a copy."""
    c, tag, got = pen.communicator(), pen.tag(), pen.fresh("got")
    given, use = _thing(pen)
    sent, awaited = pen.fresh("sent"), pen.fresh("awaited")
    posts = [
        f"{sent} = {c.name}.isend({given}, dest={c.right}, tag={tag})",
        f"{awaited} = {c.name}.irecv(source={c.left}, tag={tag})",
    ]
    pen.emit(*pen.shuffled(posts))
    yield
    pen.emit(
        *pen.pick(
            [
                [f"{got} = {awaited}.wait()", f"{sent}.wait()"],
                [f"{sent}.wait()", f"{got} = {awaited}.wait()"],
                [f"{got}, _ = MPI.Request.waitall([{awaited}, {sent}])"],
                [
                    "arrived = False",
                    "while not arrived:",
                    f"    arrived, {got} = {awaited}.test()",
                    f"{sent}.wait()",
                ],
            ]
        )
    )
    _use(pen, c, got, use)


def bcast(pen: Pen) -> Piece:
    """``bcast``, where only the root has something."""
    c, got = pen.communicator(), pen.fresh("got")
    root = root_of(pen, c)
    given, use = _thing(pen)
    pen.emit(f"{got} = {c.name}.bcast({given} if {c.rank} == {root} else None, root={root})", *use(got))
    yield from ()


def allreduce(pen: Pen) -> Piece:
    """``allreduce`` of numbers and arrays."""
    c, total = pen.communicator(), pen.fresh("total")
    s, x = pen.number(), pen.writable()
    op, form, scale = operation(pen, c)
    name = pen.pick(["allreduce"] * 3 + ["scan"])
    ending = f", op={op})" if op != "MPI.SUM" or pen.odds(0.3) else ")"
    if pen.odds(0.5) or op in ("MPI.MAX", "MPI.MIN"):
        given = form.format(pen.pick([f"{s}", f"np.mean({x})", f"float({x}[2])", f"{x}[1]"]))
        pen.emit(f"{total} = {c.name}.{name}({given}{ending}", f"{s} = 0.5 * {s} + 0.4 * {scale} * {total}")
    else:
        pen.emit(
            f"{total} = {c.name}.{name}({form.format(f'{x}[3:7]')}{ending}",
            f"{x}[3:7] = 0.9 * {scale} * {total}",
        )
    yield from ()


def reduce(pen: Pen) -> Piece:
    """``reduce`` on a root, and ``exscan``: the others have None."""
    c, total = pen.communicator(), pen.fresh("total")
    root, x, s = root_of(pen, c), pen.writable(), pen.number()
    call = pen.pick([f"reduce({{}}, op=MPI.SUM, root={root})", f"reduce({{}}, root={root})", "exscan({})"])
    given, use = pen.pick([(s, f"{s} = math.sin(0.5 * {total})"), (f"{x}[:5]", f"{x}[:5] += 0.2 * {total}")])
    pen.emit(f"{total} = {c.name}.{call.format(given)}")
    with pen.block(f"if {total} is not None:"):
        pen.emit(use)
    yield from ()


def gather(pen: Pen) -> Piece:
    """``gather`` and ``allgather``."""
    c, every = pen.communicator(), pen.fresh("every")
    root = root_of(pen, c)
    given, use = _thing(pen)
    if pen.odds(0.5):
        pen.emit(f"{every} = {c.name}.allgather({given})")
        with pen.block(f"for got in {every}:"):
            pen.emit(*use("got"))
        return
    pen.emit(f"{every} = {c.name}.gather({given}, root={root})")
    with pen.block(f"if {c.rank} == {root}:"), pen.block(f"for got in {every}:"):
        pen.emit(*use("got"))
    yield from ()


def scatter(pen: Pen) -> Piece:
    """``scatter`` from a root, and ``alltoall``."""
    c, got = pen.communicator(), pen.fresh("got")
    root = root_of(pen, c)
    given, use = _thing(pen)
    many = f"[{given} for q in range({c.size})]"
    if pen.odds(0.5):
        pen.emit(f"{got} = {c.name}.scatter({many} if {c.rank} == {root} else None, root={root})", *use(got))
    else:
        every = pen.fresh("every")
        pen.emit(f"{every} = {c.name}.alltoall({many})")
        with pen.block(f"for got in {every}:"):
            pen.emit(*use("got"))
    yield from ()


def _thing(pen: Pen) -> tuple[str, Callable[[str], list[str]]]:
    """An expression for an object, and a function from the name of the received one to what uses it."""
    x, y, s = pen.readable(), pen.writable(), pen.number()
    part = pen.part(x, 3)
    kind = pen.pick(["number", "python number", "array", "dict", "list", "constant", "matrix"])
    if kind in ("number", "python number"):
        given = s if kind == "number" else f"float({x}[4])"
        return given, lambda got: [f"{s} = 0.6 * {s} + 0.3 * math.sin({got})"]
    if kind == "array":
        return pen.pick([part, f"np.sin({part})"]), lambda got: [f"{y}[5:8] += 0.2 * np.sin({got})"]
    if kind == "dict":
        given = f'{{"part": {part}, "weight": {s}, "name": "halo"}}'
        return given, lambda got: [f'{y}[:3] += 0.2 * {got}["weight"] * {got}["part"]']
    if kind == "list":
        return f"[{s}, 2, [{part}, None]]", lambda got: [
            f"{y}[9:] *= 1.0 - 0.1 * {got}[0] * {got}[1] * {got}[2][0]"
        ]
    if kind == "matrix":
        return f"{pen.readable('matrices')}[1:3]", lambda got: [f"{y}[:6] += 0.1 * np.sin({got}).sum(axis=0)"]
    return '("a word", 3)', lambda got: [f"{y}[{got}[1]] *= 0.9"]


def _use(pen: Pen, c: Communicator, got: str, use: Callable[[str], list[str]]) -> None:
    """Use what came from a neighbour; from MPI.PROC_NULL comes None."""
    if "%" in c.left or c.name in ("comm", "ring"):
        pen.emit(*use(got))
        return
    with pen.block(f"if {got} is not None:"):
        pen.emit(*use(got))


LOWER = [ring, parity, later, later, bcast, allreduce, allreduce, reduce, gather, scatter]
