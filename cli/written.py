"""A scheme that was written on the command line as in Python."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import click

from checkpointer.errors import ArgumentError, did_you_mean
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
    except TypeError as error:  # too many arguments, or too few
        raise click.UsageError(f"--scheme: {text}: {error}") from error
    if not isinstance(scheme, Scheme):
        raise click.UsageError(
            f'--scheme must be a scheme as in Python, such as "Revolve(snapshots=8)", of {", ".join(sorted(SCHEMES))}, '
            f"with numbers for arguments, but is {text!r}"
        )
    return scheme


def check_name(name: str) -> None:
    """Refuse a name that no scheme has.

    Raises
    ------
    click.UsageError
        With the one that is meant, if there is one that is nearly the same.
    """
    if name not in _makers():
        raise click.UsageError(
            f"--scheme: unknown scheme `{name}`{did_you_mean(name, SCHEMES)}\n"
            f"Instead: name one of {', '.join(sorted(SCHEMES))}"
        )


def scheme_names(ctx: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The schemes whose names begin so; a shell would take the parentheses of a call for its own."""
    return [name for name in sorted(SCHEMES) if name.startswith(incomplete)]


def _value(node: ast.expr) -> Any:
    """A number, or what one of our classes makes of its arguments."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            check_name(name)
            make = _makers()[name]
            _check_keywords(name, make, keywords)
            named = {keyword.arg: _value(keyword.value) for keyword in keywords if keyword.arg}
            return make(*map(_value, arguments), **named)
        case _:
            return ast.literal_eval(node)


def _check_keywords(name: str, make: Callable[..., Any], keywords: list[ast.keyword]) -> None:
    known = [
        name for name, one in inspect.signature(make).parameters.items() if one.kind is not one.VAR_POSITIONAL
    ]
    for keyword in keywords:
        if keyword.arg is not None and keyword.arg not in known:
            raise click.UsageError(
                f"--scheme: {name} has no argument `{keyword.arg}`{did_you_mean(keyword.arg, known)}\n"
                f"Instead: give {', '.join(known) or 'values without names'}"
            )


def _makers() -> dict[str, Callable[..., Any]]:
    return {**SCHEMES, "Level": Level}
