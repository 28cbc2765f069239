"""What is said when a snapshot of a loop cannot be kept: at which step, and how much memory was missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from checkpointer.available import available_memory
from checkpointer.errors import StorageError
from checkpointer.schemes.sizes import show_size
from checkpointer.storage_ranks import on_this_rank

if TYPE_CHECKING:
    from checkpointer.loop import Loop


@contextmanager
def explained(loop: Loop, verb: str, step: int | None) -> Iterator[None]:
    """Save, load or discard the state before a step: let errors say which one it was, and how much memory it takes.

    No code of the user's runs in the ``with`` block, so a `MemoryError` in it is not the program's own.
    """
    try:
        yield
    except MemoryError as error:
        raise _out_of_memory(loop, verb, step, error) from error
    except StorageError as error:
        error.adding(f"It came{on_this_rank()} {_when(loop, verb, step)}")
        raise


def _when(loop: Loop, verb: str, step: int | None) -> str:
    state = "a snapshot" if step is None else f"the state before step {step}"
    return f"when the loop at {loop.work.place} was to {verb} {state}"


def _out_of_memory(loop: Loop, verb: str, step: int | None, error: MemoryError) -> StorageError:
    size = "a snapshot"
    with suppress(MemoryError):
        roots = loop.state.survey().roots.values()
        size = f"a snapshot of {show_size(sum(root.nbytes for root in roots))}"
    return StorageError(
        f"not enough memory{on_this_rank()} {_when(loop, verb, step)}: {size}, beside {len(loop.session)} that stand"
        f" ({_free(error)}). Give the scheme fewer snapshots, or keep them on a disk with storage=HDF5Storage(); the command"
        " checkpointer plan shows what each scheme takes"
    )


def _free(error: MemoryError) -> str:
    words = [str(error)] if str(error) else []
    with suppress(OSError, MemoryError):
        words.append(f"{show_size(available_memory())} of memory are free")
    return "; ".join(words)
