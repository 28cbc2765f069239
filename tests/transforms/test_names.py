"""What is carried, what is local, what is read: the report, and the names that are inserted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checkpointer.transforms import rewrite_source

HEAD = "from checkpointer import Revolve, checkpointed\n"


def rewrite(source: str):
    return rewrite_source(HEAD + source, "prog.py", ["Revolve"], version="0")


def names_of(body: str, *, before: str = "", after: str = ""):
    """The names of a loop `for i in ...` with this body, in a function of one parameter `u`."""

    def indented(text: str, depth: int) -> str:
        return "".join("    " * depth + line + "\n" for line in text.splitlines())

    loop = "    for i in checkpointed(range(3), Revolve(1)):\n"
    source = "def f(u):\n" + indented(before, 1) + loop + indented(body, 2) + indented(after, 1)
    return rewrite(source).loops[0].names


LOCAL = {
    "assigned, then read": "x = u\ny = x",
    "both branches": "if u:\n    x = 1\nelse:\n    x = 2\ny = x",
    "one branch returns": "if u:\n    x = 1\nelse:\n    return 3\ny = x",
    "one branch continues": "if u:\n    continue\nelse:\n    x = 1\ny = x",
    "handler raises": "try:\n    x = u()\nexcept ValueError:\n    raise\ny = x",
    "handler assigns": "try:\n    x = u()\nexcept ValueError:\n    x = 0\ny = x",
    "else of try": "try:\n    u()\nexcept ValueError:\n    x = 1\nelse:\n    x = 2\ny = x",
    "finally": "try:\n    u()\nfinally:\n    x = 2\ny = x",
    "walrus in a condition": "if (x := u) > 1:\n    y = x",
    "first operand": "((x := u) and x)\ny = x",
    "comprehension reads it": "x = u\ny = [x + j for j in range(x)]",
    "with as": "with u as x:\n    y = x",
    "inner loop reads it": "x = u\nfor y in range(x):\n    y += x",
    "in the inner loop only": "for y in u:\n    x = y\n    u(x)",
    "match capture": "match u:\n    case [x, y]:\n        u(x + y)",
    "deleted after use": "x = u\ny = x\ndel x",
    "imported": "import math as x\ny = x",
    "unpacked": "(x, *y), u[0] = u\nu(x, y)",
    "keys before values": "u({(x := 1): x})\ny = 1",
}


@pytest.mark.parametrize("body", LOCAL.values(), ids=LOCAL.keys())
def test_names_of_one_iteration_are_local(body):
    names = names_of(body)
    assert {"x", "y"} & {*names.local, *names.carried} <= set(names.local)
    assert "x" in names.local
    assert "i" in names.local


CARRIED = {
    "read first": "y = x\nx = u",
    "augmented": "x += u",
    "one branch only": "if u:\n    x = 1\ny = x",
    "short circuit": "u and (x := 1)\ny = x",
    "chained comparison": "0 < u < (x := 1)\ny = x",
    "conditional expression": "z = (x := 1) if u else 0\ny = x",
    "comprehension": "[(x := j) for j in u]\ny = x",
    "read in the comprehension before it is bound": "[(x := j) for j in u if x]",
    "value before a later key": "u({1: x, (x := 2): 3})",
    "inner loop may not run": "for j in u:\n    x = j\ny = x",
    "target of an inner loop": "for x in u:\n    pass\ny = x",
    "while body": "while u():\n    x = 1\ny = x",
    "try may stop before": "try:\n    u()\n    x = 1\nexcept ValueError:\n    pass\ny = x",
    "finally sees the unfinished body": "try:\n    u()\n    x = 1\nfinally:\n    u(x)",
    "context may swallow": "with u:\n    x = 1\ny = x",
    "deleted before the read": "x = 1\nif u:\n    del x\ny = x",
    "deleted in an inner loop": "x = 1\nfor j in u:\n    del x\ny = x",
    "handler's name is gone": "try:\n    u()\nexcept ValueError as x:\n    pass\ny = x",
    "no case matches": "match u:\n    case [x]:\n        pass\ny = x",
    "captured by a lambda": "x = u\nu(lambda: x)",
    "captured by a lambda's default alone is no capture, by its body it is": "x = u\nu(lambda x=x: x, lambda: x)",
    "captured by a function": "x = u\ndef g():\n    return x",
    "captured by a class": "x = u\nclass G:\n    z = x",
    "captured by a generator expression": "x = u\nu(x + j for j in u)",
    "assertion message": "assert u, (x := 1)\ny = x",
    "annotation without value": "x: int\ny = x",
    "annotation of a function": "def g(a: x): pass\nx = 1",
}


@pytest.mark.parametrize("body", CARRIED.values(), ids=CARRIED.keys())
def test_names_that_may_outlive_an_iteration_are_carried(body):
    assert "x" in names_of(body).carried


@pytest.mark.parametrize("outside", [{"before": "x = 0"}, {"after": "print(x)"}, {"after": "g = lambda: x"}])
def test_names_that_occur_outside_are_carried(outside):
    assert names_of("x = u", **outside).carried == ("x",)


def test_a_name_in_the_else_clause_is_carried():
    source = "def f(u):\n    for i in checkpointed(u, Revolve(1)):\n        x = i\n    else:\n        u(x)\n"
    assert rewrite(source).loops[0].names.carried == ("x",)


def test_namespace_builtins_around_the_loop_see_every_name():
    assert names_of("x = u", after="return locals()").local == ()


def test_reads_leave_out_builtins_marks_and_what_the_loop_binds():
    source = """
import math
def f(u, v):
    w = 1
    def h(): pass
    while checkpointed(abs(v) < u, Revolve(snapshots=len(w))):
        v = h(math.pi, undefined, [k for k in range(3)], lambda q: q)
        for j in checkpointed(v, Revolve(1)):
            pass
"""
    outer, inner = rewrite(source).loops
    assert outer.names.reads == ("u", "h", "math", "Revolve")
    assert outer.names.carried == ("v",)
    assert outer.names.local == ("j",)
    assert inner.names.reads == ()


def test_loop_info():
    source = """
class A:
    def f(self):
        def g():
            for i, x in checkpointed([
                1], scheme = Revolve(
            2)): pass
"""
    info = rewrite(source).loops[0]
    assert (info.number, info.function, info.line) == (1, "A.f.g", 6)
    assert (info.header, info.scheme) == ("for i, x in [1]", "Revolve(2)")


def test_inserted_names_avoid_the_users():
    source = """
run_loop = item = ended = loop1_step = Advance = 1
def f_loop1_forward(): pass
def f(x):
    for x.a in checkpointed(x, Revolve(1)):
        return x
"""
    code = rewrite(source).code
    for line in (
        "from checkpointer.runtime import Advance as Advance_\n",
        "from checkpointer.runtime import run_loop as run_loop_\n",
        "    def f_loop1_step(item_):\n",
        "        x.a = item_\n",
        "    ended_ = run_loop_(\n",
        "        forward=f_loop1_forward_,\n",
        "def f_loop1_forward_(loop):\n",
        "            case Advance_(start, stop):\n",
    ):
        assert line in code


def test_loops_are_counted_within_their_function():
    loop = "  for i in checkpointed([]): pass\n"
    source = f"def f():\n{loop}{loop}def _g():\n{loop}"
    code = rewrite(source).code
    for name in ("f_loop1_step", "f_loop2_step", "g_loop1_step"):
        assert f"def {name}(" in code


def test_sweeps_stand_before_what_may_run_at_once():
    loop = "    for i in checkpointed([]): pass\n"
    later = rewrite("def f():\n" + loop).code
    assert later.index("def f_loop1_forward") > later.index("def f():")
    for source in (
        "@now\ndef f():\n" + loop,
        "if True:\n  def f():\n  " + loop + "  f()\n",
        "class A:\n  def f():\n  " + loop + "  x = f()\n",
    ):
        code = rewrite(source).code
        assert code.index("loop1_forward(loop)") < code.index("def f():")


def test_output_does_not_depend_on_the_hash_seed():
    script = (
        "from checkpointer.transforms import rewrite_source\n"
        "from pathlib import Path\n"
        "print(rewrite_source(Path('tests/transforms/golden/closure.py').read_text(), 'a.py', ['Revolve'], version='0'))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            cwd=__file__.rsplit("/tests/", 1)[0],
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert "outer_inner_loop1_step" in runs[0]


def test_line_endings_and_tabs_survive():
    source = (
        HEAD + "def f(n):\n\tt = 0\n\tfor i in checkpointed(range(n), Revolve(1)):\n\t\tt += i\n\treturn t\n"
    )
    code = rewrite_source(source.replace("\n", "\r\n"), "a.py", [], version="0").code
    assert code.count("\n") == code.count("\r\n")
    assert "\r\n\t\tnonlocal t\r\n\t\tt += i\r\n" in code
    compile(code, "a.py", "exec")


@pytest.mark.parametrize("source", ["", "\n", "# only a comment\n", '"""Only a docstring."""', "x = 1"])
def test_small_files(source):
    rewritten = rewrite_source(source, "a.py", [], version="0")
    assert rewritten.code.startswith(
        "# Adjoint of a.py, written by checkpointer 0. Change a.py, not this file.\n"
    )
    assert source.strip() in rewritten.code
    assert len(rewritten.source_lines) == len(rewritten.code.splitlines())


def test_a_file_name_cannot_break_the_output():
    source = HEAD + "for i in checkpointed([], Revolve(1)): pass\n"
    code = rewrite_source(source, 'dir/a"""b\n\\c.py', [], version="0").code
    compile(code, "a.py", "exec")
    assert "Adjoint of a'''b?/c.py, " in code
