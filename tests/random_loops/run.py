"""Judge many random programs and count what became of them::

    python tests/random_loops/run.py 2000 --seed 7

Half of them are ordinary, half wild. Programs that Python or NumPy refuse themselves, or that have no derivative at the
two inputs, do not count. ``--show`` prints the programs of some outcomes or codes; ``--shrink wrong`` (or a code) prints
the smallest one that hypothesis finds. Ends with status 1 if a program is wrong, or a tenth of the ordinary ones refused.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter

from grammar import HEAD, Program, programs
from hypothesis import HealthCheck, Phase, find, given, reject, seed, settings
from oracle import Outcome, judge

QUIET = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}


def outcome_of(program: Program) -> Outcome:
    """The outcome, an exception that the plain program does not raise being a wrong one."""
    try:
        return judge(program.source, endless=program.endless)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome("wrong", f"{type(error).__name__}: {error} ({line.filename}:{line.lineno})")


def count(number: int, start: int, *, wild: bool, show: set[str]) -> Counter[tuple[str, str]]:
    """Judge this many different programs that count, or until Ctrl-C."""
    counts: Counter[tuple[str, str]] = Counter()
    seen: set[str] = set()

    @seed(start)
    @settings(max_examples=number, phases=[Phase.generate], **QUIET)
    @given(programs(wild=wild))
    def run(program: Program) -> None:
        if program.source in seen:
            reject()  # hypothesis came to it by another way
        seen.add(program.source)
        outcome = outcome_of(program)
        counts[outcome.kind, outcome.why if outcome.kind in ("refused", "invalid") else ""] += 1
        if {outcome.kind, outcome.why} & show:
            print(
                f"\n#### {outcome.kind} {outcome.why} {outcome.message}\n{program.source.removeprefix(HEAD)}"
            )
        if outcome.kind == "invalid":
            reject()

    try:
        run()
    except KeyboardInterrupt:
        print("interrupted")
    return counts


def smallest(wanted: str, start: int, *, wild: bool, tries: int) -> str:
    """The smallest program that hypothesis finds with this outcome or this code of a refusal."""

    def fits(program: Program) -> bool:
        outcome = outcome_of(program)
        return wanted in (outcome.kind, outcome.why)

    program = find(
        programs(wild=wild), fits, random=random.Random(start), settings=settings(max_examples=tries, **QUIET)
    )
    return f"# {outcome_of(program)}\n{program.source.removeprefix(HEAD)}"


def report(name: str, counts: Counter[tuple[str, str]], seconds: float) -> bool:
    """Print the table of one class; whether it is as it must be."""
    total: Counter[str] = Counter()
    for (kind, _), times in counts.items():
        total[kind] += times
    judged = total["right"] + total["refused"] + total["wrong"]
    print(f"{name}: {judged} programs in {seconds:.0f} s, {dict(total)}")
    for (kind, why), times in counts.most_common():
        if why:
            print(f"    {kind} {why}: {times}")
    return total["wrong"] == 0 and (name == "wild" or total["refused"] * 10 < judged)


def main() -> int:
    """Read the command line, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["ordinary", "wild"])
    parser.add_argument("--show", nargs="*", default=["wrong"], metavar="OUTCOME")
    parser.add_argument("--shrink", metavar="OUTCOME")
    options = parser.parse_args()
    names = [options.only] if options.only else ["ordinary", "wild"]
    good = True
    for name in names:
        wild, number = name == "wild", options.programs // len(names)
        if options.shrink:
            print(smallest(options.shrink, options.seed, wild=wild, tries=number))
            continue
        began = time.monotonic()
        counts = count(number, options.seed, wild=wild, show=set(options.show))
        good &= report(name, counts, time.monotonic() - began)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
