"""Judge many random programs on some ranks, and count what became of them::

    python tests/mpi/random_patterns/run.py 200 --ranks 3 --seed 1

Many programs run in one start of ``mpiexec``. When all ranks are stuck for ``--limit`` seconds, their stacks, the
program and the stages are printed; the next start goes on with the next program. ``--show SEED`` prints a program,
``--shrink SEED`` finds the smallest part of one that goes wrong in the same way, ``--without persistent,lower``
leaves features out, ``--plain`` only runs the programs undifferentiated, with plain mpi4py. Ends with status 1 if a
program is wrong or stuck.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from writer import HEAD, SWITCHES, write

HERE = Path(__file__).parent
AT_ONCE = 20
"""Programs per start: each makes some communicators, of which MPI has about two thousand."""


@dataclass(frozen=True)
class Verdict:
    """What became of a program: as in `oracle.Outcome`, or "stuck" or "crashed"; ``report`` holds stacks or tracebacks."""

    seed: int
    kind: str
    why: str
    report: str = field(default="", repr=False)
    seconds: float = 0.0


@dataclass(frozen=True)
class Runner:
    """How programs are run."""

    ranks: int
    without: Collection[str] = ()
    skip: Collection[str] = ()
    plain: bool = False
    thorough: bool = False
    limit: float = 30.0

    def judge(
        self, seeds: Sequence[int], tell: Callable[[Verdict], None] = lambda verdict: None
    ) -> list[Verdict]:
        """The verdicts on the programs of these seeds, in as few starts as possible."""
        verdicts: list[Verdict] = []
        rest = list(seeds)
        while rest:
            found = self._start(rest[:AT_ONCE])
            for verdict in found:
                tell(verdict)
            verdicts += found
            rest = rest[len(found) :]
        return verdicts

    def _start(self, seeds: Sequence[int]) -> list[Verdict]:
        """The verdicts of one start: on at least the first program."""
        with tempfile.TemporaryDirectory(prefix="patterns-") as name:
            folder = Path(name)
            order = {
                "folder": name,
                "seeds": list(seeds),
                "without": list(self.without),
                "skip": list(self.skip),
                "plain": self.plain,
                "thorough": self.thorough,
                "limit": self.limit,
            }
            with (folder / "output").open("w") as output:
                process = subprocess.Popen(
                    [
                        mpiexec(),
                        "-n",
                        str(self.ranks),
                        sys.executable,
                        str(HERE / "worker.py"),
                        json.dumps(order),
                    ],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                    start_new_session=True,
                )
                try:
                    self._wait(process, folder)
                finally:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)
                        process.wait()
            return self._read(folder, seeds)

    def _wait(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        """Wait for the end, or until all ranks have printed their stacks and gone on with nothing for a while."""
        patience = None
        while process.poll() is None:
            time.sleep(0.05)
            printed = [path for path in folder.glob("*.stacks") if path.stat().st_size]
            if len(printed) < self.ranks:
                patience = None
            elif patience is None:
                patience = time.monotonic() + self.limit / 4
            elif time.monotonic() > patience:
                return

    def _read(self, folder: Path, seeds: Sequence[int]) -> list[Verdict]:
        diaries = [_lines(folder / f"rank{rank}.jsonl") for rank in range(self.ranks)]
        verdicts = []
        for seed in seeds:
            lines = [[line for line in diary if line["seed"] == seed] for diary in diaries]
            ends = [line for line in lines[0] if line["event"] == "end"]
            if not any(lines):
                break
            if not ends:
                verdicts.append(self._lost(folder, seed, lines))
                break
            errors = [
                f"rank {r}: {line['text']}"
                for r, own in enumerate(lines)
                for line in own
                if line["event"] == "error"
            ]
            end = ends[0]
            verdicts.append(Verdict(seed, end["kind"], end["text"], "\n".join(errors), end["seconds"]))
        if not verdicts:
            text = (folder / "output").read_text()
            raise RuntimeError(f"no program was run:\n{text}")
        return verdicts

    def _lost(self, folder: Path, seed: int, lines: list[list[dict[str, Any]]]) -> Verdict:
        """A program that has no end: its ranks were stuck, or died."""
        report = [(folder / "output").read_text()]
        stuck = False
        for rank, own in enumerate(lines):
            stacks = folder / f"rank{rank}.stacks"
            text = stacks.read_text() if stacks.exists() else ""
            stuck |= bool(text)
            report += [f"rank {rank}: {line['text']}" for line in own if line["event"] == "error"]
            report.append(
                f"rank {rank}, {own[-1]['text'] if own else 'not begun'}:\n{text or '    no stacks'}"
            )
        stages = "; ".join(
            f"rank {rank}: {own[-1]['text'] if own else '-'}" for rank, own in enumerate(lines)
        )
        return Verdict(seed, "stuck" if stuck else "crashed", stages, "\n".join(report))

    def smallest(self, seed: int) -> tuple[Verdict, str]:
        """The verdict on a program, and its text without the pieces that make no difference to the verdict."""
        verdict = self.judge([seed])[0]
        skip: set[str] = set(self.skip)
        tried: set[str] = set()
        while True:
            pieces = write(seed, without=self.without, skip=skip).pieces
            untried = [piece for piece in pieces if piece not in tried]
            if not untried:
                return verdict, write(seed, without=self.without, skip=skip).source
            piece = untried[0]
            tried.add(piece)
            less = skip | {piece}
            again = Runner(
                self.ranks, self.without, less, self.plain, self.thorough, min(self.limit, 12.0)
            ).judge([seed])[0]
            if again.kind == verdict.kind and again.why[:20] == verdict.why[:20]:
                skip, verdict = less, again


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def mpiexec() -> str:
    """The command that starts ranks: the one beside this Python, or the first on the path."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise RuntimeError("mpiexec was not found")
    return found


def main() -> int:
    """Read the command line, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", type=int, nargs="?", default=1)
    parser.add_argument("--ranks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", default="", help=f"some of {','.join(SWITCHES)}")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--thorough", action="store_true")
    parser.add_argument("--limit", type=float, default=30.0)
    parser.add_argument("--show", type=int, metavar="SEED")
    parser.add_argument("--shrink", type=int, metavar="SEED")
    options = parser.parse_args()
    without = [name for name in options.without.split(",") if name]
    if unknown := set(without) - set(SWITCHES):
        parser.error(f"--without knows {', '.join(SWITCHES)}, and not {', '.join(unknown)}")
    runner = Runner(options.ranks, without, (), options.plain, options.thorough, options.limit)
    if options.show is not None:
        print(write(options.show, without=without).source)
        return 0
    if options.shrink is not None:
        verdict, source = runner.smallest(options.shrink)
        print(f"# {verdict}\n{source.removeprefix(HEAD)}\n{verdict.report}")
        return 1
    began = time.monotonic()
    seeds = range(options.seed, options.seed + options.programs)
    verdicts = runner.judge(seeds, _tell)
    counts = Counter(verdict.kind for verdict in verdicts)
    print(
        f"{len(verdicts)} programs on {options.ranks} ranks in {time.monotonic() - began:.0f} s: {dict(counts)}"
    )
    for (kind, why), times in Counter(
        (v.kind, v.why.partition("\n")[0][:90]) for v in verdicts if v.kind != "right"
    ).most_common():
        print(f"    {times} {kind}: {why}")
    return int(bool(set(counts) - {"right", "refused", "invalid"}))


def _tell(verdict: Verdict) -> None:
    if verdict.kind not in ("right", "refused", "invalid"):
        print(f"\n#### seed {verdict.seed} {verdict.kind}: {verdict.why}\n{verdict.report}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
