"""The magics in IPython itself: one process runs cells one after the other, as a user would, and reports on each."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

DOCS = Path(__file__).parents[2] / "docs"

SESSION = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

config = Config()
config.HistoryManager.hist_file = ":memory:"
shell = InteractiveShell.instance(config=config, colors="nocolor")
reports = []
for cell in json.load(sys.stdin):
    with capture_output() as captured:
        result = shell.run_cell(cell, store_history=True)
    error = result.error_before_exec or result.error_in_exec
    reports.append({
        "error": type(error).__name__ if error else None,
        "value": repr(result.result),
        "printed": captured.stdout + captured.stderr,
    })
json.dump(reports, sys.stdout)
"""

CELLS = {
    "load": "%load_ext checkpointer",
    "setup": """\
import numpy as np
import checkpointer
from checkpointer import Revolve, checkpointed, grad, value_and_grad

def largest_error(function, *inputs):
    errors = []
    for x in inputs:
        value = function(x, Revolve(9))
        for snapshots in (1, 9):
            again, gradient = value_and_grad(function)(x, Revolve(snapshots))
            assert again == value
            for k, step in enumerate(1e-6 * np.eye(3)):
                ahead, behind = function(x + step, Revolve(1)), function(x - step, Revolve(1))
                errors.append(abs(gradient[k] - (ahead - behind) / 2e-6) / max(1, abs(gradient[k])))
    return float(max(errors))

X, Y = np.array([0.3, 0.4, 0.5]), np.array([1.1, -0.2, 0.7])""",
    "function": """\
%%checkpointer
def simulate(u, scheme):
    work = np.zeros(3)
    for step in checkpointed(range(7), scheme):
        work[:] = np.sin(u) * np.exp(u[0] / 2)
        u = work + 0.1 * u
    return np.sum(u * u)

simulate(X, None)""",
    "value again": "_",
    "gradient": "largest_error(simulate, X, Y)",
    "numpy": "np.__name__, [name for name in dir() if 'loop1' in name and not name.startswith('_')]",
    "source": "import inspect\nprint(inspect.getsource(simulate))\nsimulate??",
    "silenced": "%%checkpointer\nsimulate(X, None);",
    "loop": "%%checkpointer\nu = 1.0\nfor k in checkpointed(range(4), Revolve(2)):\n    u = u * 1.5",
    "loop's value": "u",
    "await": "%%checkpointer\nimport asyncio\nawait asyncio.sleep(0)\n'awaited'",
    "magics inside": "%%checkpointer\nlines = !echo one\n%time lines[0] + 'two'",
    "another magic below": "%%checkpointer\n%%time\ndef timed(u, scheme):\n    # checkpointer: scheme\n"
    "    for _ in range(3): u = u * u\n    return u.sum()\nlargest_error(timed, X, Y)",
    "another magic above": "%%capture captured\n%%checkpointer\ndef quiet(u, scheme):\n    print('heard')\n"
    "    for _ in checkpointed(range(3), scheme): u = u * u\n    return u.sum()\nquiet(X, None)",
    "captured": "captured.stdout.strip(), largest_error(lambda u, scheme: quiet(u, scheme), X)",
    "error": """\
%%checkpointer
def fails(u):
    helper = lambda: 3
    for step in checkpointed(range(3), Revolve(1)):
        u = u + float(["1", "2", "three"][step])
    return u

grad(fails)(1.0)""",
    "refused": """\
%%checkpointer
print("not printed")
def yields(u):
    for step in checkpointed(range(3)):
        u = 2 * u
        yield u""",
    "no Python": "%%checkpointer\ndef broken(u)\n    return u",
    "no Python either": "%%checkpointer\nx = 1\nreturn x",
    "warning": "%%checkpointer\nimport warnings\n\nwarnings.warn('cold')",
    "options": "%%checkpointer fast\n1",
    "empty": "%%checkpointer",
    "one word": "%checkpointer yes",
    "on": "%checkpointer on",
    "plain cell": """\
class Model:
    def run(self, u, scheme):
        for _ in checkpointed(range(3), scheme):
            self.u = u = np.cos(u) + double(u)
        return u.sum()

def double(u):
    new = np.empty(3)
    new[:] = 2 * u
    return new

%timeit -n 1 -r 1 -q double(X)
largest_error(Model().run, X, Y)""",
    "off": "%checkpointer off",
    "plain again": "def plain(u):\n    for _ in checkpointed(range(3)): u = 2 * u\n    return u\ngrad(plain)(1.0)",
    "decorator": """\
@checkpointer.transform
def decorated(u, scheme):
    for _ in checkpointed(range(3), scheme):
        u = np.sin(double(u))
    return u.sum()

largest_error(decorated, X, Y)""",
    "exported": "get_ipython().run_cell_magic('checkpointer', '', 'def exported(u, scheme):\\n"
    "    for _ in checkpointed(range(3), scheme): u = u * u\\n    return u.sum()\\n')",
    "exported gradient": "largest_error(exported, X, Y)",
    "exported with an error": "get_ipython().run_cell_magic('checkpointer', '', '1 / 0')",
    "run": "%run script.py an_argument",
    "what it left": "largest_error(of_script, X)",
    "hooked": "%load_ext autoreload\n%autoreload 2 --full\nimport sys; sys.path.insert(0, '')\n"
    "hook = checkpointer.install_import_hook('hooked')\nimport hooked\nfrom hooked import power\n"
    "largest_error(hooked.power, X), float(power(X, None))",
    "edited": "from pathlib import Path\nimport os, time\nfile = Path('hooked.py')\n"
    "_ = file.write_text(file.read_text().replace('u * u', 'u * u * u'))\nos.utime('hooked.py', (time.time() + 9,) * 2)",
    "reloaded": "largest_error(power, X), float(hooked.power(X, None)), float(power(X, None))",
    "pickled": "import cloudpickle\n"
    "Path('simulate.pickle').write_bytes(cloudpickle.dumps((simulate, decorated, largest_error)))",
    "unload": "%unload_ext checkpointer",
    "unloaded": "%%checkpointer\n1",
    "still transformed": "largest_error(simulate, X), largest_error(Model().run, X)",
    "loaded again": "%load_ext checkpointer",
    "reloaded extension": "%reload_ext checkpointer",
    "magic again": "%%checkpointer\ndef again(u, scheme):\n    for _ in checkpointed(range(3), scheme): u = u * u\n"
    "    return u.sum()\nlargest_error(again, X)",
}

SCRIPT = """\
import sys
from checkpointer import checkpointed, transform

@transform
def of_script(u, scheme):
    for _ in checkpointed(range(3), scheme):
        u = u * u
    return u.sum()

print(sys.argv[1:])
"""

HOOKED = """\
from checkpointer import checkpointed

def power(u, scheme):
    for _ in checkpointed(range(3), scheme):
        u = u * u
    return u.sum()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "hooked.py").write_text(HOOKED)
    return folder


def python(folder, *arguments, given=""):
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "IPYTHONDIR": str(folder / "ipython"), "PYTHONIOENCODING": "utf-8"},
        input=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished


@pytest.fixture(scope="module")
def session(folder):
    """What IPython says to each of the cells."""
    finished = python(folder, "-c", SESSION, given=json.dumps(list(CELLS.values())))
    return dict(zip(CELLS, json.loads(finished.stdout), strict=True))


FAILING = {
    "error": "ValueError",
    "refused": "TransformError",
    "no Python": "SyntaxError",
    "no Python either": "SyntaxError",
    "options": "UsageError",
    "empty": "UsageError",
    "one word": "UsageError",
    "plain again": "NotRewrittenError",
    "exported with an error": "ZeroDivisionError",
    "unloaded": "UsageError",
}


@pytest.mark.parametrize("name", CELLS)
def test_which_cells_fail(session, name):
    assert session[name]["error"] == FAILING.get(name), session[name]["printed"]


@pytest.mark.parametrize(
    "name",
    [
        "gradient",
        "another magic below",
        "plain cell",
        "decorator",
        "exported gradient",
        "what it left",
        "magic again",
    ],
)
def test_gradients(session, name):
    assert float(session[name]["value"]) < 1e-6


def test_the_value_is_displayed_and_kept(session):
    number = list(CELLS).index("function") + 1
    shown = session["function"]
    assert shown["value"].startswith("np.float64(")
    assert shown["printed"] == f"Out[{number}]: {shown['value']}\n"
    assert session["value again"]["value"] == shown["value"]
    assert session["silenced"]["printed"] == ""
    assert session["loop"]["printed"] == ""
    assert session["loop's value"]["value"] == str(1.5**4)
    assert session["await"]["value"] == "'awaited'"


def test_other_cells_see_numpy_itself(session):
    assert session["numpy"]["value"] == "('numpy', [])"


def test_the_source_is_the_users(session):
    source = CELLS["function"].split("\n", 1)[1].split("\n\n")[0]
    assert session["source"]["printed"].count(source) == 2


def test_other_magics(session):
    assert "Wall time" in session["magics inside"]["printed"]
    assert "Wall time" in session["another magic below"]["printed"]
    assert session["another magic above"]["printed"] == ""
    heard, error = eval(session["captured"]["value"])
    assert heard.startswith("heard")
    assert error < 1e-6


def frames(report):
    """The blocks of a traceback that show the cell."""
    found = (
        re.search(r"Cell In\[\d+\], line .*", block, re.DOTALL) for block in report["printed"].split("\n\n")
    )
    return [block[0] for block in found if block]


def test_a_traceback_shows_the_lines_of_the_cell(session):
    number = list(CELLS).index("error") + 1
    top, *inner, step = frames(session["error"])
    assert top.startswith(f"Cell In[{number}], line 8\n")
    assert "----> 8 grad(fails)(1.0)" in top
    assert inner[0].startswith(f"Cell In[{number}], line 4, in fails(u)")
    assert re.search(
        r"^----> 4 +for step in checkpointed\(range\(3\), Revolve\(1\)\):$", inner[0], re.MULTILINE
    )
    assert step.startswith(f"Cell In[{number}], line 5, in ")
    assert re.search(r"^----> 5 +u = u \+ float\(\[", step, re.MULTILINE)


def test_a_refusal_points_into_the_cell(session):
    number = list(CELLS).index("refused") + 1
    (only, *_) = frames(session["refused"])
    assert only.startswith(f"Cell In[{number}], line 6\n")
    assert re.search(r"^----> 6 +yield u$", only, re.MULTILINE)
    assert (
        f"TransformError: Cell In[{number}]:6: CKP101 `yield` in a marked loop"
        in session["refused"]["printed"]
    )
    assert "not printed\n" not in session["refused"]["printed"].splitlines(keepends=True)


def test_a_syntax_error_is_pythons_own(session):
    for name, line, message in (
        ("no Python", 2, "expected ':'"),
        ("no Python either", 3, "'return' outside function"),
    ):
        assert f"Cell In[{list(CELLS).index(name) + 1}], line {line}" in session[name]["printed"]
        assert f"SyntaxError: {message}" in session[name]["printed"]


def test_a_warning_names_the_line(session):
    assert re.search(
        r"^<ipython-input-\d+-\w+>:4: UserWarning: cold", session["warning"]["printed"], re.MULTILINE
    )


def test_wrong_words(session):
    printed = [session[name]["printed"] for name in ("options", "empty", "one word", "unloaded")]
    for text, right in zip(
        printed,
        [
            "%%checkpointer takes no options, but was given 'fast'",
            "%%checkpointer is a cell magic, but the cell body is empty",
            "%checkpointer takes one word, on or off, but was given 'yes'",
            "Cell magic `%%checkpointer` not found",
        ],
        strict=True,
    ):
        assert right in text


def test_scripts_and_modules(session):
    assert session["run"]["printed"] == "['an_argument']\n"
    for name, exponent in (("hooked", 8), ("reloaded", 27)):
        error, *values = eval(session[name]["value"])
        assert error < 1e-6
        assert values == pytest.approx([sum(x**exponent for x in (0.3, 0.4, 0.5))] * len(values))


def test_what_was_transformed_remains_so(session):
    assert max(eval(session["still transformed"]["value"])) < 1e-6


def test_functions_of_cells_travel_by_cloudpickle(session, folder):
    program = (
        "import pickle, numpy as np\n"
        "simulate, decorated, error = pickle.load(open('simulate.pickle', 'rb'))\n"
        "x = np.array([0.3, 0.4, 0.5])\nprint(simulate(x, None), error(simulate, x) + error(decorated, x))"
    )
    value, error = python(folder, "-c", program).stdout.split()
    assert session["function"]["value"] == f"np.float64({value})"
    assert float(error) < 1e-6


TERMINAL = """\
%load_ext checkpointer
import numpy as np
from checkpointer import Revolve, checkpointed, grad
%%checkpointer
def fails(u):
    for step in checkpointed(range(3), Revolve(1)):
        u = u * [2.0, 3.0][7 * step]
    return u

grad(fails)(1.5)


%debug
p "step", step, "u", u
up
q
%%checkpointer
def works(u):
    for step in checkpointed(range(3), Revolve(1)):
        u = u * u
    return u

grad(works)(1.5)


"""


def test_a_terminal_and_its_debugger(folder):
    """Lines that are typed; a cell magic ends with a blank line."""
    options = ["--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=nocolor"]
    printed = python(folder, "-m", "IPython", *options, given=TERMINAL).stdout
    assert "IndexError: list index out of range" in printed
    assert "('step', 1, 'u', 3.0)" in printed
    assert f"Out[6]: {8 * 1.5**7}" in printed


# A Jupyter kernel: the page of the documentation, and what is different from a terminal.

ONCE = """\
%%checkpointer
from IPython.display import display

def heard(u, scheme):
    for step in checkpointed(range(4), scheme):
        print(step)
        display(-step)
        u = u * u
    return u.sum()

_ = grad(heard)(X, Revolve(1))"""

PAGE = re.findall(r"```python\n(.*?)```", (DOCS / "notebooks.md").read_text("utf-8"), re.DOTALL)

CHECK_PAGE = """\
def differences(function, x, gradient):
    direction = np.cos(5 * np.arange(x.size))
    ahead, behind = function(x + 1e-5 * direction), function(x - 1e-5 * direction)
    return abs(gradient @ direction - (ahead - behind) / 2e-5) / abs(gradient @ direction)

float(max(
    differences(final_energy, u, gradient),
    differences(lambda u: Rod(u).warm(50), u, change),
    differences(lambda u: decayed(u, 0.7), u, by_u),
    differences(lambda rate: decayed(u, rate[0]), np.array([0.7]), np.array([by_rate])),
))"""

KERNEL = {
    **{f"page {number}": cell for number, cell in enumerate(PAGE)},
    "check of the page": CHECK_PAGE,
    "setup": CELLS["setup"],
    "function": CELLS["function"],
    "gradient": CELLS["gradient"],
    "decorator": CELLS["decorator"].replace("double(u)", "2 * u"),
    "once": ONCE,
    "await": CELLS["await"],
    "error": CELLS["error"],
    "error in the decorated": CELLS["error"].replace("%%checkpointer", "@checkpointer.transform"),
    "error in a loop": "%%checkpointer\nk = 1\n\nfor step in checkpointed(range(3)):\n    k = k / (1 - step)\n",
    "refused": CELLS["refused"],
}


@pytest.fixture(scope="module")
def kernel(run_notebook):
    """The outputs of each of the cells."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in KERNEL.values()]
    executed = run_notebook(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    return dict(zip(KERNEL, [cell["outputs"] for cell in executed], strict=True))


def value_of(outputs):
    """The value of a cell's last expression."""
    (output,) = [output for output in outputs if output["output_type"] == "execute_result"]
    return "".join(output["data"]["text/plain"])


def test_a_kernel_runs_the_page_and_more(kernel):
    for name, outputs in kernel.items():
        if not name.startswith(("error", "refused")):
            assert [output["evalue"] for output in outputs if output["output_type"] == "error"] == []


@pytest.mark.parametrize("name", ["check of the page", "gradient", "decorator"])
def test_gradients_in_a_kernel(kernel, name):
    assert float(value_of(kernel[name])) < 1e-6


def test_values_in_a_kernel(kernel, session):
    assert value_of(kernel["function"]) == session["function"]["value"]
    assert value_of(kernel["await"]) == "'awaited'"


def test_what_a_loop_prints_and_displays_is_there_once(kernel):
    printed = [line for output in kernel["once"] for line in output.get("text", [])]
    shown = ["".join(output["data"]["text/plain"]) for output in kernel["once"] if "data" in output]
    assert "".join(printed) == "0\n1\n2\n3\n"
    assert shown == ["0", "-1", "-2", "-3"]


IN_FAILS = {"line 8": "grad(fails)", "line 4": "for step", "line 5": "u = u + float"}


@pytest.mark.parametrize(
    ("name", "error", "arrows"),
    [
        ("error", "ValueError", IN_FAILS),
        ("error in the decorated", "ValueError", IN_FAILS),
        ("error in a loop", "ZeroDivisionError", {"line 4": "for step", "line 5": "k = k /"}),
        ("refused", "TransformError", {"line 6": "yield u"}),
    ],
)
def test_tracebacks_in_a_kernel(kernel, name, error, arrows):
    """Every frame in the cell has an arrow at the line that it names, with this line's text."""
    (output,) = [output for output in kernel[name] if output["output_type"] == "error"]
    assert output["ename"] == error
    seen = set()
    for block in frames({"printed": re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output["traceback"]))}):
        first, _, rest = block.partition("\n")
        place = re.match(rf"Cell In\[{list(KERNEL).index(name) + 1}\], (line \d+)", first)[1]
        number = place.removeprefix("line ")
        assert re.search(rf"^-+> {number} +{re.escape(arrows[place])}", rest, re.MULTILINE), block
        seen.add(place)
    assert seen == set(arrows)
