"""Loops under Auto: the trial of the first step leaves no trace, budgets hold, and the log says what was chosen."""

import gc
import itertools
import logging
import re
import tracemalloc

import numpy as np
import pytest

from checkpointer import (
    ArgumentError,
    Auto,
    MemoryStorage,
    Online,
    Revolve,
    TieredStorage,
    grad,
    trial,
    value_and_grad,
)

SCHEMES = [None, Auto(), Auto("1 GiB"), Auto(memory="300 kB"), Auto(memory="300 kB", disk="300 kB")]
INPUTS = [np.linspace(0.2, 0.9, 40), np.sin(np.arange(40.0)) ** 2]


@pytest.fixture(autouse=True)
def measured_anew(monkeypatch):
    monkeypatch.setattr(trial, "_measured", {})


EFFECTS = """
    import random
    import numpy as np
    from checkpointer import checkpointed

    def aliases(u, steps, scheme=None):
        u = u.copy()
        kept, before, rng = [], [u], np.random.default_rng(3)
        for step in checkpointed(range(steps), scheme):
            kept.append(u)              # the very array that later steps change
            u += 0.1 * np.sin(u) * rng.random()
            if step % 3 == 2:
                u = u[::-1] * 1.01
            before.append(u[::2])
        return sum(k.sum() for k in kept) + sum((b ** 2).sum() for b in before)

    def prints(u, steps, scheme=None, file=None):
        for step in checkpointed(range(steps), scheme):
            u = np.cos(u) * u
            print("step", step, "mean", round(float(np.mean(np.asarray([1.0]))), 3))
            if file is not None:
                file.write(f"{step}\\n")
        return u.sum()

    def generated(u, steps, scheme=None):
        def items():
            for number in range(steps):
                yield number, 0.5 ** number
        for number, weight in checkpointed(items(), scheme):
            u = u + weight * u ** 2 * 0.1
        return u.sum()

    def ends_at_once(u, steps, scheme=None):
        for step in checkpointed(range(steps), scheme):
            u = u * u
            if step == 0:
                break
        return u.sum()

    def never_begins(u, steps, scheme=None):
        while checkpointed(u.sum() < 0, scheme):
            u = u * u
        return u.sum()

    def until(u, steps, scheme=None):
        n = 0
        while checkpointed(n < steps and u.sum() < 1e3, scheme):
            u = u + 0.1 * np.sqrt(u)
            n += 1
        return u.sum()

    def nested(u, steps, scheme=None):
        for i in checkpointed(range(steps), scheme):
            v = u.copy()
            for j in checkpointed(range(3), scheme):
                v[1:] += 0.1 * v[:-1] * u[1:]
            u = v / (1 + v.mean())
        return u.sum()

    def fails(u, steps, scheme=None):
        for i in checkpointed(range(steps), scheme):
            u = u * missing
        return u.sum()
"""
LOOPS = ["aliases", "generated", "ends_at_once", "until", "nested", "never_begins"]


@pytest.fixture
def program(load):
    return load(EFFECTS)


def test_values_and_gradients(program):
    for name, scheme, u, steps in itertools.product(LOOPS, SCHEMES, INPUTS, (1, 2, 9)):
        function, plain = getattr(program.rewritten, name), getattr(program.plain, name)
        reference = Online(3) if name in ("until", "generated", "never_begins") else Revolve(3)
        value, gradient = value_and_grad(function)(u, steps, scheme)
        assert value == plain(u, steps), (name, scheme, steps)
        assert np.array_equal(gradient, grad(function)(u, steps, reference)), (name, scheme, steps)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_what_the_loop_prints_and_writes_appears_once(program, steps, capsys, tmp_path):
    with open(tmp_path / "written", "w") as file:
        grad(program.rewritten.prints)(INPUTS[0], steps, None, file)
    assert (tmp_path / "written").read_text() == "".join(f"{step}\n" for step in range(steps))
    printed = capsys.readouterr().out
    assert re.findall(r"step (\d+)", printed) == [str(step) for step in range(steps)]


def test_a_comment_without_arguments_is_a_mark(load, check):
    program = load("""
        def f(u, steps):
            # checkpointer:
            for step in range(steps):
                u = u * u + 0.1
            return u.sum()
    """)
    check(program, "f", INPUTS[0], 5)


def test_what_a_comment_names_need_not_be_imported(load, check):
    program = load("""
        def f(u, steps):
            # checkpointer: HRevolve(Level(2), Level(3, 2, 2)), storage=TieredStorage(MemoryStorage(), HDF5Storage())
            for step in range(steps):
                u = 0.5 * u * u + 0.1
            return u.sum()
    """)
    check(program, "f", INPUTS[0], 15)


def test_an_error_in_the_first_step_is_the_users(program):
    with pytest.raises(NameError, match="missing"):
        grad(program.rewritten.fails)(INPUTS[0], 5)


def messages(caplog, level=logging.INFO):
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "checkpointer" and record.levelno == level
    ]


def choices(caplog, level=logging.INFO):
    return [message for message in messages(caplog, level) if ": chose " in message]


def test_the_log_says_what_was_chosen_and_what_it_took(program, caplog):
    caplog.set_level(logging.DEBUG, "checkpointer")
    grad(program.rewritten.aliases)(INPUTS[0], 30, Auto("1 GB"))
    chosen, took = messages(caplog)
    line = program.path.read_text().split("checkpointed(range(steps), scheme)")[0].count("\n") + 1
    assert chosen.startswith(f"{program.path.name}:{line}: chose ")
    everything_fits = (
        r"(Mixed\(slots=29\).* run 1.00|Revolve\(snapshots=29\).* run 1.97)"  # by what the clock says
    )
    assert re.search(
        rf"chose {everything_fits} times on average, predicted [\d.e+]+ m?s: a snapshot takes ", chosen
    )
    assert re.fullmatch(
        rf"{program.path.name}:{line}: 30 steps took [\d.e+]+ m?s, predicted .* \(\d+%\), the trial .* m?s; "
        r"\d+ plain steps and 30 reversed \(each run [\d.]+ times on average\) under \w+\(.*=29\) by Auto, .* held",
        took,
    )


def test_a_loop_that_chooses_the_same_again_says_so_quietly(program, caplog):
    caplog.set_level(logging.DEBUG, "checkpointer")
    for _ in range(3):
        grad(program.rewritten.until)(INPUTS[0], 30, Auto("1 GB"))
    assert len(choices(caplog)) == 1
    assert len(choices(caplog, logging.DEBUG)) == 2
    assert "for a loop of unknown length" in messages(caplog)[0]


def test_a_budget_that_holds_nothing_is_refused_with_what_it_takes(program):
    with pytest.raises(
        ArgumentError, match=r"^Auto: 1000 B of memory cannot hold a snapshot of .* to reverse one step"
    ):
        grad(program.rewritten.generated)(INPUTS[0], 9, Auto(1000))


MORE_WORK = """
    import numpy as np
    from checkpointer import checkpointed

    def f(u, work, scheme):
        for step in checkpointed(range(20), scheme):
            for _ in range(work):
                u = np.sin(u) * 1.2
        return u.sum()
"""


def test_the_same_loop_with_more_work_in_each_step_is_measured_again(load):
    program = load(MORE_WORK).rewritten
    u = np.linspace(0, 1, 20_000)
    grad(program.f)(u, 1, Auto("8 MB"))
    with pytest.raises(ArgumentError, match="to reverse one step"):
        grad(program.f)(u, 50, Auto("8 MB"))


BIG = """
    import numpy as np
    from checkpointer import checkpointed

    def f(u, steps, scheme=None):
        u = u.copy()
        forcing = np.linspace(0, 1, u.size)   # does not change: held once
        for step in checkpointed(range(steps), scheme):
            u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2]) + 1e-3 * forcing[1:-1] * u[1:-1]
        return (u * u).mean()
"""


@pytest.mark.parametrize("megabytes", [16, 24, 60])
def test_what_is_allocated_stays_within_the_budget(load, megabytes):
    """State of 1 MB, constant forcing of 1 MB, 60 steps; what a loop costs without snapshots is measured with Revolve(1)."""
    program = load(BIG).rewritten
    u = np.linspace(0, 1, 125_000) ** 2
    grad(program.f)(u, 2, Revolve(1))

    def peak(scheme, steps):
        gc.collect()
        tracemalloc.start()
        grad(program.f)(u, steps, scheme)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    base = peak(Revolve(1), 3)
    schedule_bytes = megabytes * 10**6
    assert peak(Auto(schedule_bytes), 60) <= base + schedule_bytes
    assert peak(Revolve(60), 60) > base + 40 * 10**6


def test_the_disk_gets_what_it_was_granted_and_memory_no_more(load):
    class Watched(MemoryStorage):
        def __init__(self):
            self.most = 0

        def session(self):
            storage, session = self, super().session()
            save = session._save

            def watched(key, snapshot, level):
                save(key, snapshot, level)
                storage.most = max(storage.most, len(session._snapshots))

            session._save = watched
            return session

    u = np.linspace(0, 1, 125_000) ** 2
    memory, disk = Watched(), Watched()
    program = load(
        BIG.replace("scheme=None", "scheme=None, storage=None").replace("scheme)", "scheme, storage=storage)")
    )
    gradient = grad(program.rewritten.f)(u, 60, Auto("16 MB", disk="25 MB"), TieredStorage(memory, disk))
    assert np.array_equal(gradient, grad(program.rewritten.f)(u, 60, Revolve(5)))
    assert np.array_equal(
        gradient,
        grad(program.rewritten.f)(
            u, 60, Auto("16 MB", disk="25 MB", storage=TieredStorage(Watched(), Watched()))
        ),
    )
    assert 1 <= memory.most <= 8
    assert 1 <= disk.most <= 25 // 2 + 1


def test_a_rule_that_the_result_does_not_need_may_fail_in_the_trial(load):
    program = load(
        """
        import numpy as np
        from autograd.extend import defvjp, primitive
        from checkpointer import checkpointed

        @primitive
        def sine(u):
            return np.sin(u)

        def fail(g):
            raise RuntimeError("never asked for")

        defvjp(sine, lambda ans, u: fail)

        def f(u, scheme):
            seen = u
            for _ in checkpointed(range(6), scheme):
                seen = sine(u)
                u = 1.1 * u + u**2
            return u.sum()
        """
    ).rewritten
    x = np.array([0.3, -0.2, 0.5])
    value, gradient = value_and_grad(program.f)(x.copy(), Auto())
    expected_value, expected = value_and_grad(program.f)(x.copy(), Revolve(2))
    assert value == expected_value
    np.testing.assert_array_equal(gradient, expected)
