"""The ranks of a parallel program, as a storage sees them: the runtime tells it who is there, and how all agree.

What may fail on one rank only, such as opening its file, is done by all of them `Ranks.together`: then either all go on, or
all stop with an error that names the rank, and none waits for another one for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from checkpointer.errors import CheckpointerError, StorageError

T = TypeVar("T")

_SHOWN = 3
"""Ranks whose errors a message repeats."""


@dataclass(frozen=True)
class Ranks:
    """The processes that run the same loops, each with its part of the data.

    Attributes
    ----------
    rank, size : int
        The number of this one, from 0, and how many there are.
    gathered : function
        What every rank calls it with, by rank. All have to call it, and wait for the others in it.
    """

    rank: int
    size: int
    gathered: Callable[[Any], list[Any]]

    def together(self, task: str, work: Callable[[], T]) -> list[T]:
        """Do something that may fail, on every rank.

        Parameters
        ----------
        task : str
            What is done, in words that are the same on all ranks: "open run.h5".
        work : function
            Its result is sent to all ranks.

        Returns
        -------
        list
            The results, by rank.

        Raises
        ------
        StorageError
            On every rank: if it failed on one, or if another rank was to do something else.

        >>> ALONE.together("add", lambda: 1 + 2)
        [3]
        """
        if self.size == 1:
            return [work()]
        result, failure = None, None
        try:
            result = work()
        except Exception as error:
            failure = error
        said = self.gathered((task, None if failure is None else _in_words(failure), result))
        others = self._others(task, said)
        if others is not None:
            raise others
        failed = self._failed([what[1] for what in said])
        if failed is not None:
            with suppress(CheckpointerError):  # who is gone has heard of it
                self.gathered(
                    "all have heard of the error"
                )  # before one leaves, and lets those know that wait for it
            failed.known = True  # to all ranks: none has to be told
            raise failed from failure
        return [found for _, _, found in said]

    def _others(self, task: str, said: list[Any]) -> StorageError | None:
        """What is said if ranks are at different places of the program."""
        for rank, what in enumerate(said):
            other = what[0] if isinstance(what, tuple) and len(what) == 3 else "do something else"
            if other != task:
                return StorageError(
                    f"the ranks do not do the same: rank {self.rank} of {self.size} is to {task}, and rank {rank} is to"
                    f" {other}. All ranks have to run the same loops, for the same number of steps, with the same storage;"
                    " if only some of them run a loop, give its storage their communicator: HDF5Storage(..., comm=comm)"
                )
        return None

    def _failed(self, texts: list[str | None]) -> StorageError | None:
        """What is said if ranks failed."""
        failed = {rank: text for rank, text in enumerate(texts) if text is not None}
        if not failed:
            return None
        if len(failed) == self.size and len(set(texts)) == 1:
            return StorageError(failed[0])
        shown = [f"on rank {rank} of {self.size}: {text}" for rank, text in list(failed.items())[:_SHOWN]]
        if len(failed) > _SHOWN:
            shown.append(f"and {len(failed) - _SHOWN} more ranks failed")
        return StorageError("\n".join(shown))


ALONE = Ranks(0, 1, lambda value: [value])
"""A program of one process."""

RanksOf = Callable[[Any], Ranks]
"""Tells the ranks of a communicator; of the whole program for None."""


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
