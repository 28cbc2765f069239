from itertools import islice

import pytest

from checkpointer import DiskRevolve, Mixed, Multistage, Online, Revolve, StoreAll, TwoLevel
from checkpointer.foresight import foreseen, next_loads
from checkpointer.schemes import Advance, Discard, Record, Restore, Reverse, Snapshot
from checkpointer.storage import MemoryStorage, Session


class Told(Session):
    """A session that can read ahead, and notes what it is told."""

    def __init__(self):
        super().__init__()
        self.told = []

    buffers = 2

    def prefetch(self, keys):
        self.told.append(list(keys))

    def _save(self, key, snapshot, level):
        raise AssertionError

    _load = _discard = _close = _save


def test_the_next_loads_are_those_of_what_stands():
    actions = [
        Reverse(9),
        Restore(4, slot=1),
        Advance(4, 6),
        Snapshot(6, slot=2),
        Advance(6, 8),
        Reverse(8),
        Restore(6, slot=2),  # which does not stand yet
        Discard(slot=2),
        Restore(4, slot=1),
        Discard(slot=1),
        Snapshot(2, slot=1),
        Restore(2, slot=1),  # another one by then
        Restore(0, slot=0),
    ]
    assert next_loads(actions) == [1, 0]
    assert next_loads(actions[8:]) == [1, 0]
    assert next_loads(actions[10:]) == [0]
    assert next_loads([Record(3, slot=5), Reverse(3)]) == []


def test_nothing_is_looked_at_ahead_for_a_session_without_buffers():
    actions = iter([])
    with MemoryStorage().session() as session:
        assert foreseen(actions, session) is actions


def test_a_session_is_told_after_each_action_that_changes_what_comes_next():
    session = Told()
    actions = [
        Restore(4, slot=1),
        Advance(4, 5),
        Snapshot(5, slot=2),
        Reverse(5),
        Restore(5, slot=2),
        Discard(slot=2),
        Reverse(4),
        Restore(0, slot=0),
    ]
    found = []
    for action in foreseen(iter(actions), session):
        found.append((action, session.told.copy()))
        session.told.clear()
    assert [action for action, _ in found] == actions
    assert [told for _, told in found] == [[[1, 0]], [[0]], [], [[2, 0]], [], [[0]], [], []]


def test_only_a_few_actions_are_looked_at_ahead():
    asked = []

    def endless():
        step = 0
        while True:
            asked.append(step)
            yield Reverse(step)
            step += 1

    list(islice(foreseen(endless(), Told()), 1000))
    assert len(asked) < 1100


SCHEMES = [
    *(Revolve(1), Revolve(3), StoreAll(), Mixed(3), Online(4), Multistage(2, 3), TwoLevel(5, 2)),
    DiskRevolve(2),
]


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 60])
@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_what_is_told_stands_until_it_is_loaded(scheme, steps):
    """Followed action by action: what the session is told is restored before anything else is put into its slot."""
    holding = {}
    expected = list(after_forward(scheme, steps, {}).reverse())
    session, promised, found = Told(), {}, []
    for action in foreseen(after_forward(scheme, steps, holding).reverse(), session):
        promised = {key: holding[key] for key in session.told[-1]}  # all of them stand
        found.append(action)
        if isinstance(action, Restore) and action.slot in promised:
            assert promised[action.slot] == holding[action.slot] == action.step
        follow(action, holding)
    assert found == expected
    if steps == 60:
        assert sum(map(bool, session.told)) > 5


def after_forward(scheme, steps, holding):
    """A schedule whose forward sweep has ended; ``holding`` is what it has left in the slots."""
    schedule, action = scheme.schedule(steps), None
    for action in schedule.forward():
        follow(action, holding)
    schedule.finish(steps, recorded=isinstance(action, Record) and action.slot is None)
    return schedule


def follow(action, holding):
    if isinstance(action, Snapshot):
        holding[action.slot] = action.step
    elif isinstance(action, Discard):
        del holding[action.slot]
