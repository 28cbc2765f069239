"""The ranks of a parallel program, as a storage sees them: the runtime tells it who is there, and how all agree.

What may fail on one rank only, such as opening its file, is done by all of them `Ranks.together`: then either all go on, or
all stop with an error that names the rank, and none waits for another one for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from checkpointer.errors import StorageError

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
        self._refuse_others(task, said)
        failed = {rank: text for rank, (_, text, _) in enumerate(said) if text is not None}
        if failed:
            raise self._failed(failed) from failure
        return [found for _, _, found in said]

    def _refuse_others(self, task: str, said: list[Any]) -> None:
        """Refuse that ranks are at different places of the program."""
        for rank, what in enumerate(said):
            other = what[0] if isinstance(what, tuple) and len(what) == 3 else "something else"
            if other != task:
                raise StorageError(
                    f"the ranks do not do the same: rank {self.rank} of {self.size} is to {task}, and rank {rank} to {other}."
                    " All ranks have to run the same loops, for the same number of steps, with the same storage; if only some"
                    " of them run a loop, give its storage their communicator: HDF5Storage(..., comm=comm)"
                )

    def _failed(self, failed: dict[int, str]) -> StorageError:
        shown = [
            f"on rank {rank} of {self.size}: {text}"
            for rank, text in list(failed.items())[:_SHOWN]
        ]
        if len(failed) > _SHOWN:
            shown.append(f"and {len(failed) - _SHOWN} more ranks failed")
        return StorageError("\n".join(shown))


ALONE = Ranks(0, 1, lambda value: [value])
"""A program of one process."""

RanksOf = Callable[[Any], Ranks]
"""Tells the ranks of a communicator; of the whole program for None."""


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
