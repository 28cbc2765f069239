"""Arrays of which a part stands in the file already: the other parts are written, and a virtual dataset puts them together.

The part of a stored history that earlier steps have written, or a component that a step leaves alone, is so stored once. In
the file, the parts stand in datasets of the group ``pieces`` beside the slots, the virtual dataset under the program's name.
A piece is gone with the last snapshot that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.storage.checksums import Prepared, runs
from checkpointer.storage.compression import Compression, Lossy
from checkpointer.storage.hdf5_base import Check, Dataset
from checkpointer.storage.hdf5_datasets import create
from checkpointer.storage.hdf5_forms import file_form, form_of, new_virtual
from checkpointer.storage.portable import Content

Place = tuple[Dataset, int]
"""A dataset and the number of a unit in it."""

_WORTHWHILE = 8
"""An array is put together if at least one in so many of its bytes stands in the file."""
_LARGEST = 2
"""The pieces of an array may be larger, together, by this factor: what nothing else needs takes up space on the disk too."""
_SEARCHED = 20_000
"""Units among which those of an array are looked for."""


class Patchwork(Dataset):
    """A virtual dataset.

    Parameters
    ----------
    places : sequence of Place
        Where each unit is.
    dropped : function
        Called with the datasets that these are in, when it stands nowhere any more.
    """

    def __init__(
        self,
        content: Content,
        form: bytes,
        where: Sequence[Place],
        dropped: Callable[[Iterable[Dataset]], None],
    ) -> None:
        super().__init__(content, form)
        self._where = where
        self._dropped = dropped

    def fits(self, content: Content) -> bool:
        return False  # its pieces are others' as well

    def where(self, number: int) -> Place:
        return self._where[number]

    def take(self, prepared: Prepared) -> None:
        """It was put together from what holds this content."""
        self._remember(prepared)

    def unlink(self, group: Any, name: str) -> None:
        super().unlink(group, name)
        if not self.places:
            self._dropped(_sources(self._where))

    def give_up(self) -> None:
        pass

    def read_units(self, numbers: range, row: NDArray[np.uint8]) -> list[int]:
        damaged = []
        origin = self.units.start(numbers.start)
        for source, here, there in _runs(self._where):
            part = row[self.units.start(here.start) - origin : self.units.start(here.stop) - origin]
            damaged += [here.start + number - there.start for number in source.read_units(there, part)]
        return damaged

    def _write(self, prepared: Prepared, numbers: Sequence[int]) -> None:
        raise AssertionError("a virtual dataset was to be overwritten")

    def _read(self, numbers: range, row: NDArray[np.uint8], check: Check) -> None:
        raise AssertionError("a virtual dataset was to be read as a whole")


class Pieces:
    """The datasets of a session, and which of them hold parts of arrays that are put together.

    Parameters
    ----------
    group : h5py.Group
        That of the session.

    Attributes
    ----------
    latest : dict of str to Dataset
        What was written last under each name.
    """

    def __init__(self, group: Any, compression: Compression) -> None:
        self.latest: dict[str, Dataset] = {}
        self._session = group
        self._compression = compression
        self._group: Any = None
        self._made = 0
        self._users: dict[Dataset, int] = {}
        self._names: dict[Dataset, str] = {}
        self._written: dict[str, list[Dataset]] = {}

    def note(self, name: str, dataset: Dataset) -> None:
        """A dataset was written or linked under a name."""
        self.latest[name] = dataset
        if dataset.units.count > 1 and not isinstance(dataset, Patchwork):
            written = self._alive(name)
            if dataset not in written:
                written.append(dataset)

    def clear(self) -> None:
        """Let go of all datasets."""
        for known in (self.latest, self._users, self._names, self._written):
            known.clear()

    def find(self, name: str, prepared: Prepared, same: Sequence[int]) -> list[Place | None] | None:
        """Where each unit of an array stands in the file.

        ``same`` are the numbers of those that the latest dataset of this name holds. None if the array is better written as
        a whole.
        """
        if not same or isinstance(self._compression, Lossy):  # whose bound belongs to a whole array
            return None
        found: list[Place | None] = [None] * prepared.units.count
        for number in same:
            found[number] = self.latest[name].where(number)
        others = [number for number, place in enumerate(found) if place is None]
        prepared.find_digests(others)
        known = self._known(name, prepared)
        for number in others:
            found[number] = known.get((number, prepared.digest(number)))
        return _not_too_large(prepared, found)

    def assemble(self, name: str, prepared: Prepared, found: list[Place | None]) -> list[Place]:
        """Write the units that stand nowhere into a new piece, and hold all the pieces."""
        changed = [number for number, place in enumerate(found) if place is None]
        places = found
        if changed:
            piece = self._new_piece(prepared, changed)
            self._written.setdefault(name, []).append(piece)
            again = iter(range(len(changed)))
            places = [(piece, next(again)) if place is None else place for place in found]
        where = [place for place in places if place is not None]
        for source in _sources(where):
            self._hold(source)
        return where

    def put_together(self, state: Any, name: str, prepared: Prepared, where: list[Place]) -> Dataset:
        """The virtual dataset of these units, in a group."""
        content = prepared.content
        kind, shape = file_form(content)
        form, other = form_of(content, kind, shape)
        units = prepared.units

        def rows(numbers: range) -> tuple[int, int]:
            return numbers.start * units.rows, min(numbers.stop * units.rows, shape[units.axis])

        parts = [
            (
                f"{self._pieces().name}/{self._names[source]}",
                source.file_shape,
                rows(here),
                there.start * units.rows,
            )
            for source, here, there in _runs(where)
        ]
        try:
            made = new_virtual(state, name, kind, shape, other, units.axis, parts)
        except BaseException:
            self.drop(_sources(where))
            raise
        dataset = Patchwork(content, form, where, self.drop)
        dataset.noted_at(made)
        dataset.places[id(state), name] = state
        dataset.take(prepared)
        return dataset

    def drop(self, sources: Iterable[Dataset]) -> None:
        """An array that was put together from these is gone."""
        for source in sources:
            self._users[source] -= 1
            if not self._users[source]:
                del self._users[source]
                source.unlink(self._pieces(), self._names.pop(source))

    def _pieces(self) -> Any:
        if self._group is None:
            self._group = self._session.create_group("pieces")
        return self._group

    def _alive(self, name: str) -> list[Dataset]:
        written = self._written[name] = [known for known in self._written.get(name, ()) if known.places]
        return written

    def _known(self, name: str, prepared: Prepared) -> dict[tuple[int, bytes], Place]:
        """What stands in the file under a name, by the number of the unit in the whole array and its digest."""
        known: dict[tuple[int, bytes], Place] = {}
        for source in reversed(self._alive(name)):
            if source.part_of == prepared.content.form and source.digests:
                for place, unit in enumerate(zip(source.numbers, source.digests, strict=True)):
                    known.setdefault(unit, (source, place))
            if len(known) > _SEARCHED:
                break
        return known

    def _new_piece(self, prepared: Prepared, numbers: list[int]) -> Dataset:
        units, content = prepared.units, prepared.content
        axis, last = units.axis, min((numbers[-1] + 1) * units.rows, content.shape[units.axis])
        rows = (len(numbers) - 1) * units.rows + last - numbers[-1] * units.rows
        views = [
            np.frombuffer(view, np.uint8)
            for run in runs(numbers)
            for view in prepared.views(units.start(run.start), units.start(run.stop))
        ]
        shape = (*content.shape[:axis], rows, *content.shape[axis + 1 :])
        part = Prepared(
            Content(content.name, shape, content.dtype, tuple(views)),
            replace(units, nbytes=sum(view.size for view in views), count=len(numbers)),
        )
        part.digests = [prepared.digests[number] for number in numbers]
        name = self._next_name()
        descriptor = self._session.file.id.get_vfd_handle()
        piece = create(self._pieces(), name, part, self._compression, descriptor)
        piece.numbers, piece.part_of = numbers, content.form
        self._names[piece] = name
        try:
            piece.write(part)
        except OSError:
            piece.give_up()
            piece.unlink(self._pieces(), self._names.pop(piece))
            raise
        for number, found in zip(numbers, piece.digests, strict=True):
            prepared.digests[number] = found
        return piece

    def _hold(self, source: Dataset) -> None:
        """One array more needs it; it has a name among the pieces as long as one does."""
        if source not in self._names:
            self._names[source] = self._next_name()
            source.link(self._pieces(), self._names[source])
        self._users[source] = self._users.get(source, 0) + 1

    def _next_name(self) -> str:
        self._made += 1
        return str(self._made)


def _not_too_large(prepared: Prepared, found: list[Place | None]) -> list[Place | None] | None:
    """The places without those in the datasets of which the array needs least, until all are not too large together."""
    units = prepared.units
    used: dict[Dataset, int] = {}
    for number, place in enumerate(found):
        if place is not None:
            used[place[0]] = used.get(place[0], 0) + units.start(number + 1) - units.start(number)
    least_first = sorted(used, key=lambda source: used[source] / source.units.nbytes)
    while used:
        new = units.nbytes - sum(used.values())
        if new + sum(source.units.nbytes for source in used) <= _LARGEST * units.nbytes:
            break
        del used[least_first.pop(0)]
    if sum(used.values()) * _WORTHWHILE < units.nbytes:
        return None
    return [place if place is not None and place[0] in used else None for place in found]


def _sources(where: Iterable[Place]) -> list[Dataset]:
    return list(dict.fromkeys(source for source, _ in where))


def _runs(where: Sequence[Place]) -> list[tuple[Dataset, range, range]]:
    """The datasets with the numbers of units, in the whole array and in the dataset, that follow one another in both."""
    found: list[tuple[Dataset, range, range]] = []
    for number, (source, place) in enumerate(where):
        if found and found[-1][0] is source and found[-1][2].stop == place:
            _, here, there = found[-1]
            found[-1] = source, range(here.start, number + 1), range(there.start, place + 1)
        else:
            found.append((source, range(number, number + 1), range(place, place + 1)))
    return found
