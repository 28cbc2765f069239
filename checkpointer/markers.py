"""The marker of a loop: it returns its first argument, and says how the loop is to be checkpointed."""

from __future__ import annotations

from typing import TypeVar

from checkpointer.active import active
from checkpointer.errors import ArgumentError, NotRewrittenError
from checkpointer.schemes import Scheme
from checkpointer.storage import Dump, Storage

T = TypeVar("T")


def checkpointed(
    subject: T,
    scheme: Scheme | None = None,
    *,
    storage: Storage | None = None,
    audit: bool = False,
    dump: Dump | None = None,
    progress: bool = False,
) -> T:
    """Mark a ``for`` or ``while`` loop to be checkpointed.

    ``for x in checkpointed(xs, scheme):`` and ``while checkpointed(condition, scheme):`` are the two forms.

    In a module that checkpointer rewrites, the loop is differentiated with the scheme's snapshots. Elsewhere this
    returns ``subject`` and the loop runs as if it were not marked.

    Parameters
    ----------
    subject : iterable or condition
        What the loop iterates over, or its condition.
    scheme : Scheme, optional
        Where snapshots are taken: ``Revolve(snapshots=8)``, ``Online(snapshots=8)``, or another of
        `checkpointer.schemes`. Unless given, ``Auto()``: it measures the loop's first step, and chooses a scheme whose
        snapshots take at most a quarter of the memory that is available.
    storage : Storage, optional
        Where snapshots are kept; in memory unless given.
    audit : bool, optional
        Compare the whole state, at every step that is computed again, with what it was in the first sweep, and name the
        first variable that differs (see `checkpointer.audit` for what that costs). The environment variable
        ``CHECKPOINTER_AUDIT=1`` does it for all loops.
    dump : Dump, optional
        Write the state and the adjoint of every Nth step to a file when the loop is differentiated:
        ``Dump("adjoint.h5", every=100)``.
    progress : bool, optional
        Show in a terminal or notebook how far the loop has come, in a module that checkpointer rewrites: when it is
        differentiated, the forward and the reverse sweep (docs/runs.md).

    Returns
    -------
    iterable or condition
        ``subject`` itself.

    Raises
    ------
    ArgumentError
        If scheme, storage or dump is not one, or audit or progress is no bool.
    NotRewrittenError
        If the loop is being differentiated and has not been rewritten.

    Examples
    --------
    >>> from checkpointer import Revolve, checkpointed
    >>> sum(x for x in checkpointed(range(4), Revolve(snapshots=2)))
    6
    """
    check_marker(scheme, storage, audit, dump, progress)
    if active.tape is not None:
        raise NotRewrittenError(
            "a marked loop is being differentiated, but its module has not been rewritten, so every step would be stored."
            " Import the module under checkpointer.install_import_hook(...), run the script with 'checkpointer run',"
            " or put @checkpointer.transform above the function"
        )
    return subject


def check_marker(scheme: object, storage: object, audit: object, dump: object, progress: object) -> None:
    """Refuse an argument that is none of its kind, at the loop that it was given to."""
    if scheme is not None and not isinstance(scheme, Scheme):
        from checkpointer.schemes import SCHEMES  # loads them all, which only now is needed

        hint = ""
        if isinstance(scheme, type) and issubclass(scheme, Scheme):
            hint = f": {scheme.__name__} is a class; call it, as in {scheme.__name__}(...)"
        raise ArgumentError(
            f"scheme must be one of {', '.join(sorted(SCHEMES))} or another Scheme, but is {scheme!r}{hint}"
        )
    if storage is not None and not isinstance(storage, Storage):
        raise ArgumentError(f"storage must be a Storage, such as MemoryStorage(), but is {storage!r}")
    for name, switch in (("audit", audit), ("progress", progress)):
        if not isinstance(switch, bool):
            raise ArgumentError(f"{name} must be True or False, but is {switch!r}")
    if dump is not None and not isinstance(dump, Dump):
        raise ArgumentError(f'dump must be a Dump, such as Dump("adjoint.h5", every=100), but is {dump!r}')
