import dataclasses
from typing import get_args

import pytest

from checkpointer.schemes import Action, Advance, Discard, Record, Restore, Reverse, Snapshot


def describe(action):
    match action:
        case Advance(start, stop):
            return "advance", start, stop
        case Snapshot(step, slot):
            return "snapshot", step, slot
        case Record(step):
            return "record", step
        case Restore(step, slot):
            return "restore", step, slot
        case Reverse(step):
            return "reverse", step
        case Discard(slot):
            return "discard", slot


def test_positional_patterns():
    actions = [Advance(1, 4), Snapshot(4, 0), Record(5), Restore(4, 0), Reverse(5), Discard(0)]
    assert [describe(action) for action in actions] == [
        ("advance", 1, 4),
        ("snapshot", 4, 0),
        ("record", 5),
        ("restore", 4, 0),
        ("reverse", 5),
        ("discard", 0),
    ]


@pytest.mark.parametrize("kind", get_args(Action))
def test_actions_are_small_values(kind):
    numbers = range(len(dataclasses.fields(kind)))
    action = kind(*numbers)
    assert action == kind(*numbers)
    assert hash(action) == hash(kind(*numbers))
    assert not hasattr(action, "__dict__")
    assert kind.__doc__.startswith("Is read as: ")
