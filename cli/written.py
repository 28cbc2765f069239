"""A scheme that was written on the command line as in Python."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import click

from checkpointer.errors import ArgumentError
from checkpointer.schemes import SCHEMES, Level, Scheme


def scheme_from(text: str) -> Scheme:
    """The scheme that a text such as ``Revolve(snapshots=8)`` makes. Nothing else is evaluated.

    Raises
    ------
    click.UsageError
        If it is no such call, or if the scheme refuses its arguments.

    >>> scheme_from("Periodic(snapshots=3)")
    Periodic(snapshots=3)
    """
    try:
        scheme = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError) as error:
        if isinstance(error, ArgumentError):
            raise click.UsageError(f"--scheme: {error}") from error
        scheme = None
    except TypeError as error:  # too many arguments, unknown names
        raise click.UsageError(f"--scheme: {text}: {error}") from error
    if not isinstance(scheme, Scheme):
        raise click.UsageError(
            f'--scheme must be a scheme as in Python, such as "Revolve(snapshots=8)", of {", ".join(sorted(SCHEMES))}, '
            f"with numbers for arguments, but is {text!r}"
        )
    return scheme


def _value(node: ast.expr) -> Any:
    """A number, or what one of our classes makes of its arguments."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords) if name in _makers():
            named = {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg}
            return _makers()[name](*map(_value, arguments), **named)
        case _:
            return ast.literal_eval(node)


def _makers() -> dict[str, Callable[..., Any]]:
    return {**SCHEMES, "Level": Level}
