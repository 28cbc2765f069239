"""The files of a program on several ranks: one for each, in a folder that has the name of the file it would be on one.

The folder of ``"run.h5"`` on four ranks holds ``rank-0-of-4.h5`` to ``rank-3-of-4.h5``. So a path belongs to one number of
ranks, and another number is refused, whichever of them comes second.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from checkpointer.errors import StorageError

_NAME = re.compile(r"rank-(\d+)-of-(\d+)\.h5")


def rank_file(path: str, rank: int, size: int) -> str:
    """The file of a rank. The numbers have as many digits as the largest, so that the names sort.

    >>> rank_file("run.h5", 2, 16)
    'run.h5/rank-02-of-16.h5'
    """
    return os.path.join(path, f"rank-{rank:0{len(str(size - 1))}}-of-{size}.h5")


def rank_of(path: str) -> tuple[int, int] | None:
    """The rank and the number of ranks that a file is named after.

    >>> rank_of("run.h5/rank-02-of-16.h5"), rank_of("run.h5")
    ((2, 16), None)
    """
    found = _NAME.fullmatch(os.path.basename(path))
    return None if found is None else (int(found[1]), int(found[2]))


def sizes_in(folder: str) -> dict[int, list[str]]:
    """The names of the files of ranks in a folder, by the number of ranks."""
    found: dict[int, list[str]] = {}
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in sorted(os.listdir(folder)):
            if (numbers := rank_of(name)) is not None:
                found.setdefault(numbers[1], []).append(name)
    return found


def files_of_ranks(folder: str) -> list[str]:
    """The files of all ranks in a folder.

    Raises
    ------
    StorageError
        If there are none, or one is missing, or they are of different numbers of ranks.
    """
    found = sizes_in(folder)
    if len(found) != 1:
        what = " and ".join(f"of {_ranks(size)}" for size in sorted(found))
        raise StorageError(
            f"{folder} holds files {what}, and can be of one run only: remove those that do not belong there"
            if found
            else f"{folder} is a folder, and holds no files of ranks (rank-0-of-4.h5 and so on): give the path of a file"
        )
    ((size, names),) = found.items()
    expected = [rank_file(folder, rank, size) for rank in range(size)]
    for rank, file in enumerate(expected):
        if os.path.basename(file) not in names:
            raise StorageError(f"the file of rank {rank} of {size}, {file}, is missing")
    return expected


def make_folder(path: str, size: int, *, overwrite: bool = False) -> None:
    """Make the folder of a path, unless it is there.

    Every rank does this for itself: folders may be on disks that not all ranks see.

    Parameters
    ----------
    path : str
        The path that the user gave.
    size : int
        How many ranks there are.
    overwrite : bool
        Whether what was written there on another number of ranks is removed.

    Raises
    ------
    StorageError
        If the path belongs to another number of ranks.
    OSError
        If the folder cannot be made.
    """
    if overwrite:
        _clear(path, size)
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise StorageError(
                f"{path} is a file, as a program on one rank makes it, and this one runs on {size} ranks, whose files would"
                f" stand in a folder of this name: start it on one rank, remove {path}, or choose another path"
            ) from None
    others = [other for other in sizes_in(path) if other != size]
    if others:
        raise StorageError(
            f"{path} holds the files of a program on {_ranks(others[0])}, and this one runs on {size}: start it on"
            f" {_ranks(others[0])}, remove the folder, or choose another path"
        )


def refuse_folder(path: str) -> None:
    """Refuse, in a program on one rank, a path that belongs to several."""
    if os.path.isdir(path) and (sizes := sizes_in(path)):
        size = next(iter(sizes))
        raise StorageError(
            f"{path} is a folder with the files of a program on {_ranks(size)}, and this one runs on 1: start it on"
            f" {_ranks(size)}, remove the folder, or choose another path"
        )


def _ranks(size: int) -> str:
    return f"{size} rank{'s' * (size != 1)}"


def _clear(path: str, size: int) -> None:
    """Remove what another number of ranks has left; other ranks do the same at this moment."""
    with suppress(OSError):
        os.unlink(path)  # fails if it is a folder
    for other, names in sizes_in(path).items():
        for name in names if other != size else ():
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(path, name))
