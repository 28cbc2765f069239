"""``checkpointer plan``: its numbers against closed facts, its table, its pictures, and what it refuses."""

import doctest
import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from checkpointer.cli import consoles, pictures, quantities, traces, written
from checkpointer.cli.pictures import picture
from checkpointer.cli.traces import trace
from checkpointer.schemes import (
    DiskRevolve,
    HRevolve,
    Level,
    Mixed,
    Multistage,
    Online,
    Periodic,
    PeriodicDiskRevolve,
    Revolve,
    StoreAll,
    TwoLevel,
    simulate,
)


@pytest.fixture
def plan(invoke):
    """``plan("--steps 10")``: the finished command."""
    return lambda text, *arguments: invoke("plan", *text.split(), *arguments)


@pytest.fixture
def planned(plan):
    """``planned("--steps 10 ...")``: the object that it prints."""

    def call(text):
        finished = plan(text, "--json")
        assert (finished.exit_code, finished.stderr) == (0, "")
        return json.loads(finished.stdout)

    return call


def by_name(found):
    """Name of a scheme -> what is said of it."""
    return {one["scheme"].partition("(")[0]: one for one in found["schemes"]}


def test_the_table(plan):
    finished = plan("--steps 1000 --snapshots 10")
    assert (finished.exit_code, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[0] == "1000 steps; room for 10 states in memory"
    assert lines[2].split() == ["scheme", "advances", "recompute", "in", "memory", "time"]
    assert "*  Revolve(snapshots=10)      3636      4.636         10  7636 steps" in lines
    assert "   Mixed(slots=10)            2921      3.921         10  6921 steps" in lines
    assert [line.split(maxsplit=1) for line in lines if "where 10 fit" in line] == [
        ["Periodic", "holds 61 in memory at the least, where 10 fit"],
        ["StoreAll()", "holds 999 in memory, where 10 fit"],
    ]
    assert "* the least time; reversing a step takes 4 steps" in lines
    assert all(line == line.rstrip() for line in lines)


def test_the_table_of_bytes_and_disks(plan):
    finished = plan("--steps 50 --memory 3.5GB --state-size 1GB --disk 4GB --step-time 10 --write-time 2")
    lines = finished.stdout.splitlines()
    assert lines[0] == "50 steps; room for 3 states (3 GB) in memory, 4 states (4 GB) on disk"
    assert re.search(
        r"Multistage\(snapshots=3, disk_snapshots=4\) +105 +3\.100 +3 +3 GB +4 +4 GB ", finished.stdout
    )
    assert "reversing a step takes 40 s, a write to disk 2 s, a read 2 s" in finished.stdout


def test_reference_counts(planned):
    found = by_name(planned("--steps 1000 --snapshots 10"))
    assert found["Revolve"]["advances"] == 3636
    assert found["Revolve"]["memory_writes"] == 714
    assert found["Revolve"]["memory_reads"] == 999
    assert found["Revolve"]["recompute_factor"] == 4.636
    found = by_name(planned("--steps 250 --snapshots 25"))
    assert found["Revolve"]["advances"] == 473
    assert found["Mixed"]["advances"] + found["Mixed"]["reversals"] == 486
    assert by_name(planned("--steps 100 --snapshots 99"))["StoreAll"]["advances"] == 99


def test_memory_and_disk_in_bytes(planned):
    found = planned("--steps 50 --memory 7MiB --state-size 2MiB --disk 9MiB")
    assert (found["snapshots"], found["disk_snapshots"]) == (3, 4)
    assert (found["state_bytes"], found["tape_bytes"]) == (2**21, None)
    stages = by_name(found)["Multistage"]
    assert stages["scheme"] == "Multistage(snapshots=3, disk_snapshots=4)"
    assert stages["advances"] == 105  # as Revolve with 7 snapshots
    assert stages["disk_writes"] + stages["disk_reads"] == 3 + 5 + 7 + 11
    assert (stages["memory_slots"], stages["disk_slots"]) == (3, 4)
    assert (stages["memory_bytes"], stages["disk_bytes"]) == (3 * 2**21, 4 * 2**21)


def test_bytes_are_unknown_without_a_size(planned):
    found = planned("--steps 50 --snapshots 3")
    assert found["state_bytes"] is None
    assert {one["memory_bytes"] for one in found["schemes"]} == {None}


def test_times(planned):
    options = "--step-time 0.5 --reverse-time 3 --write-speed 1MB/s --read-time 0.25 --state-size 2MB"
    found = planned(f"--steps 50 --snapshots 3 --disk-snapshots 4 {options}")
    assert (found["time_unit"], found["step_time"], found["reverse_time"]) == ("s", 0.5, 3.0)
    assert (found["write_time"], found["read_time"]) == (2.0, 0.25)
    one = by_name(found)["Multistage"]
    assert one["time"] == 105 * 0.5 + 50 * 3 + one["disk_writes"] * 2 + one["disk_reads"] * 0.25


@pytest.mark.parametrize(
    ("options", "reverse", "write", "read"),
    [
        ("", 4, 1, 1),
        ("--step-time 2", 8, 2, 2),
        ("--step-time 2 --state-size 1GB", 8, 1, 1),
        ("--step-time 2 --state-size 1GB --write-speed 2GB", 8, 0.5, 0.5),
        ("--reverse-time 3 --write-time 5", 3, 5, 5),
        ("--read-time 5", 4, 1, 5),
        ("--write-time 0", 4, 0, 0),
    ],
)
def test_what_holds_where_nothing_is_said(planned, options, reverse, write, read):
    found = planned(f"--steps 9 --snapshots 3 --disk-snapshots 1 {options}")
    assert (found["reverse_time"], found["write_time"], found["read_time"]) == (reverse, write, read)
    assert found["time_unit"] == ("s" if "--step-time" in options else "steps")


def test_a_scheme_that_keeps_tapes_is_the_best_only_if_their_size_is_known(planned):
    found = planned("--steps 100 --snapshots 10 --state-size 1MB")
    assert found["schemes"][0]["scheme"] == "Mixed(slots=10)"
    assert found["best"] == "Revolve(snapshots=10)"
    found = planned("--steps 100 --snapshots 10 --state-size 1MB --tape-size 1MB")
    assert found["best"] == "Mixed(slots=10)"
    found = planned("--steps 100 --snapshots 10 --state-size 1MB --tape-size 3MB")
    assert by_name(found)["Mixed"]["scheme"] == "Mixed(slots=3)"
    assert by_name(found)["Mixed"]["memory_bytes"] == 9_000_000


def test_a_billion_steps(planned):
    found = planned("--steps 1e9 --snapshots 100")
    assert by_name(found)["Revolve"]["advances"] == 5898659124
    assert {"scheme": "StoreAll()", "reason": "holds 999999999 in memory, where 100 fit"} in found["left_out"]


def test_a_narrow_terminal_loses_no_column(plan, monkeypatch):
    monkeypatch.setattr(consoles, "_WIDE", 60)
    finished = plan("--steps 1e9 --snapshots 8 --disk-snapshots 100 --state-size 1MB")
    heading = next(line for line in finished.stdout.splitlines() if "advances" in line)
    assert heading.split() == ["scheme", "advances", "recompute", "memory", "disk", "writes", "reads", "time"]
    assert "…" not in finished.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--snapshots 3", "Missing option '--steps'"),
        (
            "--steps 0 --snapshots 3",
            "'--steps': '0' is not a whole number from 1 to 1e10, such as 1000, 1_000 or 1e3",
        ),
        ("--steps ten --snapshots 3", "'--steps': 'ten' is not a whole number"),
        ("--steps 1.5 --snapshots 3", "'--steps': '1.5' is not a whole number"),
        ("--steps inf --snapshots 3", "'--steps': 'inf' is not a whole number"),
        ("--steps 1e999999 --snapshots 3", "'--steps': '1e999999' is not a whole number"),
        ("--steps 9 --snapshots 0", "'--snapshots': '0' is not a whole number from 1 to 1e10"),
        ("--steps 9 --snapshots 3 --disk-snapshots -1", "'-1' is not a whole number from 0 to 1e10"),
        ("--steps 9", "give --snapshots, or --memory and --state-size"),
        ("--steps 9 --snapshots 3 --memory 1GB --state-size 1", "give --snapshots or --memory, not both"),
        ("--steps 9 --memory 1GB", "--memory needs --state-size"),
        ("--steps 9 --memory 1GB --state-size 2GB", "--memory must hold one state at least"),
        (
            "--steps 9 --memory lots --state-size 1",
            "'--memory': 'lots' is not a size such as 2GiB, 500MB or 1.5e9",
        ),
        (
            "--steps 9 --memory 1 --state-size 0",
            "'0' is not a size such as 2GiB, 500MB or 1.5e9, more than nothing",
        ),
        ("--steps 9 --snapshots 3 --disk 1GB", "--disk needs --state-size"),
        ("--steps 9 --snapshots 3 --tape-size 1GB", "--tape-size needs --state-size"),
        ("--steps 9 --snapshots 3 --state-size 1 --write-speed 1GB", "--write-speed needs --step-time"),
        (
            "--steps 9 --snapshots 3 --read-speed fast",
            "'--read-speed': 'fast' is not a speed such as 500MB/s",
        ),
        (
            "--steps 9 --snapshots 3 --write-speed 1 --write-time 1",
            "give --write-time or --write-speed, not both",
        ),
        (
            "--steps 9 --snapshots 3 --step-time 0",
            "'0' is not a number of seconds, more than 0, such as 0.02",
        ),
        ("--steps 9 --snapshots 3 --step-time nan", "'nan' is not a number of seconds, more than 0"),
        ("--steps 9 --snapshots 3 --read-time -1", "'-1' is not a number of seconds, 0 or more"),
        ("--steps 9 --snapshots 3 --plot plan.pdf", "--plot must end in .png or .svg, but is plan.pdf"),
        ("--steps 9 --snapshots 3 --plot plan", "--plot must end in .png or .svg, but is plan"),
        ("--steps 9 --snapshots 3 --scheme StoreAll()", "--scheme says what to draw, and needs --plot"),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme 'Revolve'",
            '--scheme must be a scheme as in Python, such as "Revolve(snapshots=8)", of Auto, ',
        ),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme Revolve(0)",
            "Revolve: snapshots must be an integer, 1 or more",
        ),
        ("--steps 9 --snapshots 3 --plot a.svg --scheme Revolve(1,2)", "takes 2 positional arguments but 3"),
        ("--steps 9 --snapshots 3 --plot a.svg --scheme Revolve(exit())", "unknown scheme `exit`"),
        ("--steps 9 --snapshots 3 --plot a.svg --scheme Revolve(*[3])", "with numbers for arguments, but is"),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme Revolv(3)",
            "unknown scheme `Revolv`; did you mean `Revolve`?",
        ),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme Revolv",
            "unknown scheme `Revolv`; did you mean `Revolve`?",
        ),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme exec(3)",
            "unknown scheme `exec` Instead: name one of Auto, ",
        ),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme Revolve(snapshot=3)",
            "Revolve has no argument `snapshot`; did you mean `snapshots`? Instead: give snapshots",
        ),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme HRevolve(Level(3,writ=2))",
            "Level has no argument `writ`; did you mean `write`? Instead: give slots, write, read",
        ),
        (
            "--steps 9 --snapshots 3 --plot a.svg --scheme StoreAll",
            "no StoreAll is in the plan: it holds 8 in memory, where 3 fit Instead: give its arguments",
        ),
        ("--steps 9 --snapshots 3 --plot a.svg --scheme Level(3)", "--scheme must be a scheme as in Python"),
        ("--steps 9 --snapshots 3 --plot a.svg --scheme 3", "--scheme must be a scheme as in Python"),
        ("--steps 9 --snapshots 3 --frobnicate", "No such option"),
        ("--steps 9 --snapshots 3 more", "unexpected extra argument"),
    ],
)
def test_misuse(plan, tmp_path, options, message):
    finished = plan(options)
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert message in " ".join(finished.stderr.split())
    assert finished.stderr.count("Error:") == 1
    assert list(tmp_path.iterdir()) == []


SCHEMES = [
    StoreAll(),
    Revolve(3),
    Online(3),
    Periodic(snapshots=3),
    TwoLevel(4, 2),
    Multistage(2, 2),
    Mixed(3),
    Mixed(30),
    HRevolve(Level(2), Level(2, 0.5, 0.5)),
    DiskRevolve(2, write=0.1, read=0.1),
    PeriodicDiskRevolve(2),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 10, 31])
def test_the_lines_of_a_picture(scheme, steps):
    lines, cost = trace(scheme, steps), simulate(scheme, steps)
    assert lines.executed == cost.advances + 2 * cost.reversals
    assert sum(top[1] - bottom[1] for bottom, top in lines.plain) == cost.advances
    assert [line[0][1] for line in lines.reversed] == list(range(steps, 0, -1))
    assert len(lines.taped) == steps
    assert {level: len(bars) for level, bars in lines.snapshots.items()} == {
        level: count for level, count in enumerate(cost.writes) if count
    }
    for bar in [*(bar for bars in lines.snapshots.values() for bar in bars), *lines.tapes]:
        (since, there), (until, still_there) = bar
        assert 0 <= since <= until <= lines.executed
        assert there == still_there
    most = max(
        sum(since <= moment < until for (since, _), (until, _) in lines.snapshots.get(0, []) + lines.tapes)
        for moment in range(lines.executed)
    )
    assert most <= cost.peaks[0]


def test_the_picture_of_a_schedule():
    axes = picture(Multistage(2, 2), 10).axes[0]
    assert axes.get_title() == "Multistage(snapshots=2, disk_snapshots=2), 10 steps"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [
        "snapshot in memory",
        "snapshot on disk",
        "plain step",
        "step under the tape",
        "pull back",
    ]
    colours = [tuple(lines.get_colors()[0]) for lines in axes.collections]
    assert len(set(colours)) == len(colours) == 5
    assert [len(lines.get_segments()) for lines in axes.collections][-2:] == [10, 10]
    assert not any(lines.get_rasterized() for lines in axes.collections)


def test_many_lines_become_an_image():
    collections = picture(Revolve(20), 4000).axes[0].collections
    assert [lines.get_rasterized() for lines in collections] == [
        len(lines.get_segments()) > 3000 for lines in collections
    ]
    assert any(lines.get_rasterized() for lines in collections)


def test_both_pictures_in_a_file(plan, tmp_path):
    finished = plan("--steps 40 --snapshots 3 --disk-snapshots 2 --plot plan.svg")
    assert finished.exit_code == 0
    assert finished.stderr == "wrote plan.svg\n"
    first = (tmp_path / "plan.svg").read_bytes()
    assert len(ElementTree.fromstring(first).findall(".//*[@id='axes_1']")) == 1
    assert len(ElementTree.fromstring(first).findall(".//*[@id='axes_2']")) == 1
    assert plan("--steps 40 --snapshots 3 --disk-snapshots 2 --plot plan.svg").exit_code == 0
    assert (tmp_path / "plan.svg").read_bytes() == first


def test_too_many_steps_to_draw(plan, tmp_path):
    finished = plan("--steps 1e9 --snapshots 30 --state-size 1MiB --plot", "plan of a billion.PNG")
    assert finished.exit_code == 0
    assert finished.stderr == (
        "schedules are drawn for up to 100000 steps: only cost against memory is drawn\nwrote plan of a billion.PNG\n"
    )
    assert (tmp_path / "plan of a billion.PNG").read_bytes().startswith(b"\x89PNG")


def test_the_scheme_that_is_drawn(plan, monkeypatch):
    drawn = []
    monkeypatch.setattr(pictures, "draw", lambda path, made, scheme: drawn.append(scheme) or [])
    assert (
        plan("--steps 9 --snapshots 3 --plot a.png --scheme", "TwoLevel(period=3, snapshots=1)").exit_code
        == 0
    )
    assert plan("--steps 9 --snapshots 3 --plot a.png").exit_code == 0
    assert (
        plan("--steps 9 --snapshots 3 --plot a.png --scheme HRevolve(Level(2),Level(3,write=2.5))").exit_code
        == 0
    )
    assert plan("--steps 9 --snapshots 3 --plot a.png --scheme Revolve").exit_code == 0
    assert drawn == [
        TwoLevel(period=3, snapshots=1),
        None,
        HRevolve(Level(2), Level(3, write=2.5)),
        Revolve(3),
    ]


def test_a_picture_that_cannot_be_written(plan):
    finished = plan("--steps 9 --snapshots 3 --plot nowhere/a.png")
    assert finished.exit_code == 1
    assert "Error: cannot write nowhere/a.png: no such file or directory\n" in finished.stderr


def test_no_matplotlib(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("checkpointer.cli.pictures", "checkpointer.schedule_picture"):
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(name)
    finished = plan("--steps 9 --snapshots 3 --plot a.png")
    assert finished.exit_code == 1
    assert "Error: --plot needs matplotlib, which is not installed" in finished.stderr
    assert 'pip install "checkpointer-ad[plot]"' in finished.stderr


def test_the_page_about_it(plan, planned):
    """What docs/plan.md shows is printed, and the keys that it lists are those that there are."""
    page = (Path(__file__).parents[2] / "docs" / "plan.md").read_text("utf-8")
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert plan("--steps 1000 --snapshots 10").stdout == shown
    found = planned("--steps 1000 --snapshots 10")
    lists = re.findall(r"\| Key \| \|\n(.*?)\n\n", page, re.DOTALL)
    keys = [
        {*re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.*?) \|", rows, re.MULTILINE)))} for rows in lists
    ]
    assert keys == [{*found}, {*found["schemes"][0]}]
    assert {*found["left_out"][0]} == {"scheme", "reason"}


@pytest.mark.parametrize("module", [pictures, quantities, traces, written])
def test_docstring_examples(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert failed == 0
