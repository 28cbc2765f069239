"""``progress=True``: what the bar counts, in a real pseudo-terminal, and what stands in a log file instead."""

import os
import pty
import re
import subprocess
import sys
import textwrap

import numpy as np
import pyte
import pytest

from checkpointer import (
    ArgumentError,
    Auto,
    HDF5Storage,
    Mixed,
    Multistage,
    Online,
    Periodic,
    Revolve,
    Scheme,
    StoreAll,
    TwoLevel,
    checkpointed,
    displays,
    grad,
    last_run,
    value_and_grad,
)
from checkpointer.progress_bar import Moment
from checkpointer.schemes import Advance, Schedule, Snapshot, simulate

PROGRAM = """
import numpy as np
from checkpointer import checkpointed

def known(u, scheme, steps=11, until=10**9, storage=None):
    for step in checkpointed(range(steps), scheme, storage=storage, progress=True):
        u = u - 0.01 * u * u
        if step == until:
            break
    return np.sum(u)

def read(u, scheme, steps):
    for step in checkpointed((number for number in range(steps)), scheme, progress=True):
        u = u - 0.01 * u * u
    return np.sum(u)

def unknown(u, scheme):
    # checkpointer: scheme, progress=True
    while u.max() > 0.3:
        u = u * (1 - 0.2 * u)
    return np.sum(u)

def nested(u, outer, inner, both):
    for step in checkpointed(range(3), outer, progress=both):
        print("step", step)
        for part in checkpointed(range(4), inner, progress=True):
            u = u - 0.01 * u * u
    return np.sum(u)

def fails(u, scheme):
    for step in checkpointed(range(6), scheme, progress=True):
        if step == 4:
            raise OSError("the weather station is gone")
        u = np.sin(u)
    return np.sum(u)
"""
U = np.array([0.9, 0.4, 0.7])
SCHEMES = [
    Revolve(1),
    Revolve(3),
    Periodic(3),
    Online(2),
    TwoLevel(4, 2),
    Multistage(1, 1),
    Mixed(3),
    StoreAll(),
    Auto("1 GB"),
]


@pytest.fixture(scope="module")
def program(load_once):
    return load_once("progressing", PROGRAM)


def lines(capsys):
    """What is said where there is no terminal, without the places and the times."""
    said = capsys.readouterr().err.splitlines()
    found = [re.fullmatch(r"progressing\.py:(\d+)(.*) in \d+\.\d s", line) for line in said]
    assert all(found), said
    return [line[2].lstrip(": ") for line in found]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("until", [10**9, 10, 6, 0])
def test_the_bar_counts_the_work_and_knows_how_much_there_will_be(program, capsys, scheme, until):
    """What it expected when the reverse sweep began is what was then recomputed."""
    value, gradient = value_and_grad(program.rewritten.known)(U, scheme, until=until)
    forward, reverse = lines(capsys)
    steps = min(until + 1, 11)
    assert forward == f"forward: {steps}/11 steps"
    count, expected = re.fullmatch(
        rf"reverse: {steps}/{steps} reversed(?:, (\d+)/(\d+) recomputed)?", reverse
    ).groups()
    assert count == expected
    if isinstance(scheme, Revolve):
        ran = steps if steps < 11 else 10
        assert (
            int(count or 0)
            == simulate(scheme, 11, ends_after=min(until + 1, 11) if steps < 11 else None).advances - ran
        )
    assert value == program.plain.known(U, scheme, until=until)
    assert np.array_equal(gradient, grad(program.rewritten.known)(U, Revolve(2), until=until))


@pytest.mark.parametrize("scheme", [Online(2), TwoLevel(4, 2), StoreAll(), Auto("1 GB")], ids=repr)
def test_loops_whose_length_nobody_knows(program, capsys, scheme):
    """At the end they have one."""
    grad(program.rewritten.read)(U, scheme, 13)
    forward, reverse = lines(capsys)
    assert forward == "forward: 13/13 steps"
    assert len(set(re.findall(r"(\d+)(?:/| recomputed)", reverse.partition("reversed")[2]))) <= 1
    grad(program.rewritten.unknown)(U, scheme)
    forward, reverse = lines(capsys)
    steps = last_run().loops[0].cost.steps
    assert forward == f"forward: {steps}/{steps} steps"
    assert reverse.startswith(f"reverse: {steps}/{steps} reversed")
    assert len(set(re.findall(r"(\d+)(?:/| recomputed)", reverse.partition("reversed")[2]))) <= 1


def test_loops_that_are_not_differentiated(program, capsys):
    module = program.rewritten
    assert module.known(U, Revolve(2)) == program.plain.known(U, Revolve(2))
    assert module.known(U, Revolve(2), until=4) == program.plain.known(U, Revolve(2), until=4)
    assert module.read(U, Online(2), 7) == program.plain.read(U, Online(2), 7)
    assert module.unknown(U, Online(2)) == program.plain.unknown(U, Online(2))
    with pytest.raises(OSError, match="weather"):
        module.fails(U, Revolve(2))
    first, second, third, fourth, fifth = lines(capsys)
    assert (first, second, third, fifth) == ("11/11 steps", "4/11 steps", "7/7 steps", "4/6 steps")
    grad(module.unknown)(U, Online(2))
    steps = last_run().loops[0].cost.steps
    assert fourth == f"{steps}/{steps} steps"


def test_a_loop_that_fails_shows_how_far_it_came(program, capsys):
    with pytest.raises(OSError, match="weather"):
        grad(program.rewritten.fails)(U, Revolve(2))
    assert lines(capsys) == ["forward: 4/6 steps"]
    grad(program.rewritten.known)(U, Revolve(2))
    assert len(lines(capsys)) == 2


def test_the_outermost_loop_has_the_bar(program, capsys):
    grad(program.rewritten.nested)(U, Revolve(1), Revolve(1), True)
    forward, reverse = lines(capsys)
    assert forward == "forward: 3/3 steps"
    assert reverse.startswith("reverse: 3/3 reversed, ")


def test_an_inner_bar_is_seen_as_often_as_what_the_body_prints(program, capsys):
    """When steps of the outer loop are run again, nothing is shown."""
    grad(program.rewritten.nested)(U, Revolve(1), Revolve(1), False)
    printed = capsys.readouterr()
    assert printed.out == "step 0\nstep 1\nstep 2\n"
    assert [line.split(": ")[1].split(" in ")[0] for line in printed.err.splitlines()] == ["4/4 steps"] * 3
    program.rewritten.nested(U, Revolve(1), Revolve(1), False)
    assert lines(capsys) == ["4/4 steps"] * 3


class Reluctant(Scheme):
    """Does what a loop needs, and no more: the simulator finds it wanting."""

    def schedule(self, steps):
        return OneSnapshot(steps, None)

    def slots(self, steps):
        return 0


class OneSnapshot(Schedule):
    def first_sweep(self):
        yield Snapshot(0, slot=0)
        yield Advance(0, self.steps)


def test_a_scheme_whose_work_cannot_be_foretold(program, capsys):
    grad(program.rewritten.known)(U, Reluctant(), 4)
    assert lines(capsys) == ["forward: 4/4 steps", "reverse: 4/4 reversed, 6 recomputed"]


def test_a_run_that_can_be_resumed(program, capsys, tmp_path):
    """Nobody knows how much of it an earlier process has done."""
    storage = HDF5Storage(tmp_path / "run.h5", resume=True)
    grad(program.rewritten.known)(U, Revolve(2), 9, storage=storage)
    again = simulate(Revolve(2), 9).advances - 8
    assert lines(capsys) == ["forward: 9/9 steps", f"reverse: 9/9 reversed, {again} recomputed"]


@pytest.mark.parametrize("value", [1, "yes", None])
def test_progress_is_true_or_false(load, value):
    message = f"progress must be True or False, but is {value!r}"
    with pytest.raises(ArgumentError, match=message):
        checkpointed(range(3), Revolve(1), progress=value)
    program = load(f"""
        from checkpointer import checkpointed

        def f(x):
            for step in checkpointed(range(3), progress={value!r}):
                x = x * x
            return x
    """)
    for call in (program.rewritten.f, grad(program.rewritten.f)):
        with pytest.raises(ArgumentError, match=message):
            call(2.0)


# --- a log file ------------------------------------------------------------------------------------------------------


def test_a_log_file_is_not_flooded(monkeypatch, capsys):
    """A line for each tenth of the work, but not within ten seconds of the last."""
    now = [0.0]
    monkeypatch.setattr(displays, "perf_counter", lambda: now[0])
    display = displays.LineDisplay("heat.py:3", sys.stderr)
    display.begin(Moment(0, 1000, "0/1000"))
    for done, seconds in [(150, 2.0), (160, 10.0), (240, 25.0), (300, 26.0), (900, 35.9), (950, 36.0)]:
        now[0] = seconds
        display.show(Moment(done, 1000, f"{done}/1000"))
    display.end(Moment(1000, 1000, "1000/1000"), finished=True)
    said = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["160/1000", "300/1000", "950/1000", "1000/1000"]


class OnlyWrites:
    """A standard stream as programs make them to write to two places."""

    def __init__(self, *streams):
        self._streams = streams

    def write(self, text):
        for stream in self._streams:
            stream.write(text)


def closed():
    with open(os.devnull, "w") as stream:
        return stream


class Broken:
    """A standard stream that leads to nobody."""

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("stream", [OnlyWrites, closed, Broken])
def test_no_program_fails_for_want_of_a_bar(program, monkeypatch, name, stream):
    expected = value_and_grad(program.rewritten.known)(U, Revolve(2))
    other = stream()
    monkeypatch.setattr(sys, name, other)
    value, gradient = value_and_grad(program.rewritten.known)(U, Revolve(2))
    assert getattr(sys, name) is other
    monkeypatch.undo()
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])


def test_a_file_is_no_terminal_although_it_is_to_have_colours(program, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    grad(program.rewritten.known)(U, Revolve(2))
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("stream", [None, "closed"])
def test_where_nobody_listens_nothing_is_said(program, monkeypatch, tmp_path, stream):
    expected = grad(program.rewritten.known)(U, Revolve(2))
    if stream:
        stream = (tmp_path / "log.txt").open("w")
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    assert np.array_equal(grad(program.rewritten.known)(U, Revolve(2)), expected)


# --- a terminal ------------------------------------------------------------------------------------------------------


class Terminal:
    """A program in a pseudo-terminal: what stands on the screen at the end, and at each moment before."""

    def __init__(self, folder, script, *, columns=90, redirected=False):
        (folder / "heat.py").write_text(textwrap.dedent(script))
        self.screen = pyte.Screen(columns, 40)
        stream = pyte.ByteStream(self.screen)
        command = [sys.executable, "-m", "checkpointer", "run", "heat.py"]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(folder)
            if redirected:
                os.dup2(os.open("out.txt", os.O_WRONLY | os.O_CREAT), 1)
            os.environ.update(TERM="xterm-256color", COLUMNS=str(columns), LINES="40", NO_COLOR="1")
            os.execv(sys.executable, command)
        self.seen = []
        while data := self._read(terminal):
            for part in re.split(rb"(?=\r)", data):  # with which each frame begins
                stream.feed(part)
                self.seen.append(self.lines())
        os.close(terminal)
        self.status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _read(self, terminal):
        try:
            return os.read(terminal, 65536)
        except OSError:  # Linux's way of saying that nobody has it open any more
            return b""

    def lines(self):
        return [line.rstrip() for line in self.screen.display if line.strip()]


HEAT = """
import os, signal, sys, threading
import numpy as np
import checkpointer
from checkpointer import Revolve, checkpointed, displays, grad, progress_bar, replaying

progress_bar._PERIOD = 0.001
shown = threading.Event()
show = displays.TerminalDisplay.show

def showing(self, moment):
    show(self, moment)
    shown.set()

displays.TerminalDisplay.show = showing

def look():
    "Wait until the bar was drawn once more."
    shown.clear()
    assert shown.wait(30)

def heat(u, steps, disturb=None):
    u = u.copy()
    for step in checkpointed(range(steps), Revolve(2), progress=True):
        u[1:-1] += 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])
        if step % 3 == 0:
            print("in step", step)
            look()
        if disturb:
            disturb(step)
    return np.sum(u)

u = np.linspace(0.0, 1.0, 20) ** 2
"""


def test_both_bars_in_a_terminal(tmp_path):
    """What the body prints stands above the bar, once; a line without an end is not lost."""
    terminal = Terminal(
        tmp_path,
        HEAT
        + """
print("before", end="", flush=True)
print()
gradient = grad(heat)(u, 8)
print("after")
print("partial", end="")
""",
    )
    assert terminal.status == 0, terminal.lines()
    before, *inside, forward, reverse, after, partial = terminal.lines()
    assert (before, after, partial) == ("before", "after", "partial")
    assert inside == ["in step 0", "in step 3", "in step 6"]
    again = simulate(Revolve(2), 8).advances - 7
    assert re.fullmatch(r"heat\.py:\d+ forward ━+ 8/8 steps \d\d:\d\d", forward)
    assert re.fullmatch(
        rf"heat\.py:\d+ reverse ━+ 8/8 reversed, {again}/{again} recomputed \d\d:\d\d", reverse
    )
    moments = {
        line for lines in terminal.seen for line in lines if " forward " in line or " reverse " in line
    }
    assert any(re.search(r" forward .* [1-7]/8 steps", line) for line in moments)
    assert any(
        re.search(rf" reverse .* [1-7]/8 reversed, [1-9]\d*/{again} recomputed", line) for line in moments
    )
    assert not terminal.screen.cursor.hidden


def test_ctrl_c_leaves_the_terminal_in_order(tmp_path):
    """In the first sweep, and in a step that is run again."""
    terminal = Terminal(
        tmp_path,
        HEAT
        + """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores it

def at(wanted, again):
    def disturb(step):
        if step == wanted and replaying() == again:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(30)
    return disturb

for again in (False, True):
    try:
        grad(heat)(u, 8, at(4, again))
    except KeyboardInterrupt:
        print("interrupted", sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__)
""",
    )
    assert terminal.status == 0, terminal.lines()
    shown = [line for line in terminal.lines() if not line.startswith("in step")]
    first, said, again, reverse, told = shown
    assert " forward ━" in first
    assert " 4/8 steps " in first
    assert "8/8 steps" in again
    assert re.search(r" reverse .* [0-3]/8 reversed, \d+/\d+ recomputed", reverse)
    assert said == told == "interrupted True True"
    assert not terminal.screen.cursor.hidden


def test_what_is_redirected_to_a_file_goes_there(tmp_path):
    terminal = Terminal(tmp_path, HEAT + "grad(heat)(u, 8)\n", redirected=True, columns=60)
    assert (tmp_path / "out.txt").read_text() == "in step 0\nin step 3\nin step 6\n"
    assert [line.split()[1] for line in terminal.lines()] == ["forward", "reverse"]


def test_without_a_terminal_two_lines(tmp_path):
    (tmp_path / "heat.py").write_text(HEAT.replace("        look()", "") + "grad(heat)(u, 8)\n")
    finished = subprocess.run(
        [sys.executable, "-m", "checkpointer", "run", "heat.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.stdout == "in step 0\nin step 3\nin step 6\n"
    assert [line.split()[1] for line in finished.stderr.splitlines()] == ["forward:", "reverse:"]


OTHERS = """
import os, signal, threading
import numpy as np
from checkpointer import Revolve, checkpointed, grad, progress_bar, replaying

progress_bar._PERIOD = 0.0005
shown, ended, replayed, over = (threading.Event() for _ in range(4))

def barred(x):
    for step in checkpointed(range(4), Revolve(2), progress=True):
        if step == 1 and not replaying():
            shown.set()
            assert replayed.wait(30)
        x = x * 0.9
    return x

def printing(x):
    for step in checkpointed(range(5), Revolve(1)):
        if replaying() and not replayed.is_set():
            replayed.set()
            assert over.wait(30)
        print("in step", step)
        x = x * 0.9
    return x

def forking(x):
    for step in checkpointed(range(20), Revolve(10), progress=True):
        if not replaying():
            child = os.fork()
            if not child:
                signal.alarm(20)  # in case it waits for ever
                print("child of step", step, flush=True)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        x = x * 0.9
    return x
"""


def test_a_bar_that_ends_while_another_thread_replays(tmp_path):
    """What the steps of the other one print appears once all the same."""
    script = """
with_bar = threading.Thread(target=grad(barred), args=(1.0,))
without = threading.Thread(target=grad(printing), args=(1.0,))
with_bar.start(); assert shown.wait(30); without.start(); with_bar.join(); over.set(); without.join()
"""
    terminal = Terminal(tmp_path, OTHERS + script)
    assert terminal.status == 0
    printed = [line for line in terminal.lines() if line.startswith("in step")]
    assert printed == [f"in step {step}" for step in range(5)]


def test_a_process_that_is_forked_below_a_bar(tmp_path):
    """It prints without waiting for a thread that it does not have."""
    terminal = Terminal(tmp_path, OTHERS + "grad(forking)(1.0)")
    assert terminal.status == 0
    assert "20/20 reversed" in terminal.lines()[-1]
