"""What one job of ``checkpointer rewrite`` comes to, and how all of them are told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import click

from checkpointer.cli import files, source, writing
from checkpointer.cli.jobs import Job, Unmarked
from checkpointer.errors import no_mark_in


class Status(Enum):
    """What is the matter with a module; the value is what `--json` prints, and what follows "is" or "are"."""

    WRITTEN = "written"
    UP_TO_DATE = "up to date"
    MISSING = "missing"
    OUT_OF_DATE = "out of date"
    FAILED = "failed"
    UNMARKED = "unmarked"


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes
    ----------
    job : Job
        What was to do.
    status : Status
        How it is before anything is written, or what went wrong.
    before, after : bytes or None
        The contents of the module as it is, and as it should be.
    message : str
        Why it failed.
    """

    job: Job
    status: Status
    before: bytes | None = None
    after: bytes = b""
    message: str = ""


def examine(job: Job) -> Outcome:
    """Compare what is there with what should be; nothing is written."""
    try:
        data = source.from_standard_input() if job.file is None else source.read(job.file)
        after = _contents(job, data)
        if after is None:
            return Outcome(job, Status.UNMARKED)
        if job.out is None:  # what is printed is compared with what it was made from
            return Outcome(job, Status.MISSING, data, after)
        before = writing.current(job.out, job.file)
    except (click.ClickException, OSError) as error:
        return Outcome(job, Status.FAILED, message=_message(error, job))
    if before == after:
        return Outcome(job, Status.UP_TO_DATE, before, after)
    return Outcome(job, Status.MISSING if before is None else Status.OUT_OF_DATE, before, after)


def _contents(job: Job, data: bytes) -> bytes | None:
    """What the module should contain; None if there is no reason to have it."""
    if job.unmarked is Unmarked.LEFT and b"checkpointer" not in data:
        _refuse_left_over(job)
        return None  # without looking whether it is Python
    if job.unmarked is Unmarked.REWRITTEN and job.file is not None and files.is_ours(job.file):
        return data  # what is beside its source is beside it in the new tree too
    rewritten = source.rewrite_data(data, job.name)
    if rewritten.loops or job.unmarked is Unmarked.REWRITTEN:
        return writing.encoded(rewritten.code, data)
    if job.unmarked is Unmarked.REFUSED:
        raise click.ClickException(no_mark_in(job.name))
    _refuse_left_over(job)
    return None


def _refuse_left_over(job: Job) -> None:
    """A module that was written when there were marks says what its source no longer does."""
    if job.out is not None and job.out.is_file() and files.is_ours(job.out):
        raise click.ClickException(
            f"{job.out} is left over: no loop is marked in {job.name} any more; remove the one, or mark a loop in the other"
        )


def carry_out(outcome: Outcome) -> Outcome:
    """Write what is missing or out of date."""
    job = outcome.job
    if job.out is None or outcome.status not in (Status.MISSING, Status.OUT_OF_DATE):
        return outcome
    try:
        if job.unmarked is Unmarked.REWRITTEN:
            job.out.parent.mkdir(parents=True, exist_ok=True)
        writing.write(job.out, outcome.after, job.file)
    except OSError as error:
        return Outcome(job, Status.FAILED, message=_message(error, job))
    return Outcome(job, Status.WRITTEN, outcome.before, outcome.after)


def _message(error: OSError | click.ClickException, job: Job) -> str:
    if isinstance(error, click.ClickException):
        return error.message
    return f"cannot write {job.shown}: {source.reason(error)}"


def as_json(outcomes: Sequence[Outcome]) -> str:
    """A list of objects; what was written has no message."""
    return json.dumps(
        [
            {
                "file": outcome.job.name,
                "output": None if outcome.job.out is None else str(outcome.job.out),
                "status": outcome.status.value,
                "message": outcome.message or None,
            }
            for outcome in outcomes
        ],
        indent=2,
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many came to what.

    >>> job = Job(None, "", None)
    >>> summary([Outcome(job, status) for status in (Status.UP_TO_DATE, Status.WRITTEN, Status.WRITTEN)])
    'wrote 2 files, 1 was up to date'
    """
    counts = Counter(outcome.status for outcome in outcomes)
    wrote = bool(counts[Status.WRITTEN])
    parts: list[str] = []
    for status in (Status.WRITTEN, Status.MISSING, Status.OUT_OF_DATE, Status.UP_TO_DATE, Status.FAILED):
        if number := counts[status]:
            parts.append(_part(status, number, first=not parts, past=wrote))
    return ", ".join(parts)


def _part(status: Status, number: int, *, first: bool, past: bool) -> str:
    counted = f"{number} file{'s' * (number > 1)}" if first else str(number)
    if status is Status.WRITTEN:
        return f"wrote {counted}"
    if status is Status.FAILED:
        return f"{counted} failed"
    verb = ("was" if number == 1 else "were") if past else ("is" if number == 1 else "are")
    return f"{counted} {verb} {status.value}"
