"""Derivative rules of products that sum over axes.

Each is linear in each of its arguments: the adjoint of one is the same kind of product of the others with the result's
adjoint.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np

from checkpointer.memory import summed_to
from checkpointer.rules import RULES


def spelled_out(args: tuple[Any, ...]) -> tuple[list[str], str, list[int]]:
    """The subscripts of the operands and of the result, without ellipses, and where the operands stand in ``args``."""
    if isinstance(args[0], str):
        inputs, arrow, output = args[0].replace(" ", "").partition("->")
        terms, places = inputs.split(","), list(range(1, len(args)))
    else:
        places = list(range(0, len(args) - 1, 2))
        terms = [_letters(args[place + 1]) for place in places]
        arrow = "->" if len(args) % 2 else ""
        output = _letters(args[-1]) if arrow else ""
    used = set("".join([*terms, output]))
    free = [letter for letter in string.ascii_letters if letter not in used]
    hidden = [
        np.ndim(args[place]) - len(term.replace("...", "")) for term, place in zip(terms, places, strict=True)
    ]
    most = max([n for n, term in zip(hidden, terms, strict=True) if "..." in term], default=0)
    letters = "".join(free[:most])
    full = [term.replace("...", letters[most - n :]) for n, term in zip(hidden, terms, strict=True)]
    if arrow:
        return full, output.replace("...", letters), places
    named = "".join(terms).replace(".", "")
    once = sorted(letter for letter in set(named) if named.count(letter) == 1)
    return full, letters + "".join(once), places


def _letters(labels: Any) -> str:
    """The subscripts of the form in which each operand is followed by a list of integers."""
    return "".join("..." if label is Ellipsis else string.ascii_letters[label] for label in labels)


def _einsum_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    terms, output, places = spelled_out(args)
    operands = [np.asarray(args[place]) for place in places]
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, length in zip(term, operand.shape, strict=True):
            if length != 1 or letter not in sizes:  # an axis of length one is broadcast
                sizes[letter] = length

    def adjoint(g: Any, number: int) -> Any:
        term, shape = terms[number], operands[number].shape
        wanted = "".join(dict.fromkeys(term))
        others = [n for n in range(len(terms)) if n != number]
        known = set(output).union(*(terms[n] for n in others))
        free = "".join(letter for letter in wanted if letter not in known)
        total = np.einsum(
            ",".join([output, *(terms[n] for n in others), free]) + "->" + wanted,
            g,
            *(operands[n] for n in others),
            np.ones([sizes[letter] for letter in free]),
            optimize=len(terms) > 2,
        )
        if len(wanted) == len(term):
            return summed_to(_widened(total, [sizes[letter] for letter in wanted]), shape)
        spread = np.zeros(shape, total.dtype)
        np.einsum(f"{term}->{wanted}", spread)[...] = total  # a writable view of the diagonal
        return spread

    return lambda g: tuple(adjoint(g, places.index(n)) for n in argnums)


def _widened(total: Any, shape: list[int]) -> Any:
    return np.broadcast_to(total, shape)


RULES[np.einsum] = _einsum_maker


def _dot_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    a, b = args
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return RULES[np.multiply](argnums, ans, args, {})
    return _contraction(argnums, a, b, -1 if np.ndim(b) == 1 else -2)


def _inner_maker(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Callable[[Any], tuple[Any, ...]]:
    a, b = args
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return RULES[np.multiply](argnums, ans, args, {})
    return _contraction(argnums, a, b, -1)


def _contraction(argnums: Any, a: Any, b: Any, axis: int) -> Callable[[Any], tuple[Any, ...]]:
    """The last axis of ``a`` and one of ``b`` are summed over; the others follow one another in the result."""
    of_a = list(range(np.ndim(a) - 1))
    of_b = [number for number in range(np.ndim(b)) if number != np.ndim(b) + axis]

    def for_a(g: Any) -> Any:
        return np.tensordot(g, b, (list(range(len(of_a), np.ndim(g))), of_b))

    def for_b(g: Any) -> Any:
        return np.moveaxis(np.tensordot(a, g, (of_a, of_a)), 0, axis)

    return lambda g: tuple((for_a, for_b)[n](g) for n in argnums)


RULES[np.dot] = _dot_maker
RULES[np.inner] = _inner_maker
