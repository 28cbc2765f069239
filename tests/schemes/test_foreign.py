"""Schedules of the package checkpoint_schedules, executed as ours: the same counts, and the same gradients."""

import doctest

import pytest

from checkpointer.errors import ArgumentError, ScheduleError
from checkpointer.schemes import (
    Advance,
    FromCheckpointSchedules,
    Multistage,
    Record,
    Revolve,
    Snapshot,
    TwoLevel,
    advances,
    foreign,
    simulate,
)

theirs = pytest.importorskip("checkpoint_schedules")

pytestmark = pytest.mark.filterwarnings("ignore:Numba not available")

RAM, DISK, WORK, NONE = (theirs.StorageType[name] for name in ("RAM", "DISK", "WORK", "NONE"))


OFFLINE = {
    "Revolve": lambda n: theirs.Revolve(n, 3),
    "one slot": lambda n: theirs.Revolve(n, 1),
    "Multistage in memory": lambda n: theirs.MultistageCheckpointSchedule(n, 3, 0),
    "Multistage": lambda n: theirs.MultistageCheckpointSchedule(n, 1, 2, trajectory="revolve"),
    "Mixed on disk": lambda n: theirs.MixedCheckpointSchedule(n, min(3, n - 1) or 1),
    "Mixed in memory": lambda n: theirs.MixedCheckpointSchedule(n, min(2, n - 1) or 1, storage=RAM),
    "HRevolve": lambda n: theirs.HRevolve(n, 1, 2),
    "DiskRevolve": lambda n: theirs.DiskRevolve(n, 2),
    "PeriodicDiskRevolve": lambda n: theirs.PeriodicDiskRevolve(n, 2),
}
ONLINE = {
    "SingleMemory": lambda n: theirs.SingleMemoryStorageSchedule(),
    "SingleDisk": lambda n: theirs.SingleDiskStorageSchedule(),
    "SingleDisk, moved": lambda n: theirs.SingleDiskStorageSchedule(move_data=True),
    "TwoLevel on disk": lambda n: theirs.TwoLevelCheckpointSchedule(4, 2),
    "TwoLevel": lambda n: theirs.TwoLevelCheckpointSchedule(4, 2, binomial_storage=RAM),
}


def counted(schedule, n):
    """Forward steps, states written, and states read, by storage, as their actions say."""
    steps, written, read, holds = 0, {RAM: 0, DISK: 0}, {RAM: 0, DISK: 0}, {}
    for action in schedule:
        match type(action).__name__:
            case "Forward":
                steps += min(action.n1, n) - action.n0
                if action.n1 >= n and schedule.max_n is None:
                    schedule.finalize(n)
                if action.storage in written:
                    written[action.storage] += action.write_ics
                    holds[action.storage, action.n0] = action.write_ics
            case "Copy" | "Move":
                read[action.from_storage] += holds[action.from_storage, action.n]
            case "EndReverse":
                return steps, list(written.values()), list(read.values())
    raise AssertionError("it never ended")


def two_levels(counts):
    return [*counts, 0][:2]


@pytest.mark.parametrize("make", [*OFFLINE.values(), *ONLINE.values()], ids=[*OFFLINE, *ONLINE])
def test_costs_what_it_costs_there(make):
    for n in range(
        1 if make is not OFFLINE["HRevolve"] else 2, 26
    ):  # HRevolve(1, ...) is an IndexError of theirs
        cost = simulate(FromCheckpointSchedules(make), n)
        steps, written, read = counted(make(n), n)
        assert cost.advances + cost.reversals == steps
        assert two_levels(cost.writes) == written
        assert two_levels(cost.reads) == read


def test_docstring_example():
    assert doctest.testmod(foreign) == (0, 4)


ALL = {**OFFLINE, **ONLINE}


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_every_early_end(make):
    for n in (2, 3, 7, 12, 17):
        scheme = FromCheckpointSchedules(make)
        for end in range(n + 1):
            cost = simulate(scheme, n, ends_after=end)
            assert cost.reversals == end
            assert cost.peak <= scheme.slots(n)


@pytest.mark.parametrize("make", ONLINE.values(), ids=ONLINE)
def test_every_unknown_length(make):
    scheme = FromCheckpointSchedules(make, online=True)
    assert scheme.online
    for n in range(20):
        for end in (None, n):
            cost = simulate(scheme, n, length_known=False, ends_after=end)
            assert cost.reversals == n
            if n and end is None:
                assert cost.advances + n == counted(make(n), n)[0]


def test_an_early_end_is_reversed_with_all_slots():
    """Also with those that were empty when the loop ended."""
    scheme = FromCheckpointSchedules(lambda n: theirs.Revolve(n, 5))
    assert simulate(scheme, 100, ends_after=10).advances == 10 + advances(10, 5)


@pytest.mark.parametrize("n", [10, 33, 100])
def test_the_same_as_our_schemes(n):
    revolve = FromCheckpointSchedules(lambda n: theirs.Revolve(n, 4))
    assert simulate(revolve, n).advances == simulate(Revolve(4), n).advances
    stages = FromCheckpointSchedules(
        lambda n: theirs.MultistageCheckpointSchedule(n, 2, 3, trajectory="revolve")
    )
    assert simulate(stages, n).advances == simulate(Multistage(2, 3), n).advances
    assert simulate(stages, n).peaks == simulate(Multistage(2, 3), n).peaks
    periods = FromCheckpointSchedules(lambda n: theirs.TwoLevelCheckpointSchedule(8, 3, binomial_storage=RAM))
    assert simulate(periods, n).advances == simulate(TwoLevel(8, 3), n, length_known=False).advances


def test_tapes_stand_in_memory_and_the_last_needs_no_slot():
    scheme = FromCheckpointSchedules(lambda n: theirs.SingleDiskStorageSchedule(), online=True)
    assert scheme.slots_by_level(5) == (5,)
    actions = scheme.schedule(3).forward()
    assert list(actions) == [Record(0, 0), Record(1, 1), Record(2, 2)]
    in_memory = FromCheckpointSchedules(lambda n: theirs.SingleMemoryStorageSchedule())
    assert list(in_memory.schedule(3).forward()) == [Record(0, 0), Record(1, 1), Record(2)]


def test_levels():
    scheme = FromCheckpointSchedules(lambda n: theirs.HRevolve(n, 1, 2))
    actions = list(scheme.schedule(12).forward())
    assert [action for action in actions if isinstance(action, Snapshot)] == [
        Snapshot(0, 0, level=1),
        Snapshot(5, 1, level=1),
        Snapshot(8, 2),
    ]
    assert actions[-2:] == [Advance(8, 11), Record(11)]


def test_nothing_is_made_for_no_steps():
    scheme = FromCheckpointSchedules(lambda n: theirs.Revolve(n, 3))  # refuses 0 steps
    assert simulate(scheme, 0).reversals == 0


def test_an_unknown_length_needs_an_online_schedule():
    scheme = FromCheckpointSchedules(lambda n: theirs.Revolve(n, 3))
    with pytest.raises(ArgumentError, match="which this loop does not tell before it ends"):
        scheme.schedule(None)


def test_what_make_returns_is_checked():
    with pytest.raises(ArgumentError, match="make must be a function that takes the number of steps"):
        FromCheckpointSchedules(3)
    with pytest.raises(ArgumentError, match=r"make\(7\) must return a schedule of the package .* returned 7"):
        FromCheckpointSchedules(lambda n: n).schedule(7)
    with pytest.raises(ArgumentError, match=r"make\(7\) returned a Revolve for 8 steps"):
        FromCheckpointSchedules(lambda n: theirs.Revolve(n + 1, 3)).schedule(7)
    shared = theirs.Revolve(7, 3)
    next(shared)
    with pytest.raises(ArgumentError, match="that is in use already"):
        FromCheckpointSchedules(lambda n: shared).schedule(7)


def test_a_schedule_that_reverses_nothing_is_refused_at_once():
    scheme = FromCheckpointSchedules(lambda n: theirs.NoneCheckpointSchedule())
    with pytest.raises(ScheduleError, match="NoneCheckpointSchedule reverses nothing"):
        scheme.schedule(5)


class Script(theirs.CheckpointSchedule):
    """Plays a list of their actions."""

    is_exhausted = False

    def __init__(self, n, actions):
        super().__init__(n)
        self._actions = actions

    def _iterator(self):
        yield from self._actions

    def uses_storage_type(self, storage_type):
        return True


F, B, E = theirs.Forward, theirs.Reverse, theirs.EndForward()
START = [F(0, 2, True, False, RAM), F(2, 3, False, True, WORK), E, B(3, 2, True)]
TAPED = [F(0, 1, True, True, RAM), F(1, 2, True, False, RAM), F(2, 3, False, True, WORK), E, B(3, 2, True)]
TAPE_1 = F(1, 2, False, True, WORK)


def again(start):
    return [
        theirs.Copy(start, RAM, WORK),
        *([F(start, 1, False, False, NONE)] if start < 1 else []),
        TAPE_1,
        B(2, 1, True),
    ]


VALID = {
    "both kinds of data of one step": [*TAPED, *again(1), theirs.Move(0, RAM, WORK), B(1, 0, True)],
    "data moves to memory": [
        F(0, 2, True, False, DISK),
        *START[1:],
        theirs.Move(0, DISK, RAM),
        *again(0),
        theirs.Move(0, RAM, WORK),
        F(0, 1, False, True, WORK),
        B(1, 0, True),
    ],
    "data is copied to memory": [
        F(0, 2, True, False, DISK),
        *START[1:],
        theirs.Copy(0, DISK, RAM),
        *again(0),
        theirs.Copy(0, DISK, WORK),
        F(0, 1, False, True, WORK),
        B(1, 0, True),
    ],
    "working data is stored": [
        *START,
        theirs.Copy(0, RAM, WORK),
        F(0, 1, False, False, NONE),
        theirs.Copy(1, WORK, RAM),
        TAPE_1,
        B(2, 1, True),
        theirs.Move(1, RAM, NONE),
        theirs.Move(0, RAM, WORK),
        F(0, 1, False, True, WORK),
        B(1, 0, True),
    ],
    "two steps at once": [
        *START,
        theirs.Move(0, RAM, WORK),
        F(0, 2, False, True, WORK),
        B(2, 0, True),
    ],
    "a tape changes its place": [
        F(0, 1, False, True, DISK),
        *[F(1, 2, True, False, RAM), *START[1:]],
        theirs.Move(0, DISK, RAM),
        *again(1),
        theirs.Move(0, RAM, WORK),
        B(1, 0, True),
    ],
    "deleted when it is of no use any more": [
        F(0, 1, False, True, RAM),
        *[F(1, 2, False, True, RAM), F(2, 3, False, True, WORK), E, B(3, 1, True)],
        theirs.Move(1, RAM, NONE),
        B(1, 0, True),
    ],
}


@pytest.mark.parametrize("script", VALID.values(), ids=VALID)
def test_rare_actions(script):
    cost = simulate(FromCheckpointSchedules(lambda n: Script(n, [*script, theirs.EndReverse()])), 3)
    assert cost.reversals == 3


REFUSED = {
    "no adjoint data": (
        [*START, B(2, 1, True)],
        r"Reverse\(2, 1, True\) of Script .* reverses step 1, of which",
    ),
    "out of turn": ([*START, *again(0)[:-1], B(1, 0, True)], "is not the next, which is step 1"),
    "never stored": ([*START, theirs.Copy(1, RAM, WORK)], "needs data that was never stored there"),
    "no state": ([*START, F(0, 1, False, False, NONE)], "starts from a state that is not there"),
    "past the end": (
        [*START, theirs.Copy(0, RAM, WORK), F(0, 3, False, False, NONE)],
        "runs other steps than 0 to 1, those that are left",
    ),
    "a transfer in the forward sweep": (
        [START[0], theirs.Copy(0, RAM, DISK), *START[1:]],
        "would lose the state that the forward sweep has reached",
    ),
    "a tape that would not fit": (
        [F(0, 1, True, True, RAM), F(1, 2, False, False, NONE), *START[1:]],
        "leaves the state after step 0, whose tape is kept, without storing it",
    ),
    "taped twice": (
        [*TAPED, theirs.Copy(0, RAM, WORK), F(0, 1, False, True, WORK)],
        "tapes step 0, whose tape is there already",
    ),
    "a tape is deleted": ([*TAPED, theirs.Move(0, RAM, NONE)], "deletes a tape before its step is reversed"),
    "reverse in the forward sweep": ([START[0], B(2, 1, True)], "does not belong into a forward sweep"),
    "ends in the forward sweep": (START[:1], "Script ends before the forward sweep is over"),
    "ends in the reverse sweep": (START, "Script ends before step 1 is reversed"),
    "another end": ([*START, theirs.EndReverse()], "comes although 2 steps are left to reverse"),
}


@pytest.mark.parametrize(("script", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_translated_is_refused_by_name(script, text):
    with pytest.raises(ScheduleError, match=text):
        simulate(FromCheckpointSchedules(lambda n: Script(n, script)), 3)
