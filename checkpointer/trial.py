"""The trial of one step: what it costs to run it, to reverse it, and to store the state.

The step runs for real, once, under the tape, and what it leaves is what the loop goes on with. Then the arrays are
set back, and the step is reversed and run again, in silence, to be measured; so a trial can do no more to a program
than a reverse sweep does.
"""

from __future__ import annotations

import mmap
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from checkpointer.active import active
from checkpointer.available import available_memory
from checkpointer.failures import explained
from checkpointer.replay import quiet_replay, replay
from checkpointer.schemes import Measurement
from checkpointer.snapshots import Snapshot, capture
from checkpointer.storage import TieredSession
from checkpointer.stretch import Adjoint, Stretch
from checkpointer.tape import not_recording

if TYPE_CHECKING:
    from checkpointer.loop import Loop

_SLOT = -1
"""Where the trial's own snapshots are stored: no schedule has such a slot."""
_MOST = 1024
_ROUNDS = 3
_ENOUGH = 0.2
"""Seconds after which a trial is not repeated."""
_ENOUGH_BYTES = 2**28
"""Of more memory than this, a part is tried."""

_measured: dict[Any, Measurement] = {}


def on_trial(loop: Loop, number: int) -> Measurement | None:
    """Run a step of the first sweep, whose state before stands in slot 0, and measure what it costs.

    A loop that runs in a step of another loop, as often as that has steps, is not measured again if its code and the size of
    its state are the same.

    Returns
    -------
    Measurement or None
        None if the loop ends in this step.
    """
    before = loop.session.load(0)
    assert isinstance(before, Snapshot)
    loop.session.drain(
        let_go=True
    )  # nothing is written while the clock runs, and what is read is read from the disk
    levels = 2 if isinstance(loop.session, TieredSession) else 1
    key = loop.step.__code__, before.nbytes, levels, loop.session.kinds
    if loop.log is not None:
        with loop.work.on_trial():
            return _measured_with_others(loop, number, before, levels)
    if loop.nested and key in _measured:
        loop.advance_first(number, number + 1)
        return replace(_measured[key], available=available_memory())
    with loop.work.on_trial():
        measured = _measured_step(loop, number, before, levels)
    if measured is not None:
        if len(_measured) >= _MOST:
            _measured.clear()
        _measured[key] = measured
    return measured


def _measured_with_others(loop: Loop, number: int, before: Snapshot, levels: int) -> Measurement | None:
    """A step that may communicate: all ranks try it as often, and go on with what costs most on any."""
    from checkpointer.mpi4py.measured import agreed  # the program has loaded mpi4py

    assert loop.log is not None
    traffic = active.traffic
    again, adjoint = replace(traffic.again), replace(traffic.adjoint)
    measured = _measured_step(loop, number, before, levels)
    traffic.again, traffic.adjoint = again, adjoint
    return agreed(loop.log, measured) if loop.log.used and measured is not None else measured


def _measured_step(loop: Loop, number: int, before: Snapshot, levels: int) -> Measurement | None:
    available = available_memory()
    found = _run_and_weigh(loop, number, before)
    if found is None:
        return None
    after, sizes = found
    lists = [(tail, list(tail.owner)) for tail in loop.state.tails.values()]
    try:
        with quiet_replay, loop.state.guarded(), np.errstate(all="ignore"):
            times = _timed(loop, number, levels)
        times["keep"] += _new_memory(sizes["tape_bytes"])
    finally:
        loop.handles.show()
    for tail, items in lists:
        tail.refill(items)  # of which snapshots know only how many there are
    after.restore(loop.known)
    loop.known.note_steps()
    loop.state.begin(number + 1)
    return Measurement(**sizes, **times, available=available)


def forget() -> None:
    """Measure every loop anew when it runs next."""
    _measured.clear()


def _run_and_weigh(loop: Loop, number: int, before: Snapshot) -> tuple[Snapshot, dict[str, Any]] | None:
    """Run the step; find out how much memory its tape, its reversal and a snapshot take. The arrays are set back."""
    with _memory_watched() as watch:
        taped = loop.run_first_taped(number)
        if taped.signal is not None:
            return None
        tape = watch.held()
        with explained(loop, "save", number + 1):
            after = capture(loop.state, loop.known)
        snapshot = watch.held() - tape
        with np.errstate(all="ignore"):
            _pull_back(loop, taped.stretch)
        working = watch.most(otherwise=2 * tape)
    loop.known.note_steps()
    return after, {
        "first_bytes": before.nbytes + after.grown_from(before),
        "snapshot_bytes": max(snapshot, 1),
        "disk_bytes": after.nbytes,
        "tape_bytes": max(tape, 1),
        "working_bytes": max(working, tape, 1) + loop.session.buffers * after.nbytes,
    }


def _timed(loop: Loop, number: int, levels: int) -> dict[str, Any]:
    """Reverse and run the step again, store and restore the state, and look at the clock; ends in the state before it."""
    loop.restore(number, 0)
    clock = _Clock(_ROUNDS if loop.log is None else 1)
    while clock.wanted:
        with replay():
            _time_reversal(loop, number, clock)
        loop.known.note_steps()
        clock.time("read", lambda: loop.restore(number, 0))
        with not_recording(), replay():
            clock.time("step", lambda: loop.run(number))
        loop.known.note_steps()
        for level in range(levels):
            _time_level(loop, number + 1, level, clock)
        loop.restore(number, 0)
    read = clock.median("read")
    return {
        "step": clock.median("step"),
        "reverse": clock.median("tape") + clock.median("back"),
        "keep": clock.median("keep"),
        "write": tuple(clock.median(f"write {level}") for level in range(levels)),
        "read": (read, *(max(read, clock.median(f"read {level}")) for level in range(1, levels))),
    }


def _time_level(loop: Loop, number: int, level: int, clock: _Clock) -> None:
    clock.time(f"write {level}", lambda: _write(loop, number, level))
    clock.time(
        f"read {level}", lambda: loop.restore(number, _SLOT)
    )  # takes no time where no array has to be written
    loop.discard(_SLOT)


def _write(loop: Loop, number: int, level: int) -> None:
    """Store the state, and wait until it is stored: a disk that is always busy makes every snapshot wait as long."""
    loop.save(number, _SLOT, level)
    loop.session.drain(let_go=True)


class _Clock:
    """Times of calls, by name."""

    def __init__(self, rounds: int = _ROUNDS) -> None:
        self._times: dict[str, list[float]] = {}
        self._rounds = 0
        self._most = rounds

    @property
    def wanted(self) -> bool:
        """Whether another round of calls is worth while: three of them, or one if that is slow or they are counted."""
        self._rounds += 1
        spent = sum(map(sum, self._times.values()))
        return self._rounds == 1 or (self._rounds <= self._most and spent < _ENOUGH)

    def time(self, name: str, call: Callable[[], Any]) -> Any:
        start = perf_counter()
        result = call()
        self._times.setdefault(name, []).append(perf_counter() - start)
        return result

    def median(self, name: str) -> float:
        return median(self._times[name])


def _time_reversal(loop: Loop, number: int, clock: _Clock) -> None:
    taped = clock.time("tape", lambda: loop.run_taped(number))

    def keep() -> None:
        taped.keep()
        taped.check_untouched(number)

    def back() -> None:
        taped.compare(number, {})
        _pull_back(loop, taped.stretch)

    clock.time("keep", keep)
    clock.time("back", back)


def _new_memory(size: int) -> float:
    """Seconds that it takes to get so many bytes of memory that are new to the process: the first write finds no pages."""
    part = min(size, _ENOUGH_BYTES)
    array = np.frombuffer(mmap.mmap(-1, part), np.uint8)
    clock = _Clock()
    clock.time("first", lambda: array.fill(1))
    clock.time("second", lambda: array.fill(1))
    return max(clock.median("first") - clock.median("second"), 0.0) * size / part


def _pull_back(loop: Loop, stretch: Stretch) -> None:
    """Reverse a stretch from ones everywhere.

    A rule may fail at what the loop's result does not depend on, which no reverse sweep asks for; where one does, it fails
    there again, and where other ranks wait for this one, at once. The caller restores the arrays afterwards, also those
    that the tape's writes were not undone in.
    """
    with suppress(Exception) if loop.log is None else nullcontext():
        stretch.pullback(_ones(stretch))


def _ones(stretch: Stretch) -> Adjoint:
    """An adjoint of the state after a stretch that leaves no operation out."""
    adjoint: Adjoint = {}
    for group in stretch.after:
        for key, node in group.members[:1]:
            value = node.value
            adjoint[key] = (
                np.ones(value.shape, value.dtype) if isinstance(value, np.ndarray) else type(value)(1)
            )
    return adjoint


class _Watch:
    """What Python and NumPy have allocated."""

    def __init__(self) -> None:
        self._start, self._peak = tracemalloc.get_traced_memory()

    def held(self) -> int:
        """Bytes that are held beyond those at the start."""
        return tracemalloc.get_traced_memory()[0] - self._start

    def most(self, otherwise: int) -> int:
        """The most bytes held beyond those at the start; ``otherwise`` if more were held before, so that nobody knows."""
        peak = tracemalloc.get_traced_memory()[1]
        return peak - self._start if peak > self._peak else otherwise


_watching = threading.RLock()


@contextmanager
def _memory_watched() -> Iterator[_Watch]:
    """Count allocations, of one trial at a time; if somebody does so already, leave what they have counted as it is."""
    with _watching:
        ours = not tracemalloc.is_tracing()
        if ours:
            tracemalloc.start(1)
        try:
            yield _Watch()
        finally:
            if ours:
                tracemalloc.stop()
