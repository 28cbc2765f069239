"""Collects the cases of this folder: see ``harness.py``."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # the cases import the harness by its name, here and on the ranks

import harness

_FOLDER = pytest.StashKey[Path]()


def pytest_collect_file(file_path, parent):
    if _holds_cases(file_path) and not parent.session.isinitpath(file_path):
        return CasesFile.from_parent(parent, path=file_path)
    return None


def pytest_pycollect_makemodule(module_path, parent):
    """Pytest imports whatever is named on its command line, but not these."""
    return CasesFile.from_parent(parent, path=module_path) if _holds_cases(module_path) else None


def _holds_cases(path):
    return path.match("cases_*.py")


class CasesFile(pytest.File):
    """A module of cases, which is not imported here."""

    def collect(self):
        for case in harness.cases_in(self.path):
            yield CaseItem.from_parent(self, name=f"{case.name}[{case.ranks}]", case=case)


class CaseItem(pytest.Item):
    """One case on one number of ranks; the first that is run has all of as many ranks run, those that were selected."""

    def __init__(self, *, case, **options):
        super().__init__(**options)
        self.case = case

    def setup(self):
        if why := harness.missing():
            pytest.skip(why)

    def runtest(self):
        every = [item.case for item in self.session.items if isinstance(item, CaseItem)]
        cases = [case for case in every if case.ranks == self.case.ranks]
        outcome = harness.outcomes(cases, self.case.ranks, _folder(self.config))[self.case.key]
        if outcome.kind == "skipped":
            pytest.skip(outcome.text)
        if outcome.kind == "failed":
            raise CaseFailed(outcome.text)

    def repr_failure(self, excinfo, style=None):
        return str(excinfo.value) if isinstance(excinfo.value, CaseFailed) else super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, self.case.line - 1, self.name


class CaseFailed(Exception):
    """A case failed on some rank; the text says how."""


def _folder(config):
    """Where this run of pytest keeps its results: the same for all its workers."""
    if _FOLDER not in config.stash:
        base = config._tmp_path_factory.getbasetemp()
        config.stash[_FOLDER] = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "mpi"
    return config.stash[_FOLDER]
