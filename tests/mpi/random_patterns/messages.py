"""Pieces that send messages between two ranks, as programs on any number of ranks do it without waiting for each other.

A piece is a generator; where it yields, other pieces may stand while its messages are under way.
"""

from __future__ import annotations

from collections.abc import Iterator

from local import absorb, local
from pen import Communicator, Pen

Piece = Iterator[None]


# --- blocking ---


def ring(pen: Pen) -> Piece:
    """``Sendrecv`` around a ring, or along a line with ends."""
    c, count = pen.communicator(), pen.count()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    to, back = pen.pick([(c.right, c.left), (c.left, c.right), (c.upper, c.lower)])
    tag = pen.tagged()
    if tag:
        pen.emit(f"{c.name}.Sendrecv({out}, {to}, {tag}, {into}, {back}, {tag})")
    else:
        pen.emit(f"{c.name}.Sendrecv({out}, dest={to}, recvbuf={into}, source={back})")
    absorb(pen, target)
    yield from ()


def replaced(pen: Pen) -> Piece:
    """``Sendrecv_replace``."""
    c, count = pen.communicator(), pen.count()
    buffer, _ = pen.incoming(count)
    to, back = pen.pick([(c.right, c.left), (c.left, c.right), (c.upper, c.lower)])
    tag = pen.tagged()
    tags = f", sendtag={tag}, recvtag={tag}" if tag else ""
    pen.emit(f"{c.name}.Sendrecv_replace({buffer}, dest={to}, source={back}{tags})")
    yield from ()


def parity(pen: Pen) -> Piece:
    """Even ranks send first, odd ranks receive first."""
    c, count = pen.communicator(), pen.count()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    tag = _keyword(pen)
    send = f"{c.name}.{pen.pick(['Send', 'Ssend'])}({out}, dest={c.upper}{tag})"
    receive = f"{c.name}.Recv({into}, source={c.lower}{tag})"
    with pen.block(f"if {c.rank} % 2 == 0:"):
        pen.emit(send, receive)
    with pen.block("else:"):
        pen.emit(receive, send)
    absorb(pen, target)
    yield from ()


def sweep(pen: Pen) -> Piece:
    """Each rank waits for the one below it, computes, and sends to the one above."""
    c, count, tag = pen.communicator(), pen.count(), pen.tag()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    with pen.block(f"if {c.rank} > 0:"):
        pen.emit(f"{c.name}.Recv({into}, source={c.rank} - 1, tag={tag})")
        absorb(pen, target)
    local(pen)
    with pen.block(f"if {c.rank} < {c.size} - 1:"):
        pen.emit(f"{c.name}.{pen.pick(['Send', 'Ssend'])}({out}, dest={c.rank} + 1, tag={tag})")
    yield from ()


def pair(pen: Pen) -> Piece:
    """Two ranks exchange with each other; one may be left over."""
    c, count = pen.communicator(), pen.count()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    partner, tag = pen.fresh("partner"), _keyword(pen)
    pen.emit(f"{partner} = {c.rank} ^ 1")
    with pen.block(f"if {partner} < {c.size}:"):
        with pen.block(f"if {c.rank} < {partner}:"):
            pen.emit(
                f"{c.name}.Ssend({out}, dest={partner}{tag})", f"{c.name}.Recv({into}, source={partner}{tag})"
            )
        with pen.block("else:"):
            pen.emit(
                f"{c.name}.Recv({into}, source={partner}{tag})", f"{c.name}.Send({out}, dest={partner}{tag})"
            )
    absorb(pen, target)
    yield from ()


def one_way(pen: Pen) -> Piece:
    """Only the first rank sends, and only the last one receives; on one of them what is received may be unused."""
    c, count = pen.communicator(), pen.count()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    tag = _keyword(pen)
    with pen.block(f"if {c.rank} == 0 and {c.size} > 1:"):
        pen.emit(f"{c.name}.Send({out}, {c.size} - 1{tag})")
        if pen.odds(0.3):
            local(pen)
    with pen.block(f"if {c.rank} == {c.size} - 1 and {c.rank} > 0:"):
        pen.emit(f"{c.name}.Recv({into}, 0{tag})")
        if pen.odds(0.7):
            absorb(pen, target)
    yield from ()


def star(pen: Pen) -> Piece:
    """The first rank sends a row to each of the others."""
    c = pen.communicator()
    matrix, vector = pen.readable("matrices", ["n"]), pen.writable()
    first, tag = pen.chance.randrange(7), pen.pick(["50", "50", pen.tag()])
    with pen.block(f"if {c.rank} == 0:"), pen.block(f"for q in range(1, {c.size}):"):
        pen.emit(f"{c.name}.Send({matrix}[q % 4], dest=q, tag={tag} + q)")
    with pen.block("else:"):
        pen.emit(f"{c.name}.Recv({vector}[{first}:{first + 6}], source=0, tag={tag} + {c.rank})")
    absorb(pen, vector)
    yield from ()


def overwritten(pen: Pen) -> Piece:
    """One buffer receives twice, and is overwritten after each time."""
    c, count = pen.communicator(), pen.pick([2, 3, 4])
    first, second = pen.outgoing(count)[0], pen.outgoing(count)[0]
    target = pen.writable()
    buffer, tag = pen.fresh("buffer"), _keyword(pen)
    pen.emit(f"{buffer} = np.zeros({count})")
    pen.emit(f"if {c.rank} < {c.size} - 1:", f"    {c.name}.Send({first}, dest={c.rank} + 1{tag})")
    with pen.block(f"if {c.rank} > 0:"):
        pen.emit(f"{c.name}.Recv({buffer}, source={c.rank} - 1{tag})")
        pen.emit(f"{target}[:{count}] += 0.2 * np.sin({buffer})", f"{buffer}[:] = 0.5")
    tag = pen.tag()
    pen.emit(
        f"{c.name}.Sendrecv({second}, {c.right}, {tag}, recvbuf={buffer}, source={c.left}, recvtag={tag})"
    )
    pen.emit(f"{target}[-{count}:] *= np.cos({buffer})", f"{buffer}.fill(0.0)")
    yield from ()


def _keyword(pen: Pen) -> str:
    tag = pen.tagged()
    return f", tag={tag}" if tag else ""


# --- non-blocking ---


def send_then_receive(pen: Pen) -> Piece:
    """``Isend``, something else, a blocking ``Recv``, something else, and the wait."""
    c, count, tag = pen.communicator(), pen.count(), pen.tag()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    request = pen.fresh("request")
    to, back = pen.pick([(c.right, c.left), (c.left, c.right), (c.lower, c.upper)])
    pen.emit(f"{request} = {c.name}.{pen.pick(['Isend', 'Issend', 'Isend'])}({out}, dest={to}, tag={tag})")
    with pen.under_way([source], posted=False):
        yield
        pen.emit(f"{c.name}.Recv({into}, source={back}, tag={tag})")
        yield
    pen.emit(f"{request}.{pen.pick(['Wait', 'wait'])}()")
    if source and pen.odds(0.5):
        pen.emit(f"{source} *= 0.7")  # after the message has left
    absorb(pen, target)


def receive_then_send(pen: Pen) -> Piece:
    """``Irecv``, something else, a blocking ``Send``, and the wait."""
    c, count, tag = pen.communicator(), pen.count(), pen.tag()
    into, target = pen.incoming(count)
    out, source = pen.outgoing(count, [target])
    request = pen.fresh("request")
    pen.emit(f"{request} = {c.name}.Irecv({into}, source={c.left}, tag={tag})")
    with pen.under_way([source], [target]):
        yield
    with pen.under_way(receiving=[target]):
        pen.emit(f"{c.name}.Send({out}, {c.right}, {tag})")
        local(pen)
    pen.emit(f"{request}.Wait()")
    absorb(pen, target)


def several(pen: Pen) -> Piece:
    """Several messages to the same or different ranks, with equal or different tags, completed in any order."""
    c = pen.communicator()
    equal = pen.odds(0.4)
    size, tag = pen.count(), pen.tag()
    posts, sources, targets = [], [], []
    for number in range(pen.pick([2, 2, 3])):
        count = size if equal else pen.count()
        into, target = pen.incoming(count, [*sources, *targets])
        out, source = pen.outgoing(count, [*targets, target])
        to, back = pen.pick([(c.right, c.left), (c.left, c.right), (c.upper, c.lower), (c.lower, c.upper)])
        mark = tag if equal else tag + number
        kind = pen.pick(["Isend", "Isend", "Issend"])
        posts.append(f"{c.name}.Irecv({into}, source={back}, tag={mark})")
        posts.append(f"{c.name}.{kind}({out}, dest={to}, tag={mark})")
        sources.append(source)
        targets.append(target)
    pen.tags += 3
    yield from _posted(pen, pen.shuffled(posts), sources, targets)


def halo(pen: Pen) -> Piece:
    """The ends of a vector or the outer rows of a matrix are received into, the ones next to them sent."""
    c = pen.communicator()
    kind = pen.pick(["vectors", "vectors", "matrices"])
    name = pen.writable(kind, ["n"])
    ring_or_line = pen.pick([(c.left, c.right), (c.lower, c.upper)])
    below, above, first, second = *ring_or_line, pen.tag(), pen.tag()
    parts = pen.pick([("[:1]", "[1:2]", "[-2:-1]", "[-1:]"), ("[0:2]", "[2:4]", "[-4:-2]", "[10:]")])
    if kind == "matrices":
        parts = ("[0]", "[1]", "[2]", "[3]")
    posts = [
        f"{c.name}.Irecv({name}{parts[0]}, source={below}, tag={first})",
        f"{c.name}.Irecv({name}{parts[3]}, source={above}, tag={second})",
        f"{c.name}.Isend({name}{parts[1]}, dest={below}, tag={second})",
        f"{c.name}.Isend({name}{parts[2]}, dest={above}, tag={first})",
    ]
    yield from _posted(pen, pen.pick([posts, pen.shuffled(posts)]), [], [name])


def columns(pen: Pen) -> Piece:
    """Columns of a matrix travel through contiguous buffers."""
    c, tag = pen.communicator(), pen.tag()
    matrix = pen.writable("matrices", ["n"])
    buffer = pen.fresh("column")
    pen.emit(f"{buffer} = np.zeros(4)")
    posts = [
        f"{c.name}.Irecv({buffer}, source={c.lower}, tag={tag})",
        f"{c.name}.Isend(np.ascontiguousarray({matrix}[:, 4]), dest={c.upper}, tag={tag})",
    ]
    yield from _posted(pen, posts, [], [])
    with pen.block(f"if {c.rank} > 0:"):
        pen.emit(f"{matrix}[:, 0] = {buffer}")


def _posted(pen: Pen, posts: list[str], sources: list[str], targets: list[str]) -> Piece:
    """Start all, let others do something, and complete in one of many ways."""
    names = [pen.fresh("request") for _ in posts]
    listed = pen.odds(0.6)
    requests = pen.fresh("requests")
    if listed and pen.odds(0.6):
        pen.emit(f"{requests} = [", *(f"    {post}," for post in posts), "]")
    elif listed:
        pen.emit(f"{requests} = []", *(f"{requests}.append({post})" for post in posts))
    else:
        pen.emit(*(f"{name} = {post}" for name, post in zip(names, posts, strict=True)))
    with pen.under_way(sources, targets):
        yield
    if listed:
        _complete_list(pen, requests)
    else:
        _complete(pen, pen.shuffled(names))
    for target in targets:
        if target:
            absorb(pen, target)


def _complete_list(pen: Pen, requests: str) -> None:
    """All requests in a list."""
    ways = {
        "all": [f"MPI.Request.Waitall({requests})"],
        "each": ["for request in {}:", "    request.Wait()"],
        "reversed": ["for request in reversed({}):", "    request.Wait()"],
        "any": ["for _ in range(len({})):", "    MPI.Request.Waitany({})"],
        "some": ["while MPI.Request.Waitsome({}) is not None:", "    pass"],
        "testall": ["while not MPI.Request.Testall({}):", "    pass"],
        "tests": ["while not all([request.Test() for request in {}]):", "    pass"],
    }
    way = pen.pick(
        ["all"] * 5 + ["each", "each", "reversed", "reversed", "any", "any", "some", "testall", "tests"]
    )
    pen.emit(*(line.replace("{}", requests) for line in ways[way]))


def _complete(pen: Pen, names: list[str]) -> None:
    """Single requests, in the order of this list."""
    while names:
        if len(names) > 1 and pen.odds(0.3):
            pen.emit(f"MPI.Request.Waitall([{', '.join(names)}])")
            return
        name = names.pop()
        if pen.odds(0.75):
            pen.emit(f"{name}.Wait()")
        else:
            pen.emit(f"while not {name}.Test():", "    pass")


def in_turn(pen: Pen) -> Piece:
    """What has arrived is used in the order of arrival, each in its own place."""
    c, tag = pen.communicator(), pen.tag()
    out, source = pen.outgoing(3)
    x = pen.writable(but=[source])
    got, requests, sends = pen.fresh("got"), pen.fresh("requests"), pen.fresh("sends")
    pen.emit(
        f"{got} = np.zeros((2, 3))",
        f"{requests} = [{c.name}.Irecv({got}[q], {c.left}, {tag} + q) for q in range(2)]",
        f"{sends} = [{c.name}.Isend({out}, {c.right}, {tag} + q) for q in {pen.pick(['(0, 1)', '(1, 0)'])}]",
    )
    pen.tags += 2
    with pen.under_way([source]):
        yield
    with pen.block("for _ in range(2):"):
        which = pen.fresh("which")
        pen.emit(
            f"{which} = MPI.Request.Waitany({requests})",
            f"{x}[{which}] += 0.2 * np.sin({got}[{which}]).sum()",
        )
    pen.emit(f"MPI.Request.Waitall({sends})")


# --- any source, any tag ---


def from_any(pen: Pen) -> Piece:
    """The first rank takes the others' messages as they come, and puts each in its place."""
    pen.when_alone()
    c, tag, count = pen.communicator(), pen.tag(), pen.pick([2, 3, 4])
    out, source = pen.outgoing(count)
    buffer, x = pen.writable(but=[source]), pen.writable(but=[source])
    table, status = pen.fresh("table"), pen.fresh("status")
    pen.emit(f"{table} = np.zeros(({c.size}, {count}))")
    with pen.block(f"if {c.rank} == 0:"):
        pen.emit(f"{status} = MPI.Status()")
        with pen.block(f"for _ in range({c.size} - 1):"):
            pen.emit(
                f"{c.name}.Recv({buffer}[:{count}], source=MPI.ANY_SOURCE, tag={tag}, status={status})",
                f"{table}[{status}.{pen.pick(['source', 'Get_source()'])}] = {buffer}[:{count}]",
            )
        # before it answers nobody sends the next one
        pen.emit(f"for q in range(1, {c.size}):", f"    {c.name}.Send({table}[q], dest=q, tag={tag})")
        pen.emit(f"{buffer}[:{count}] = 0.0")  # the last message is another one each time
    with pen.block("else:"):
        pen.emit(f"{c.name}.Send({out}, dest=0, tag={tag})")
        pen.emit(f"{c.name}.Recv({table}[0], source=0, tag={tag})")
    pen.emit(f"{x}[:{count}] += 0.2 * np.sin({table}).sum(axis=0)")
    yield from ()


def posted_from_any(pen: Pen) -> Piece:
    """Non-blocking receives from any source, whose statuses tell where they came from."""
    pen.when_alone()
    c, tag = pen.communicator(), pen.tag()
    out, source = pen.outgoing(2)
    x = pen.writable(but=[source])
    got, requests, states = pen.fresh("got"), pen.fresh("requests"), pen.fresh("states")
    with pen.block(f"if {c.rank} == {c.size} - 1:"):
        pen.emit(
            f"{got} = np.empty(({c.size} - 1, 2))",
            f"{states} = [MPI.Status() for _ in {got}]",
            f"{requests} = [{c.name}.Irecv(entry, MPI.ANY_SOURCE, {tag}) for entry in {got}]",
            f"MPI.Request.Waitall({requests}, {states})",
            f"for entry, state in zip({got}, {states}):",
            f"    {x}[state.source] += 0.3 * np.sin(entry[0] - entry[1])",
        )
    with pen.block("else:"):
        pen.emit(f"{c.name}.Send({out}, dest={c.size} - 1, tag={tag})")
    pen.emit(f"{c.name}.Barrier()")
    yield from ()


def any_tag(pen: Pen) -> Piece:
    """A message whose tag the receiver does not know."""
    pen.when_alone()
    c, count = pen.communicator(), pen.count()
    out, source = pen.outgoing(count)
    into, target = pen.incoming(count, [source])
    status = pen.fresh("status")
    tag = pen.pick([pen.tag(), f"20 + {c.rank}", f"{pen.scope.index} % 3"])
    pen.emit(
        f"{status} = MPI.Status()",
        f"{c.name}.Sendrecv({out}, {c.right}, {tag}, {into}, {c.left}, MPI.ANY_TAG, {status})",
    )
    if "rank" in str(tag):
        pen.emit(f"{target} *= 0.8 + 0.02 * ({status}.Get_tag() - 20)")
    absorb(pen, target)
    yield from ()


# --- persistent ---


def persistent(pen: Pen) -> Piece:
    """Requests that are made once and started in every step."""
    c, count, tag = pen.communicator(), pen.pick([2, 3, 6]), pen.tag()
    out, into, requests = pen.fresh("out"), pen.fresh("into"), pen.fresh("kept")
    to, back = pen.pick([(c.right, c.left), (c.upper, c.lower)])
    made = [
        f"{c.name}.Send_init({out}, dest={to}, tag={tag})",
        f"{c.name}.Recv_init({into}, source={back}, tag={tag})",
    ]
    pen.setup += [
        f"{out} = np.zeros({count})",
        f"{into} = np.zeros({count})",
        f"{requests} = [{', '.join(pen.shuffled(made))}]",
    ]
    x, y = pen.readable(), pen.writable()
    pen.emit(f"{out}[:] = {pen.pick(['np.sin({})', '{}', '0.7 * {}']).format(pen.part(x, count))}")
    starts = [[f"MPI.Prequest.Startall({requests})"], [f"for request in {requests}:", "    request.Start()"]]
    pen.emit(*pen.pick(starts))
    yield
    waits = [
        [f"MPI.Request.Waitall({requests})"],
        [f"for request in reversed({requests}):", "    request.Wait()"],
    ]
    pen.emit(*pen.pick(waits))
    pen.emit(f"{pen.part(y, count)} += 0.3 * np.sin({into})")
    pen.closing += [f"for request in {requests}:", "    request.Free()"]


BLOCKING = [ring, ring, replaced, parity, sweep, pair, one_way, star, overwritten]
NONBLOCKING = [send_then_receive, receive_then_send, several, several, halo, halo, columns, in_turn]
WILDCARDS = [from_any, posted_from_any, any_tag]
PERSISTENT = [persistent]

__all__ = ["BLOCKING", "NONBLOCKING", "PERSISTENT", "WILDCARDS", "Communicator", "Piece"]
