"""What `checkpointer lint` finds: all refusals at once, and warnings with few false alarms."""

import re
from pathlib import Path

import pytest

from checkpointer.errors import TransformError
from checkpointer.transforms import REFUSALS, WARNINGS, lint_source, rewrite_source

ROOT = Path(__file__).parents[2]
SCHEMES = ["Online", "Periodic", "Revolve", "StoreAll"]
HEAD = "from checkpointer import Revolve, checkpointed, replaying\n"


def lint(source):
    return lint_source(source, "prog.py", SCHEMES)


def in_loop(body, imports="", subject="range(9)"):
    inside = "".join(f"        {line}\n" for line in body.splitlines())
    return f"{HEAD}{imports}\ndef f(u, x):\n    for i in checkpointed({subject}, Revolve(1)):\n{inside}    return u\n"


def test_all_refusals_of_a_file_in_the_order_of_the_text():
    found = lint(
        HEAD + "x = checkpointed([])\n"  # 2
        "def f(law):\n"
        "    # checkpointer: Revolv(1)\n"  # 4
        "    for i in []:\n"
        "        eval(law)\n"  # 6
        "        yield locals()\n"  # 7: two
        "    for i in checkpointed(*a):\n"  # 8
        "        yield 1\n"  # 9, although the mark is refused
        "class A:\n"
        "    for i in checkpointed([], Revolve(1)):\n"  # 11
        "        for j in checkpointed([], Revolve(1)):\n"  # 12
        "            vars()\n"  # 13, once, although two loops are around it
        "# checkpointer: Revolve(1)\n"  # 14
        "x = 1\n"
    )
    assert [(finding.line, finding.column, finding.code) for finding in found] == [
        (2, 4, "CKP110"),
        (4, 4, "CKP114"),
        (6, 8, "CKP104"),
        (7, 8, "CKP101"),
        (7, 14, "CKP104"),
        (8, 13, "CKP113"),
        (9, 8, "CKP101"),
        (11, 4, "CKP103"),
        (12, 8, "CKP103"),
        (13, 12, "CKP104"),
        (14, 0, "CKP111"),
    ]
    assert {finding.severity for finding in found} == {"refusal"}


def test_the_rewriter_refuses_what_lint_finds():
    source = in_loop("yield locals()")
    with pytest.raises(TransformError) as caught:
        rewrite_source(source, "prog.py", SCHEMES, version="0")
    first = lint(source)[0]
    error = caught.value
    assert (error.code, error.line, error.column) == (first.code, first.line, first.column)
    assert (error.what, error.instead, error.text) == (first.what, first.instead, first.text)


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [
        ("x = = 1\n", "CKP100", 1),
        ("# Adjoint of a.py, written by checkpointer 0.1.0. Change a.py, not this file.\n", "CKP115", 1),
    ],
)
def test_what_is_no_source_is_one_finding(source, code, line):
    assert [(finding.code, finding.line) for finding in lint(source)] == [(code, line)]


# what stands in the loop; imports; the code; the text at the caret
WARNED = {
    "clock": ("t = time.time()", "import time", "CKP301", "time.time()"),
    "clock by name": ("t = now()", "from time import perf_counter as now", "CKP301", "now()"),
    "date": ("t = dt.datetime.now()", "import datetime as dt", "CKP301", "dt.datetime.now()"),
    "entropy": ("b = os.urandom(8)", "import os", "CKP301", "os.urandom(8)"),
    "secrets": ("b = secrets.token_hex()", "import secrets", "CKP301", "secrets.token_hex()"),
    "uuid": ("b = uuid.uuid4()", "import uuid", "CKP301", "uuid.uuid4()"),
    "no seed": ("r = np.random.default_rng()", "import numpy as np", "CKP301", "np.random.default_rng()"),
    "seed from the clock": ("random.seed()", "import random", "CKP301", "random.seed()"),
    "question": ("u = u * float(input('? '))", "", "CKP301", "input("),
    "append": ("with open('log', 'a') as f: pass", "", "CKP302", "open("),
    "mode by name": ("f = open('log', mode='wb')", "", "CKP302", "open("),
    "np.save": ("np.save('u', u)", "import numpy as np", "CKP302", "np.save("),
    "plot": ("plt.plot(u)", "import matplotlib.pyplot as plt", "CKP302", "plt.plot("),
    "picture": ("figure.savefig('u.png')", "", "CKP302", "figure.savefig("),
    "path": ("x.write_text('a')", "", "CKP302", "x.write_text("),
    "process": ("subprocess.run(['ls'])", "import subprocess", "CKP302", "subprocess.run("),
    "request": ("requests.get(x)", "import requests", "CKP302", "requests.get("),
    "bare except": ("try: u = x(u)\nexcept: pass", "", "CKP303", "except:"),
    "except Exception": ("try: u = x(u)\nexcept Exception as e: u = 0", "", "CKP303", "except Exception"),
    "set": ("u = u + i", "", "CKP305", "{1, 2}"),
    "next": ("u = u + next(x)", "", "CKP308", "next(x)"),
    "optimize": ("u = fsolve(x, u)", "from scipy.optimize import fsolve", "CKP309", "fsolve("),
    "solve_ivp": (
        "u = integrate.solve_ivp(x, (0, 1), u)",
        "from scipy import integrate",
        "CKP309",
        "integrate.solve_ivp(",
    ),
    "pool": (
        "pool = multiprocessing.Pool()",
        "import multiprocessing",
        "CKP309",
        "multiprocessing.Pool()",
    ),
    "masked": ("u = np.ma.masked_less(u, 0)", "import numpy as np", "CKP310", "np.ma.masked_less("),
    "matrix": ("u = np.matrix(u)", "import numpy as np", "CKP310", "np.matrix("),
}


@pytest.mark.parametrize(("body", "imports", "code", "caret"), WARNED.values(), ids=WARNED.keys())
def test_warnings(body, imports, code, caret):
    found = lint(in_loop(body, imports, "{1, 2}" if code == "CKP305" else "range(9)"))
    assert [finding.code for finding in found] == [code]
    assert found[0].severity == "warning"
    assert found[0].text[found[0].column :].startswith(caret)
    assert found[0].instead


def test_warnings_of_functions():
    numba = "import numba\n@numba.njit(cache=True)\ndef law(v):\n    return v\n"
    cached = "from functools import cache\n@cache\ndef law(v):\n    return v\n"
    method = "import functools\nclass A:\n    @functools.lru_cache\n    def law(self):\n        return 1\n"
    calls = in_loop("u = law(u)").removeprefix(HEAD)
    assert [(f.code, f.line) for f in lint(HEAD + numba + calls)] == [("CKP309", 9)]
    assert [(f.code, f.line) for f in lint(HEAD + cached + calls)] == [("CKP306", 9)]
    assert lint(HEAD + cached + calls.replace("law(u)", "law(3)")) == ()
    assert lint(HEAD + cached + calls.replace("law(u)", "law(i)")) == ()
    calls = calls.replace("law(u)", "x.law()")
    assert [(f.code, f.line) for f in lint(HEAD + method + calls)] == [("CKP306", 10)]


def test_what_the_body_calls_is_looked_at_too():
    helpers = "import time\ndef a(u):\n    return b(u)\ndef b(u):\n    return u * time.time()\n"
    helpers += "def not_called():\n    return time.time()\n"
    loop = in_loop("u = a(u)").removeprefix(HEAD)
    assert [(f.code, f.line) for f in lint(HEAD + helpers + loop)] == [("CKP301", 6)]


def test_around_the_loop():
    loop = "for i in checkpointed([], Revolve(1)):\n            pass\n"
    caught = f"def f():\n    try:\n        {loop}    except Exception:\n        pass\n"
    assert [(f.code, f.line) for f in lint(HEAD + caught)] == [("CKP303", 6)]
    for fine in ("except ValueError:\n        pass\n", "except Exception:\n        raise\n"):
        assert lint(HEAD + caught.replace("except Exception:\n        pass\n", fine)) == ()
    assert lint(HEAD + caught.replace("checkpointed([], Revolve(1))", "[]")) == ()
    found = lint(HEAD + "async def f():\n    for i in checkpointed([], Revolve(1)):\n        pass\n")
    assert [(f.code, f.line, f.column) for f in found] == [("CKP304", 3, 4)]
    plain = "def g():\n        for i in checkpointed([], Revolve(1)):\n            pass\n"
    assert lint(f"{HEAD}async def f():\n    {plain}") == ()


def test_lazy_items():
    found = lint(in_loop("u[0] += i", subject="(v * 2 for v in u)"))
    assert [(f.code, f.column) for f in found] == [("CKP307", 26)]
    assert "reads `u`" in found[0].what
    assert lint(in_loop("u[0] += i", subject="(v * 2 for v in x)")) == ()
    assert lint(in_loop("v = i", subject="(v * 2 for v in x)")) == ()


QUIET = {
    "a seeded generator": "r = np.random.default_rng(i)\nu = u + r.normal()",
    "reading a file": "with open('a') as f: u = u * float(f.read())\nopen('b', 'rb').close()",
    "printing": "print(u)\nlog.info(u)",
    "an unknown method": "x.time()\nx.now()\nx.plot(u)",
    "names of the user's": "time = 3.0 * i\nu = u * time",
    "only the first time": "if i % 9 == 0 and not replaying():\n    np.save('u', u)\n    t = clock.time()",
    "a handler that raises": "try: u = x(u)\nexcept Exception as e:\n    raise RuntimeError('no') from e",
    "an iterator made in the step": "it = iter(x)\nu = u + next(it)",
    "something defined, not run": "def later():\n    return clock.time()",
    "next of a fresh one": "u = u + next(iter(x))",
    "plain numpy": "u[1:-1] += np.sin(u[2:]) + np.linalg.norm(u)",
    "silenced": "t = clock.time()  # noqa: CKP301",
}


@pytest.mark.parametrize("body", QUIET.values(), ids=QUIET.keys())
def test_no_false_alarm(body):
    assert (
        lint(in_loop(body, "import numpy as np, time as clock\nimport logging; log = logging.getLogger()"))
        == ()
    )


def test_nothing_is_said_about_loops_that_are_not_marked():
    source = in_loop("t = time.time()\nopen('a', 'a')", "import time").replace(
        "checkpointed(range(9), Revolve(1))", "range(9)"
    )
    assert lint(source) == ()


def test_a_refusal_is_not_silenced():
    assert [f.code for f in lint(in_loop("yield u  # noqa: CKP101"))] == ["CKP101"]


PROGRAMS = sorted(
    path
    for folder in ("examples", "benchmarks", "tests/checkpointer/corpus", "tests/transforms/golden")
    for path in (ROOT / folder).glob("*.py")
    if not path.name.endswith(".out.py")
)


@pytest.mark.parametrize("path", PROGRAMS, ids=[str(path.relative_to(ROOT)) for path in PROGRAMS])
def test_good_programs_have_no_findings(path):
    assert lint(path.read_text("utf-8")) == ()


SECTIONS = dict(
    re.findall(
        r"^## (CKP\d+): (.*?)(?=^## |\Z)",
        (ROOT / "docs" / "refusals.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)


@pytest.mark.parametrize("code", sorted(WARNINGS))
def test_every_warning_has_its_section(code):
    section = SECTIONS[code]
    assert section.splitlines()[0] == WARNINGS[code]
    examples = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert len(examples) == 2, "one example that is warned of, and one of what to write instead"
    assert [finding.code for finding in lint(examples[0])] == [code]
    assert lint(examples[1]) == ()


def test_every_warning_has_a_test():
    tested = {case[2] for case in WARNED.values()} | {"CKP304", "CKP306", "CKP307"}
    assert tested == set(WARNINGS)
    assert {code for code in SECTIONS if code < "CKP2"} == set(REFUSALS)
