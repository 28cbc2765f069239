from checkpointer.schemes import Advance, Record, Revolve, Snapshot


def test_first_sweep_of_fifteen_steps():
    schedule = Revolve(snapshots=5).schedule(15)
    assert list(schedule.forward()) == [
        Snapshot(0, 0),
        Advance(0, 6),
        Snapshot(6, 1),
        Advance(6, 8),
        Snapshot(8, 2),
        Advance(8, 10),
        Snapshot(10, 3),
        Advance(10, 12),
        Snapshot(12, 4),
        Advance(12, 14),
        Record(14),
    ]


def test_no_steps_no_actions():
    schedule = Revolve(snapshots=5).schedule(0)
    assert list(schedule.forward()) == []
    schedule.finish(0, recorded=False)
    assert list(schedule.reverse()) == []


def test_one_step_is_recorded_at_once():
    assert list(Revolve(snapshots=5).schedule(1).forward()) == [Snapshot(0, 0), Record(0)]


def test_more_snapshots_than_steps_are_never_used():
    assert [Revolve(10**9).slots(n) for n in (0, 1, 2, 3, 10)] == [0, 1, 1, 2, 9]
    assert Revolve(3).slots(10) == 3
