"""Pieces in which all ranks of a communicator take part, with buffers."""

from __future__ import annotations

from collections.abc import Iterator

from local import absorb
from operations import operation, root_of
from pen import Communicator, Pen

Piece = Iterator[None]


def bcast(pen: Pen) -> Piece:
    """``Bcast`` of a part of an array."""
    c = pen.communicator()
    buffer, name = pen.incoming(pen.count())
    pen.emit(f"{c.name}.Bcast({buffer}, root={root_of(pen, c)})")
    absorb(pen, name)
    yield from ()


def reduce(pen: Pen) -> Piece:
    """``Reduce``, with None on the other ranks, an array on all, or in place on the root."""
    c, count = pen.communicator(), pen.pick([1, 3, 6])
    root, (op, form, scale) = root_of(pen, c), operation(pen, c)
    x = pen.writable()
    if pen.odds(0.3):
        part = f"{x}[2:{2 + count}]"
        with pen.block(f"if {c.rank} == {root}:"):
            pen.emit(f"{c.name}.Reduce(MPI.IN_PLACE, {part}, op={op}, root={root})", f"{part} *= {scale}")
        with pen.block("else:"):
            pen.emit(f"{c.name}.Reduce({part}, None, op={op}, root={root})")
        return
    total = pen.fresh("total")
    where = pen.pick(["", f" if {c.rank} == {root} else None"])
    out = form.format(pen.part(pen.readable(), count))
    pen.emit(f"{total} = np.zeros({count}){where}", f"{c.name}.Reduce({out}, {total}, op={op}, root={root})")
    with pen.block(f"if {c.rank} == {root}:"):
        pen.emit(f"{x}[:{count}] += 0.2 * np.sin({total})")
    yield from ()


def allreduce(pen: Pen) -> Piece:
    """``Allreduce`` of a part of an array, into another one or in place."""
    c, count = pen.communicator(), pen.count()
    op, form, scale = operation(pen, c)
    if pen.odds(0.4):
        buffer, name = pen.incoming(count, whole=False)
        if "PROD" in op:
            pen.emit(
                f"{buffer} = {form.format(buffer)}"
                if "[" in buffer
                else f"{buffer}[:] = {form.format(buffer)}"
            )
        pen.emit(f"{c.name}.Allreduce(MPI.IN_PLACE, {buffer}, op={op})", f"{name} *= {scale}")
    else:
        buffer, name = pen.incoming(count)
        out = form.format(pen.part(pen.readable(but=[name]), count))
        pen.emit(
            f"{c.name}.Allreduce({out}, {buffer}, op={op})"
            if "SUM" not in op
            else f"{c.name}.Allreduce({out}, {buffer})"
        )
        pen.emit(f"{name} *= {scale}")
    absorb(pen, name)
    yield from ()


def of_number(pen: Pen) -> Piece:
    """``Allreduce`` of one number in an array without dimensions or with one."""
    c, total = pen.communicator(), pen.fresh("total")
    s, t = pen.number(), pen.number()
    op, form, scale = operation(pen, c)
    given, empty, taken = pen.pick(
        [("np.array({})", "np.zeros(())", "float({})"), ("np.array([{}])", "np.zeros(1)", "{}[0]")]
    )
    given, taken = given.format(form.format(s)), taken.format(total)
    pen.emit(
        f"{total} = {empty}",
        f"{c.name}.Allreduce({given}, {total}, op={op})",
        f"{t} = 0.5 * {t} + 0.4 * {scale} * {taken}",
    )
    yield from ()


def counted(pen: Pen) -> Piece:
    """An ``Allreduce`` of whole numbers, which no derivative flows through."""
    c, x, number = pen.communicator(), pen.writable(), pen.fresh("number")
    pen.emit(
        f"{number} = np.array([np.sum(<<{x}>> > 0.2)], dtype=np.int64)",
        f"{c.name}.Allreduce(MPI.IN_PLACE, {number})",
        f"{x} *= 1.0 - 0.01 * {number}[0]",
    )
    yield from ()


def allgather(pen: Pen) -> Piece:
    """``Allgather`` into a table with a row for each rank."""
    c, count, table = pen.communicator(), pen.pick([1, 2, 3, 6]), pen.fresh("table")
    out, _ = pen.outgoing(count)
    pen.emit(f"{table} = np.{pen.pick(['empty', 'zeros'])}(({c.size}, {count}))")
    if pen.odds(0.25):
        pen.emit(
            f"{table}[{c.rank}] = {pen.part(pen.readable(), count)}",
            f"{c.name}.Allgather(MPI.IN_PLACE, {table})",
        )
    else:
        pen.emit(f"{c.name}.Allgather({out}, {table})")
    _use_table(pen, c, table, count)
    yield from ()


def allgatherv(pen: Pen) -> Piece:
    """``Allgatherv`` of parts of different lengths."""
    c, x = pen.communicator(), pen.readable()
    counts, whole = _counts(pen, c)
    spec = pen.pick(
        [
            f"[{whole}, {counts}]",
            f"[{whole}, ({counts}, [sum({counts}[:q]) for q in range({c.size})])]",
            f"[{whole}, {counts}, MPI.DOUBLE]",
        ]
    )
    first = pen.chance.randrange(9)
    pen.emit(f"{c.name}.Allgatherv({x}[{first}:{first} + {counts}[{c.rank}]], {spec})")
    _use_whole(pen, whole)
    yield from ()


def gather(pen: Pen) -> Piece:
    """``Gather`` on a root."""
    c, count, table = pen.communicator(), pen.pick([1, 2, 6]), pen.fresh("table")
    root, x = root_of(pen, c), pen.writable()
    where = pen.pick(["", f" if {c.rank} == {root} else None"])
    pen.emit(f"{table} = np.zeros(({c.size}, {count})){where}")
    pen.emit(f"{c.name}.Gather({pen.outgoing(count)[0]}, {table}, root={root})")
    with pen.block(f"if {c.rank} == {root}:"):
        pen.emit(f"{x}[:{count}] += 0.3 * np.sin({table}).mean(axis=0)")
    yield from ()


def gatherv(pen: Pen) -> Piece:
    """``Gatherv`` on a root."""
    c, x, y = pen.communicator(), pen.readable(), pen.writable()
    counts, whole = _counts(pen, c)
    root = root_of(pen, c)
    pen.emit(
        f"{c.name}.Gatherv({x}[:{counts}[{c.rank}]], [{whole}, {counts}] if {c.rank} == {root} else None, root={root})"
    )
    with pen.block(f"if {c.rank} == {root}:"):
        pen.emit(f"{y}[:{c.size}] *= 1.0 + 0.2 * np.sin({whole}[:{c.size}] + {whole}[-1])")
    yield from ()


def scatter(pen: Pen) -> Piece:
    """``Scatter`` of the rows of a table that only the root has."""
    c, count, table = pen.communicator(), pen.pick([1, 2, 3, 6]), pen.fresh("table")
    root, source = root_of(pen, c), pen.readable()
    into, name = pen.incoming(count)
    row = pen.part(source, count)
    pen.emit(
        f"{table} = None",
        f"if {c.rank} == {root}:",
        f"    {table} = np.array([np.sin({row} + q) for q in range({c.size})])",
    )
    pen.emit(f"{c.name}.Scatter({table}, {into}, root={root})")
    absorb(pen, name)
    yield from ()


def scatterv(pen: Pen) -> Piece:
    """``Scatterv`` of parts of different lengths."""
    c, y = pen.communicator(), pen.writable()
    counts, whole = _counts(pen, c)
    root, source = root_of(pen, c), pen.readable(but=[y])
    spec = pen.pick(
        [
            f"[{whole}, {counts}]",
            f"[{whole}, {counts}, [sum({counts}[:q]) for q in range({c.size})], MPI.DOUBLE]",
        ]
    )
    pen.emit(
        f"{whole}[:] = {source}[: {whole}.size] + {pen.number()}",
        f"{c.name}.Scatterv({spec} if {c.rank} == {root} else None, {y}[1 : 1 + {counts}[{c.rank}]], root={root})",
    )
    absorb(pen, y)
    yield from ()


def alltoall(pen: Pen) -> Piece:
    """``Alltoall`` of rows of two."""
    c, table, given = pen.communicator(), pen.fresh("table"), pen.fresh("given")
    x = pen.readable()
    pen.emit(
        f"{given} = np.sin({x}[: 2 * {c.size}]).reshape({c.size}, 2)",
        f"{table} = np.empty(({c.size}, 2))",
        f"{c.name}.Alltoall({given}, {table})",
    )
    _use_table(pen, c, table, 2)
    yield from ()


def alltoallv(pen: Pen) -> Piece:
    """``Alltoallv``: rank r sends 1 + (r + q) % 2 entries to rank q."""
    c, counts, got, x = pen.communicator(), pen.fresh("counts"), pen.fresh("got"), pen.readable()
    pen.emit(
        f"{counts} = [1 + ({c.rank} + q) % 2 for q in range({c.size})]",
        f"{got} = np.zeros(sum({counts}))",
        f"{c.name}.Alltoallv([{x}[:sum({counts})].copy(), {counts}], [{got}, {counts}])",
    )
    _use_whole(pen, got)
    yield from ()


def scan(pen: Pen) -> Piece:
    """``Scan`` and ``Exscan``, whose result on the first rank is what was there before."""
    c, count, before = pen.communicator(), pen.pick([1, 2, 4]), pen.fresh("before")
    (op, form, scale), name = operation(pen, c), pen.pick(["Scan", "Exscan"])
    out = form.format(pen.part(pen.readable(), count))
    start = pen.pick([f"np.zeros({count})", f"np.full({count}, 0.5)"])
    pen.emit(f"{before} = {start}", f"{c.name}.{name}({out}, {before}, op={op})")
    x = pen.writable()
    pen.emit(f"{x}[:{count}] += 0.3 * np.sin({scale} * {before})")
    yield from ()


def reduce_scatter(pen: Pen) -> Piece:
    """``Reduce_scatter_block`` and ``Reduce_scatter`` with counts."""
    c, given, part = pen.communicator(), pen.fresh("given"), pen.fresh("part")
    op, form, scale = operation(pen, c)
    x, y = pen.readable(), pen.writable()
    given_value = form.format(f"{x}[:{{}}]")
    if pen.odds(0.5):
        pen.emit(
            f"{given} = {given_value.format(f'2 * {c.size}')}",
            f"{part} = np.empty(2)",
            f"{c.name}.Reduce_scatter_block({given}, {part}, op={op})",
            f"{y}[4:6] += 0.3 * {scale} * {part}",
        )
    else:
        counts, whole = _counts(pen, c)
        pen.emit(
            f"{given} = {given_value.format(f'{whole}.size')}",
            f"{part} = np.zeros({counts}[{c.rank}])",
            f"{c.name}.Reduce_scatter({given}, {part}, {counts}, op={op})",
            f"{y}[:{part}.size] += 0.3 * {scale} * {part}",
        )
    yield from ()


def barrier(pen: Pen) -> Piece:
    """``Barrier``."""
    pen.emit(f"{pen.communicator().name}.{pen.pick(['Barrier', 'barrier'])}()")
    yield from ()


def _counts(pen: Pen, c: Communicator) -> tuple[str, str]:
    """Names of a list of different counts, and of a buffer as long as all of them together."""
    counts, whole = pen.fresh("counts"), pen.fresh("whole")
    count = pen.pick(["1 + q % 3", "3 - q % 2", "2 - q % 2"])
    pen.emit(f"{counts} = [{count} for q in range({c.size})]", f"{whole} = np.zeros(sum({counts}))")
    return counts, whole


def _use_table(pen: Pen, c: Communicator, table: str, count: int) -> None:
    x = pen.writable()
    pen.emit(
        pen.pick(
            [
                f"{x}[:{count}] += 0.3 * np.sin({table}).mean(axis=0)",
                f"{x}[:{count}] *= 0.9 + 0.1 * {table}[({c.rank} + 1) % {c.size}]",
                f"{x}[:{count}] -= 0.2 * {table}[-1] * {table}[0]",
            ]
        )
    )


def _use_whole(pen: Pen, whole: str) -> None:
    x = pen.writable()
    pen.emit(
        pen.pick(
            [
                f"{x}[:{whole}.size] += 0.3 * np.sin({whole})",
                f"{x} *= 0.9 + 0.1 * np.cos({whole}.sum())",
                f"{x}[0] += 0.2 * {whole}[-1] * {whole}[0]",
            ]
        )
    )


BASIC = [bcast, allreduce, allreduce, of_number, counted, barrier]
COLLECTIVES = [
    reduce,
    allgather,
    allgatherv,
    gather,
    gatherv,
    scatter,
    scatterv,
    alltoall,
    alltoallv,
    scan,
    reduce_scatter,
]
