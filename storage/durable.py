"""Snapshots that outlive the process: a session whose durable points a later process can go on from.

In the group of a loop, each snapshot has a group ``state-1``, ``state-2``, ... and is never overwritten: what is discarded
goes with the next commit, so that a committed state of the file is whole for as long as it is in force. A snapshot can
serve a later process wherever the state before its step is wanted, whatever slot it stood in. The group ``point`` says how
far the loop had come, in a text and arrays of the runtime's.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpointer.errors import StorageError
from checkpointer.storage.base import Session
from checkpointer.storage.hdf5 import named
from checkpointer.storage.hdf5_base import DamageError
from checkpointer.storage.hdf5_datasets import Dataset, opened
from checkpointer.storage.hdf5_slots import now
from checkpointer.storage.portable import Content, Frame, Portable
from checkpointer.storage.run_files import RunFile, read_text, write, write_text

ReadFrame = Callable[[str], Frame]
"""Makes a frame of the text that was the snapshot's `Portable.description`."""

_COMPRESSED = 4096
"""Bytes of an array that is worth compressing."""
_MOST_PENDING = 1 << 26
"""Bytes that HDF5 may have written to memory before they are committed."""


@dataclass(frozen=True)
class Point:
    """How far a loop had come in an earlier process: what `DurableSession.commit` was given."""

    text: str
    arrays: list[NDArray[Any]]


class DurableSession(Session):
    """The snapshots of one run of a loop, in the file of a run that can be resumed. Nothing is stored before `begin`.

    Attributes
    ----------
    file : RunFile
    ranks : Ranks
        Those that make their points together with this process; they have to call `commit` together.
    every : float
        Seconds from one durable point to the next.
    complete : bool
        Whether the loop is done, so that no other loop may go on with what it has left.
    """

    def __init__(self, file: RunFile, compression: Any, every: float) -> None:
        super().__init__()
        self.file = file
        self.ranks = file.ranks
        self.every = every
        self._compression = compression
        self._group: Any = None
        self._states: dict[int, _State] = {}
        self._found: dict[int, _State] = {}
        self._garbage: list[_State] = []
        self._latest: dict[str, Dataset] = {}
        self._serial = 0
        self.complete = False
        self._leave: Callable[[], object] = lambda: None

    @property
    def durable(self) -> DurableSession:
        return self

    def copies(self, level: int = 0) -> bool:
        return True

    def wants_description(self, level: int = 0) -> bool:
        return True

    # --- what an earlier process has left ------------------------------------------------------------------------

    def begin(self, identity: str, read_frame: ReadFrame) -> Point | None:
        """Take the part of the file that belongs to a loop of this identity.

        Returns
        -------
        Point or None
            Where to go on; None if the loop begins.

        Raises
        ------
        StorageError
            If the file is damaged.
        """
        self.file.check()
        with self.file.errors("begin the snapshots of a loop", 0):
            self._group, found = self.file.take(identity)
            self._leave = weakref.finalize(self, self.file.leave, self._group.name)
            states = [self._group[name] for name in self._group if name.startswith("state-")]
            self._serial = max((_serial(group) for group in states), default=0)
            if not found or "point" not in self._group:
                return None
            for group in sorted(states, key=_serial):
                if "contents" in group:  # otherwise it was being written when another loop made a point
                    state = _State.read(self.file, group, read_frame)
                    self._found[state.step] = state
            if self.ranks.size > 1:
                self._verify_found()
            return self._point()

    def _verify_found(self) -> None:
        """Read all that an earlier process has left.

        On ranks, none is to find damage in the middle of a sweep, when others wait for it.
        """
        seen = set()
        for state in self._found.values():
            for name, dataset in state.datasets.items():
                place = state.group[name].id.get_offset(), dataset.described
                if place[0] is None or place not in seen:
                    seen.add(place)
                    try:
                        dataset.loaded()
                    except DamageError as error:
                        raise DamageError(f"{name} in the snapshot of step {state.step}: {error}") from None

    def found_steps(self) -> list[int]:
        """The steps of which there are snapshots of an earlier process."""
        return sorted(self._found)

    def use_only(self, steps: Collection[int]) -> None:
        """Let only these of the snapshots of an earlier process be used: those that all ranks have."""
        for step in self._found.keys() - steps:
            self._garbage.append(self._found.pop(step))

    def has(self, step: int) -> bool:
        """Whether there is a snapshot of the state before a step."""
        return any(state.step == step for state in self._states.values())

    def nearest(self, step: int) -> int | None:
        """The last step up to this one of which there is a snapshot of an earlier process."""
        return max((found for found in self._found if 0 <= found <= step), default=None)

    def found(self, step: int) -> object:
        """The snapshot of an earlier process of the state before a step."""
        return self._loaded(self._found[step])

    def adopt(self, key: int, step: int, level: int = 0) -> bool:
        state = self._found.get(step)
        if state is None or key in self._keys:
            return False
        self._states[key] = state
        self._keys.add(key)
        return True

    def settle(self) -> None:
        """Nothing more of what an earlier process has left is wanted: it goes with the next commit."""
        kept = set(map(id, self._states.values()))
        self._garbage += [state for state in self._found.values() if id(state) not in kept]
        self._found.clear()

    # --- what this process leaves --------------------------------------------------------------------------------

    def commit(self, where: str, make: Callable[[], tuple[str, list[NDArray[Any]]]]) -> None:
        """Make a durable point of all that stands now. On ranks all do, and all have to be ready before one goes on.

        Parameters
        ----------
        where : str
            What a message says of it, the same on all ranks.
        make : function
            Saves what is still to be saved, and returns a text and arrays that tell how far the loop has come; a later
            `begin` returns them.

        Raises
        ------
        StorageError
            If the disk is full or fails, on this rank or on another; then the last point is in force.
        """

        def prepare() -> None:
            text, arrays = make()
            self.file.check()
            with self.file.errors("make a durable point", sum(array.nbytes for array in arrays)):
                self._write_point(text, arrays)
                for state in self._garbage:
                    state.remove(self._group)
                self._garbage.clear()
                self.file.prepare()

        try:
            self.ranks.together(f"make a durable point of the {where}", prepare)
        except BaseException:
            self.file.give_up()
            raise
        with self.file.errors("make a durable point", 0):
            self.file.apply()

    def finish(self) -> None:
        """The loop is done, and its last point made: no other loop may go on with what it has left."""
        self.complete = True
        if self.file.in_place():
            self.file.journal.settle()

    def _write_point(self, text: str, arrays: list[NDArray[Any]]) -> None:
        """The new one beside the old one, whose place it then takes."""
        if "point-new" in self._group:
            del self._group["point-new"]
        group = self._group.create_group("point-new")
        group.attrs["written"] = now()
        written = [
            self._write(group, f"array-{number}", Content("", array.shape, array.dtype, (array,)))
            for number, array in enumerate(arrays)
        ]
        about = {"text": text, "arrays": [dataset.described.hex() for dataset in written]}
        write_text(group, "progress", json.dumps(about), self.file)
        if "point" in self._group:
            del self._group["point"]
        self._group.move("point-new", "point")

    def _point(self) -> Point:
        group, descriptor = self._group["point"], self.file.descriptor
        about = json.loads(read_text(group, "progress", descriptor))
        arrays = [
            _expected(group, f"array-{number}", descriptor, described).loaded()
            for number, described in enumerate(about["arrays"])
        ]
        return Point(about["text"], arrays)

    def _save(self, key: int, snapshot: object, level: int) -> None:
        if not isinstance(snapshot, Portable) or self._group is None:
            raise StorageError(f"HDF5Storage(resume=True) keeps snapshots of loops only, not {snapshot!r}")
        self.file.check()
        contents = named(snapshot)
        with self.file.errors("save a snapshot", sum(content.nbytes for content in contents.values())):
            self._serial += 1
            step = -1 if snapshot.step is None else snapshot.step
            group = self._group.create_group(f"state-{self._serial}")
            group.attrs.update(step=np.int64(step), written=now())
            state = _State(self.file, group, step, snapshot.emptied(), group.create_group("state"))
            for name, content in contents.items():
                state.add(
                    name, self._unchanged(state, name, content) or self._write(state.group, name, content)
                )
            names = list(contents)[: len(contents) - len(snapshot.numbers())]
            state.order = names
            arrays = [[name, state.datasets[name].described.hex()] for name in names]
            about = {"step": step, "arrays": arrays, "frame": snapshot.description}
            write_text(group, "contents", json.dumps(about), self.file)
            self._latest.update(state.datasets)
            self._states[key] = state
            if self.file.journal.pending > _MOST_PENDING:
                self.file.commit()

    def _unchanged(self, state: _State, name: str, content: Content) -> Dataset | None:
        last = self._latest.get(name)
        if last is None or not last.holds(content):
            return None
        last.link(state.group, name)
        return last

    def _write(self, group: Any, name: str, content: Content) -> Dataset:
        compression = self._compression if content.nbytes >= _COMPRESSED else None
        return write(group, name, content, self.file, compression)

    def _load(self, key: int) -> object:
        return self._loaded(self._states[key])

    def _loaded(self, state: _State) -> object:
        def fill(number: int, array: NDArray[Any]) -> None:
            self.file.check()
            name = state.order[number]
            with self.file.errors("load a snapshot", array.nbytes):
                try:
                    state.datasets[name].read(array)
                except DamageError as error:
                    raise DamageError(f"{name} in the snapshot of step {state.step}: {error}") from None

        return state.frame.filled(fill)

    def _discard(self, key: int) -> None:
        state = self._states.pop(key)
        if any(state is other for other in self._states.values()):
            return
        if state.committed:
            self._garbage.append(state)
        else:
            with self.file.errors("discard a snapshot", 0):
                state.remove(self._group)

    def _close(self) -> None:
        """A loop that is not done leaves what was committed of it to the next one of its identity."""
        uncommitted = {id(state): state for state in self._states.values() if not state.committed}
        self._states.clear()
        self._found.clear()
        self._latest.clear()
        self._garbage.clear()
        if self.complete:
            self._leave.detach()  # type: ignore[attr-defined]
            return
        self._leave()
        if self._group is not None and self.file.in_place():
            with self.file.errors("give back the room of snapshots", 0):
                for state in uncommitted.values():
                    state.remove(self._group)


class _State:
    """The group of a snapshot.

    Attributes
    ----------
    step : int
    frame : Frame
    group : h5py.Group
        Where the datasets are.
    datasets : dict of Dataset
        By their names there.
    order : list of str
        Their names in the order of the snapshot's arrays.
    """

    def __init__(self, file: RunFile, outer: Any, step: int, frame: Frame, group: Any) -> None:
        self._file = file
        self._since = file.commits
        self.step = step
        self.frame = frame
        self.group = group
        self.datasets: dict[str, Dataset] = {}
        self.order: list[str] = []
        self._name = outer.name.rpartition("/")[2]

    @property
    def committed(self) -> bool:
        """Whether it is part of a committed state of the file, so that its place must not be used again before the next."""
        return self._file.commits > self._since

    @staticmethod
    def read(file: RunFile, outer: Any, read_frame: ReadFrame) -> _State:
        """The snapshot that an earlier process has written."""
        descriptor = file.descriptor
        about = json.loads(read_text(outer, "contents", descriptor))
        state = _State(file, outer, about["step"], read_frame(about["frame"]), outer["state"])
        state._since = -1
        state.order = [name for name, _ in about["arrays"]]
        described = dict(about["arrays"])
        for name in state.group:
            state.add(name, _expected(state.group, name, descriptor, described.get(name)))
        if missing := described.keys() - state.datasets.keys():
            raise DamageError(f"{min(missing)} in the snapshot of step {state.step} is missing")
        return state

    def add(self, name: str, dataset: Dataset) -> None:
        """One more dataset, which stands in the group."""
        self.datasets[name] = dataset

    def remove(self, loop: Any) -> None:
        """Take it out of the file."""
        for name, dataset in self.datasets.items():
            dataset.unlink(self.group, name)
        self.datasets.clear()
        del loop[self._name]


def _expected(group: Any, name: str, descriptor: int, described: str | None) -> Dataset:
    """A dataset of an earlier process, which has the form and the checksum that were noted elsewhere."""
    dataset = opened(group, name, descriptor)
    if described is not None and dataset.described.hex() != described:
        raise DamageError(f"{group.name}/{name} has not the shape, type or checksum that it was written with")
    return dataset


def _serial(group: Any) -> int:
    return int(group.name.rpartition("-")[2])
