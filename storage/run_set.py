"""The files of one run on several ranks: opened together, and brought to the same durable point.

A point is made in two phases: the journals of all ranks are whole before the file of any is changed. So a kill can leave
files that have been changed by the last point, beside others that only hold it in their journals; or journals on some
ranks only, and then no file has been changed. When the files are opened next, every rank offers what it has (`Offer`), and
all come to the same decision (`decided`): the last point for which all were ready.
"""

from __future__ import annotations

import os
import platform
import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from checkpointer.errors import StorageError
from checkpointer.storage.hdf5_files import failed
from checkpointer.storage.journal import Promise, forget, keep, promised, recover, sync_folder
from checkpointer.storage.rank_files import make_folder, rank_file
from checkpointer.storage.ranks import Ranks
from checkpointer.storage.run_files import (
    Member,
    RunFile,
    closed_after_errors,
    empty,
    identity_of,
    locked,
    open_already,
    register,
)

OPEN, NEW, CLEAN, READY = "open", "new", "clean", "ready"


@dataclass(frozen=True)
class Offer:
    """What the file of a rank can go on from.

    Attributes
    ----------
    state : str
        ``OPEN``: this process has it open. ``NEW``: there is none, or nothing in it. ``CLEAN``: it is at a point.
        ``READY``: its journal holds the next point, by which it may have been changed or not.
    file, node : str
        Its path, and the machine.
    token : bytes
        16 random bytes of this start of the program.
    set : bytes
        Which set the file belongs to.
    point : int
        The point that it is at, or is ready for.
    promise : bytes
        If ``READY``: the token of rank 0 in the start that was to make the point.
    """

    state: str
    file: str
    node: str
    token: bytes
    set: bytes = b""
    point: int = 0
    promise: bytes = b""

    @property
    def points(self) -> tuple[int, ...]:
        """The points that it can go on from."""
        return (self.point - 1, self.point) if self.state == READY else (self.point,)


@dataclass(frozen=True)
class Decision:
    """What all ranks do: go on from a point of a set, or begin a new set."""

    set: bytes
    point: int
    begin: bool = False


def decided(offers: Sequence[Offer], folder: str) -> Decision:
    """What the ranks do, given the offers of all; every rank comes to the same decision.

    Raises
    ------
    StorageError
        If the files do not fit together: naming rank, file, and what helps.
    """
    lost = [rank for rank, offer in enumerate(offers) if offer.state != OPEN]
    if 0 < len(lost) < len(offers):
        raise StorageError(
            f"{_of_ranks(lost, offers)} {offers[lost[0]].file}, is lost: somebody removed or replaced it, or its disk is"
            " gone, while a loop used it; run the program again, and keep the files until the result is in"
        )
    kept = [offer for offer in offers if offer.state != NEW]
    if len(kept) < len(offers) and not any(offer.point for offer in kept):
        return Decision(offers[0].token, 0, begin=True)
    for rank, offer in enumerate(offers):
        if offer.state == NEW:
            raise _missing(rank, offers, max(offer.point for offer in kept), folder)
    _refuse_mixed(offers, folder)
    return Decision(offers[0].set, _last_common(offers, folder))


def _last_common(offers: Sequence[Offer], folder: str) -> int:
    point = min(offer.point for offer in offers)
    if len({offer.promise for offer in offers if offer.state == READY and offer.point == point}) > 1:
        point -= 1  # they were ready in different starts of the program
    if not all(point in offer.points for offer in offers):
        where = ", ".join(f"{offer.file} at {offer.point}" for offer in offers[:8])
        raise StorageError(
            f"the files in {folder} are of different moments of the run (durable points: {where}"
            f"{', ...' if len(offers) > 8 else ''}): some were put there from a copy. Bring back copies that were made at"
            " the same time, or remove the folder to start anew"
        )
    return point


def _missing(rank: int, offers: Sequence[Offer], point: int, folder: str) -> StorageError:
    offer = offers[rank]
    return StorageError(
        f"{_of_ranks([rank], offers)} {offer.file}, is missing or empty on {offer.node}, and those of other ranks hold a run"
        f" up to its durable point {point}. Bring it back (or start the rank on the machine whose disk it is on), or remove"
        f" {folder} on all machines to start anew"
    )


def _refuse_mixed(offers: Sequence[Offer], folder: str) -> None:
    (usual, _), *others = Counter(offer.set for offer in offers).most_common()
    if others:
        ranks = [rank for rank, offer in enumerate(offers) if offer.set != usual]
        names = ", ".join(offers[rank].file for rank in ranks[:8])
        raise StorageError(
            f"the files in {folder} are of different runs: {_of_ranks(ranks, offers)} ({names}) is not of the run that the"
            " others are of. Bring back the file that belongs there, or remove the folder to start anew"
        )


def _of_ranks(ranks: list[int], offers: Sequence[Offer]) -> str:
    if len(ranks) == 1:
        return f"the file of rank {ranks[0]} of {len(offers)},"
    return f"the files of ranks {', '.join(map(str, ranks[:8]))} of {len(offers)},"


def run_file_of_rank(path: str, ranks: Ranks) -> RunFile:
    """The file of this rank, at the point that all ranks go on from. All ranks have to call it.

    Raises
    ------
    StorageError
        On every rank, if the file of one is missing, damaged, in use, of another run or of another number of ranks.
    """
    opening = _Opening(os.path.realpath(path), ranks)
    try:
        offers = ranks.together(f"open {path}", opening.offer)
        ranks.together(f"go on with {path}", lambda: opening.follow(decided(offers, opening.folder)))
    except BaseException:
        opening.give_up()
        raise
    assert opening.file is not None
    if offers[ranks.rank].state != OPEN:
        opening.file.token = offers[0].token
        register(opening.file)
    return opening.file


class _Opening:
    """The file of this rank between its first look and the decision of all."""

    def __init__(self, folder: str, ranks: Ranks) -> None:
        self.folder = folder
        self.file: RunFile | None = None
        self._ranks = ranks
        self._path = rank_file(folder, ranks.rank, ranks.size)
        self._descriptor = -1
        self._made = False
        self._offer: Offer | None = None
        self._promise: Promise | None = None
        self._read: RunFile | None = None

    def offer(self) -> Offer:
        """What this rank has."""
        token, node = secrets.token_bytes(16), platform.node()
        self.file = open_already(self._path)
        if self.file is not None:
            assert self.file.member is not None
            self.file.check()
            return Offer(OPEN, self._path, node, token, self.file.member.set, self.file.point)
        self._open()
        state, member, point = self._look()
        if member is not None and (member.rank, member.size) != (self._ranks.rank, self._ranks.size):
            raise StorageError(
                f"{self._path} is the file of rank {member.rank} of {member.size}, and was put in the place of another one:"
                " give the files the names that they had"
            )
        set_of_files = b"" if member is None else member.set
        promise = b"" if self._promise is None else self._promise.token
        self._offer = Offer(state, self._path, node, token, set_of_files, point, promise)
        return self._offer

    def _open(self) -> None:
        try:
            make_folder(self.folder, self._ranks.size)
            sync_folder(self.folder)
        except OSError as error:
            raise failed(f"make the folder {self.folder}", 0, os.path.dirname(self.folder), error) from error
        self._made = not os.path.lexists(self._path)
        self._descriptor = locked(self._path)
        self._journal, self._identity = f"{self._path}-journal", identity_of(self._descriptor)

    def _look(self) -> tuple[str, Member | None, int]:
        descriptor = self._descriptor
        if not os.fstat(descriptor).st_size:
            return NEW, None, 0
        recover(descriptor, self._journal, self._identity)
        self._promise = promised(self._journal, self._identity)
        if self._promise is not None:
            promise = self._promise
            return READY, Member(promise.set, promise.rank, promise.size), promise.point
        self._descriptor = -1
        with closed_after_errors(self._path, descriptor):
            self._read = RunFile(self._path, descriptor)
        if self._read.member is None:
            raise StorageError(
                f"{self._path} is the file of a program on one rank, and was put in the place of that of rank"
                f" {self._ranks.rank}: bring back the file that belongs there, or remove the folder to start anew"
            )
        return CLEAN, self._read.member, self._read.point

    def follow(self, decision: Decision) -> None:
        """Do what was decided."""
        if self.file is not None:
            return
        offer, descriptor = self._offer, self._descriptor
        assert offer is not None
        if decision.begin:
            self._begin(decision.set)
        elif self._read is not None:
            self._take(self._read)
        else:
            self._descriptor = -1
            with closed_after_errors(self._path, descriptor):
                if decision.point == offer.point:
                    keep(descriptor, self._journal, self._identity)
                forget(self._journal)
                self._take(RunFile(self._path, descriptor))
        assert self.file is not None
        if self.file.point != decision.point:
            raise StorageError(
                f"{self._path} is damaged: it is at the durable point {self.file.point}, and should be at {decision.point}."
                f" Bring back a good copy, or remove {self.folder} to start anew"
            )

    def _begin(self, set_of_files: bytes) -> None:
        """A new file, in the place of one that was never used."""
        if self._read is not None:
            self._read.file.close()
            self._descriptor, self._read = self._read.descriptor, None
            os.ftruncate(self._descriptor, 0)
        empty(self._journal)
        descriptor, self._descriptor = self._descriptor, -1
        with closed_after_errors(self._path, descriptor):
            self._take(
                RunFile(self._path, descriptor, Member(set_of_files, self._ranks.rank, self._ranks.size))
            )

    def _take(self, opened: RunFile) -> None:
        self.file = self._read = opened.without_waste()
        self.file.ranks = self._ranks

    def give_up(self) -> None:
        """The ranks have come to no decision: leave everything as it was."""
        if self._read is not None:
            self._read.close()
        if self._descriptor >= 0:
            with suppress(OSError):
                if self._made and not os.fstat(self._descriptor).st_size:
                    os.unlink(self._path)
            os.close(self._descriptor)
