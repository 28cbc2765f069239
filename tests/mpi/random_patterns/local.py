"""Pieces of programs that communicate nothing: smooth nonlinear computations, in place, through views, and with swaps."""

from __future__ import annotations

import re

from pen import Pen

_IN_PLACE = """
{x}[1:-1] += 0.2 * np.sin({x}[2:] - {x}[:-2])
{x} *= 0.9 + 0.1 * np.cos({y})
{x}[:] = np.tanh({x} + 0.3 * {y}[::-1])
{x}[::2] -= 0.2 * {s} * {x}[1::2]
np.multiply({x}, np.cos({y}), out={x})
{x} += 0.1 * {m}.reshape(-1)[:12]
{x}[3:7] = 0.5 * {y}[:4] + 0.3 * {m}[:, 2]
{x}[rank] *= 1.0 + 0.2 * np.sin({s})
{x}[size:] = 0.8 * {x}[size:] + 0.2 * np.sin({y}[:-size])
{m}[1:3] = 0.8 * {m}[1:3] + 0.2 * np.sin({m}[:2])
{m} += 0.1 * np.outer({x}[:4], np.cos({x}[:6]))
{m}.T[2] += 0.1 * {x}[:4]
{m}[:, ::2] *= 0.8 + 0.1 * {s}
{m} *= np.cos(0.3 * {n})
{n}[:, 1:] -= 0.2 * np.sin({n}[:, :-1])
{n}[:] = np.tanh({n} + 0.2 * {m})
{n}.T[:3] += 0.1 * {y}[4:8]
{x} += {c} * np.sin({i} + {x})
{x} -= 0.05 * {x} ** 3
""".strip().splitlines()

_BINDING = """
{X} = 0.7 * {X} + 0.3 * np.sin({y})
{X}, {Y} = {Y}, {X}
{X} = np.roll({X}, 1)
{X} = np.concatenate([{y}[6:], 0.9 * {X}[:6]])
{M} = {M} + 0.1 * {s}
""".strip().splitlines()

_NUMBERS = """
{s} = 0.6 * {s} + 0.3 * math.sin({x}[3])
{s} = np.tanh({s} + 0.2 * np.sum({x} * {y}))
{s} += 0.1 * np.cos({x}).mean()
{s} = 0.5 * {s} + 0.2 * float({x}[rank])
{s} = math.cos({s}) * {m}[1, 2]
{s}, {t} = {t}, 0.8 * {s}
{s} = 0.5 * {s} + 0.1 * rank
""".strip().splitlines()


def in_place(pen: Pen) -> None:
    """An update of one array from itself and others."""
    _emit(pen, pen.pick(_IN_PLACE))


def binding(pen: Pen) -> None:
    """A name is bound anew, or two are exchanged."""
    _emit(pen, pen.pick(_BINDING))


def numbers(pen: Pen) -> None:
    """An update of a number."""
    _emit(pen, pen.pick(_NUMBERS))


def view(pen: Pen) -> None:
    """An update through a view that has a name."""
    name, x, y = pen.fresh("view"), pen.writable(), pen.readable()
    pen.emit(f"{name} = {x}[2:7]", f"{name} *= 0.9", f"{name} += 0.2 * np.cos({y}[:5])")


def by_rank(pen: Pen) -> None:
    """Ranks go different ways, some of them with zeros."""
    x = pen.writable()
    head = pen.pick(
        ["if rank % 2 == 0:", "if rank == size - 1:", "if rank > 0:", f"if <<{pen.number()}>> > 0.1:"]
    )
    with pen.block(head):
        pen.emit(pen.pick([f"{x} *= 0.8", f"{x}[:4] = 0.0", f"{x}[5:] = np.sin({x}[5:])"]))
    if pen.odds(0.5):
        with pen.block("else:"):
            _emit(pen, pen.pick(_IN_PLACE))


def local(pen: Pen) -> None:
    """Any of them."""
    pen.pick([in_place, in_place, in_place, binding, numbers, view, by_rank])(pen)


def absorb(pen: Pen, name: str) -> None:
    """What was received into a variable is damped, and sometimes used."""
    kind = "vectors" if name in pen.scope.vectors else "matrices"
    choice = pen.pick(["damp", "use", "use", "leave"])
    if choice == "damp":
        pen.emit(f"{name} *= 0.9")
    elif choice == "use" and kind == "vectors":
        x = pen.writable(but=[name])
        pen.emit(f"{x} += 0.2 * np.sin({name})")
    elif choice == "use":
        x = pen.writable()
        pen.emit(f"{x}[:4] -= 0.2 * {name}[:, 1]")


def _emit(pen: Pen, template: str) -> None:
    chosen: dict[str, str] = {}
    for name in dict.fromkeys(re.findall(r"{(\w)}", template)):
        chosen[name] = _filling(pen, name, template, chosen)
    pen.emit(template.format(**chosen))


def _filling(pen: Pen, blank: str, template: str, chosen: dict[str, str]) -> str:
    """A variable for a blank; capitals are bound anew, what stands first is written."""
    written = template.startswith((f"{{{blank}}}", f"np.multiply({{{blank}}}"))
    match blank:
        case "x" | "y":
            return pen.writable() if written else pen.readable()
        case "m" | "n":
            but = ["n" if blank == "m" else "m"]
            return pen.writable("matrices", but) if written else pen.readable("matrices", but)
        case "X" | "Y":
            return pen.bindable(but=chosen.values())
        case "M":
            return pen.bindable("matrices", ["n"])
        case "i":
            return pen.scope.index
        case "c":
            return str(pen.pick([0.1, 0.2]))
    return pen.number()
