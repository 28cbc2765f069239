"""The rewritten program computes what the original computes.

Both are executed: the original with a mark that returns its argument, the rewritten one against a stub of the runtime
that does nothing but iterate. What is compared is the result, or the exception and its text.
"""

from __future__ import annotations

import importlib.util
import math
import re
import sys
import types
from pathlib import Path

import pytest

from checkpointer.transforms import rewrite_source


def _sibling(name: str) -> types.ModuleType:
    """Import a module of this folder, which pytest's importlib mode does not put on the path."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"transforms_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROGRAMS: dict[str, str] = _sibling("programs").PROGRAMS
random_program = _sibling("random_programs").random_program

HEAD = "from checkpointer import Revolve, checkpointed\n"
BREAK, CONTINUE, EXHAUSTED = "BREAK", "CONTINUE", "EXHAUSTED"


class Return:
    def __init__(self, value):
        self.value = value


class Ended:
    def __init__(self, *, exhausted=False, returned=None):
        self.exhausted = exhausted
        self.returned = returned is not None
        self.value = returned.value if returned else None


def run_while(step, scheme=None, *, forward, reverse, storage=None):
    assert callable(forward)
    assert callable(reverse)
    while True:
        signal = step()
        if signal == EXHAUSTED:
            return Ended(exhausted=True)
        if signal == BREAK:
            return Ended()
        if isinstance(signal, Return):
            return Ended(returned=signal)
        assert signal in (None, CONTINUE)


def run_loop(step, items, scheme=None, **keywords):
    iterator = iter(items)

    def one():
        for item in iterator:
            return step(item)
        return EXHAUSTED

    return run_while(one, scheme, **keywords)


@pytest.fixture
def stub(monkeypatch):
    """`checkpointer` and its runtime, reduced to the names that original and rewritten programs import."""
    package = types.ModuleType("checkpointer")
    package.__path__ = []
    package.checkpointed = lambda subject, *args, **keywords: subject
    package.Revolve = lambda *args, **keywords: None
    package.math = math
    runtime = types.ModuleType("checkpointer.runtime")
    for name in ("Advance", "Discard", "Record", "Restore", "Reverse", "Snapshot"):
        setattr(runtime, name, type(name, (), {}))
    runtime.BREAK, runtime.CONTINUE, runtime.EXHAUSTED, runtime.Return = BREAK, CONTINUE, EXHAUSTED, Return
    runtime.differentiable = lambda function: function
    runtime.run_loop, runtime.run_while = run_loop, run_while
    runtime.as_float, runtime.as_complex, runtime.type_of, runtime.sum_of = float, complex, type, sum
    runtime.sum_by = lambda function, *args: function(*args)
    runtime.as_scalar = lambda kind, x: kind(x)
    monkeypatch.setitem(sys.modules, "checkpointer", package)
    monkeypatch.setitem(sys.modules, "checkpointer.runtime", runtime)
    monkeypatch.setitem(sys.modules, "checkpointer.math_names", math)


def outcome(code: str) -> str:
    """What a program leaves in `result`, or how it fails; reads of unbound names compare by their kind."""
    namespace: dict[str, object] = {"__name__": "program"}
    try:
        exec(compile(code, "program.py", "exec"), namespace)
    except NameError:
        return "NameError"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return repr(namespace["result"])


def rewrite(source: str):
    return rewrite_source(source, "program.py", ["Revolve"], version="0")


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_rewritten_program_does_what_the_original_does(program, stub):
    source = HEAD + program
    expected = outcome(source)
    rewritten = rewrite(source)
    assert len(re.findall(r"\brun_(?:loop|while)_?\($", rewritten.code, re.MULTILINE)) == len(rewritten.loops)
    assert outcome(rewritten.code) == expected


def test_the_programs_cover_success_and_failure(stub):
    outcomes = {name: outcome(HEAD + program) for name, program in PROGRAMS.items()}
    assert sorted(name for name, found in outcomes.items() if found == "NameError") == sorted(
        [
            "target is not bound by zero iterations",
            "name first bound in the loop, zero iterations",
            "name read before it was ever bound",
            "only a declaration in the loop",
            "del in one iteration is felt in the next",
            "module level, zero iterations",
        ]
    )
    assert not [name for name, found in outcomes.items() if "Error:" in found]


@pytest.mark.parametrize("seed", range(200))
def test_random_program(seed, stub):
    source = HEAD + random_program(seed)
    rewritten = rewrite(source)
    assert rewritten.loops
    assert outcome(rewritten.code) == outcome(source), source


def test_reading_an_unbound_name_of_the_loop_raises_unbound_local_error(stub):
    source = HEAD + "def run():\n    for i in checkpointed([], Revolve()):\n        acc = i\n    return acc\n"
    namespace: dict[str, object] = {}
    exec(rewrite(source).code, namespace)
    with pytest.raises(UnboundLocalError, match="acc"):
        namespace["run"]()
