"""One cell transformed: it computes what it computed, and its namespace holds the user's names only."""

import ast
import asyncio
import inspect
import linecache
import math
import warnings
from itertools import pairwise
from pathlib import Path

import numpy
import numpy as np
import pytest

import checkpointer
from checkpointer import Online, Revolve, TransformError, value_and_grad
from checkpointer.cells import refused, transform_cell
from checkpointer.compiled import compile_file

PROGRAMS = Path(__file__).parents[1] / "programs"


class Notebook:
    """Cells that share a namespace, as plain Python runs them or transformed."""

    def __init__(self):
        self.names = {"__name__": "__main__"}
        self.count = 0

    def plain(self, text):
        exec(text, self.names)
        return self

    def transformed(self, text):
        self.count += 1
        name = f"<cell {self.count}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        imports, cell = transform_cell(text, name, self.names)
        for tree in (imports, cell):
            code = compile(ast.fix_missing_locations(tree), name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            ran = eval(code, self.names)
            if inspect.iscoroutine(ran):
                asyncio.run(ran)
        return self

    def __getitem__(self, name):
        return self.names[name]

    def public(self):
        return {name for name in self.names if not name.startswith("_")}


@pytest.fixture
def notebook():
    yield Notebook()
    for name in [name for name in linecache.cache if name.startswith("<cell ")]:
        del linecache.cache[name]


def check(function, *inputs):
    """The gradient of a function of three numbers and a scheme, against differences and with few and many snapshots."""
    for x in inputs:
        plain = function(x.copy(), Revolve(9))
        for snapshots in (1, 9):
            value, gradient = value_and_grad(function)(x.copy(), Revolve(snapshots))
            assert value == plain
            for k, step in enumerate(1e-6 * np.eye(3)):
                ahead, behind = function(x + step, Revolve(1)), function(x - step, Revolve(1))
                assert gradient[k] == pytest.approx((ahead - behind) / 2e-6, rel=2e-6)


X, Y = np.array([0.3, 0.4, 0.5]), np.array([1.1, -0.2, 0.7])

SIMULATE = """\
def simulate(u, scheme):
    work = {zeros}(3)
    for step in {mark}(range(7), scheme):
        work[:] = {sin}(u) * {exp}(u[0] / 2)
        u = work + 0.1 * u
    return {sum}(u * u)
"""


@pytest.mark.parametrize(
    ("earlier", "here", "names"),
    [
        (
            "import numpy as np, math; from checkpointer import checkpointed",
            "",
            "np.zeros checkpointed np.sin math.exp np.sum",
        ),
        (
            "",
            "import numpy as np, math\nfrom checkpointer import checkpointed",
            "np.zeros checkpointed np.sin math.exp np.sum",
        ),
        (
            "from numpy import *; from math import exp as e",
            "import checkpointer as cp",
            "zeros cp.checkpointed sin e sum",
        ),
        (
            "from checkpointer import *",
            "from numpy import *\nimport math as m",
            "zeros checkpointed sin m.exp sum",
        ),
        (
            "import checkpointer, numpy.linalg",
            "import numpy.fft; import math",
            "numpy.zeros checkpointer.checkpointed numpy.sin math.exp numpy.sum",
        ),
        (
            "import autograd.numpy as anp; import checkpointer.markers as marks",
            "from math import (\n    exp,\n    sin as s,\n)\nfrom checkpointer.markers import checkpointed as c",
            "anp.zeros c anp.sin exp anp.sum",
        ),
    ],
)
def test_names_of_this_cell_and_of_earlier_ones(notebook, earlier, here, names):
    keys = dict(zip(("zeros", "mark", "sin", "exp", "sum"), names.split(), strict=True))
    cell = f"{here}\n{SIMULATE.format(**keys)}"
    as_written = Notebook().plain(earlier).plain(cell)
    notebook.plain(earlier).transformed(cell)
    check(notebook["simulate"], X)
    assert notebook["simulate"](X, None) == as_written["simulate"](X, None)
    assert notebook.public() == as_written.public()
    for name in notebook.public() - {"simulate"}:
        assert notebook[name] is as_written[name], name


def test_the_same_cell_again_leaves_nothing_more(notebook):
    cell = "import numpy as np\nfrom checkpointer import checkpointed\n" + SIMULATE.format(
        zeros="np.zeros", mark="checkpointed", sin="np.sin", exp="np.exp", sum="np.sum"
    )
    notebook.transformed(cell)
    names = set(notebook.names)
    notebook.transformed(cell)
    assert set(notebook.names) == names


def test_a_cell_that_changed_does_not_change_what_it_made_before(notebook):
    cell = (
        "from checkpointer import checkpointed\ndef run(u, scheme):\n"
        "    for _ in checkpointed(range(4), scheme):\n        u = u * u\n    return u.sum()\n"
    )
    notebook.transformed(cell)
    before = notebook["run"]
    notebook.transformed(cell.replace("u * u", "u * u * u").replace("for _ in", "\n    for _ in"))
    check(before, X)
    check(notebook["run"], X)
    assert before(X, None) == np.sum(X**16)
    assert notebook["run"](X, None) == pytest.approx(np.sum(X**81))


def test_functions_of_several_cells(notebook):
    """Transformed ones, plain ones, one that is defined later and one that is defined anew."""
    notebook.plain("import numpy as np\nfrom checkpointer import *\nRATE = 0.5")
    notebook.plain("def plain(u):\n    return np.tanh(u) * RATE")
    notebook.transformed(
        "def helper(u):\n    new = np.empty(3)\n    new[:] = plain(u) + later(u)\n    return new"
    )
    notebook.transformed(
        "def run(u, scheme):\n    for _ in checkpointed(range(5), scheme):\n        u = helper(u)\n"
        "    return np.sum(u**2)"
    )
    notebook.transformed("def later(u):\n    return np.cos(u)")
    check(notebook["run"], X, Y)
    first = notebook["run"](X, None)
    notebook.plain("RATE = 2.0\ndef later(u):\n    return np.sin(u)")
    assert notebook["run"](X, None) != first
    check(notebook["run"], X, Y)


def test_classes_dataclasses_and_closures(notebook):
    notebook.plain("import numpy as np\nfrom checkpointer import checkpointed")
    notebook.transformed(
        """\
from dataclasses import dataclass

@dataclass
class Model:
    u: np.ndarray
    __rate: float = 0.9

    def run(self, scheme):
        for _ in checkpointed(range(4), scheme):
            self.u = np.sin(self.u) * self.__rate
            self.last = self.u[0]
        return np.sum(self.u) + self.last

def make(factor):
    offset = np.full(3, 0.5)
    def run(u, scheme):
        nonlocal offset
        for _ in checkpointed(range(4), scheme):
            u = factor * np.cos(u + offset)
        return np.sum(u)
    return run

inner = make(1.5)
"""
    )
    model = notebook["Model"]
    check(lambda u, scheme: model(u).run(scheme), X, Y)
    check(notebook["inner"], X, Y)
    assert notebook["Model"].run.__qualname__ == "Model.run"
    assert notebook["Model"].__qualname__ == "Model"
    assert notebook["Model"].__module__ == "__main__"
    assert inspect.getsource(notebook["make"]).startswith("def make(factor):\n    offset = np.full")


def test_loops_outside_of_functions(notebook):
    plain = Notebook()
    for one in (notebook, plain):
        one.plain("from checkpointer import checkpointed, Online\nu = 1.0\nscheme = Online(2)")
    cell = (
        "for k in checkpointed(range(5), scheme):\n    u = u * 1.5\n"
        "if True:\n    while checkpointed(u > 1, scheme):\n        u /= 2\n    else:\n        done = True\n"
        "# checkpointer: scheme\nfor k, v in {3: 4.0}.items(): u += v"
    )
    notebook.transformed(cell)
    plain.plain(cell)
    names = plain.public()
    assert notebook.public() == names == {"checkpointed", "Online", "scheme", "u", "k", "v", "done"}
    assert [notebook[name] for name in "ukv"] == [plain[name] for name in "ukv"]


def test_the_last_statement_is_no_expression_because_of_a_loop():
    names = {"checkpointed": checkpointer.checkpointed}
    _, cell = transform_cell("for k in checkpointed(range(3)):\n    pass\n", "cell", names)
    assert not isinstance(cell.body[-1], ast.Expr)
    _, cell = transform_cell("for k in checkpointed(range(3)):\n    pass\nk", "cell", names)
    assert ast.unparse(cell.body[-1]) == "k"


def test_a_comment_names_what_other_cells_bound(notebook):
    notebook.plain("from checkpointer import Revolve\nmine = Revolve(2)\nimport numpy as np")
    notebook.transformed(
        "def run(u, scheme):\n    # checkpointer: mine\n    for _ in range(4):\n        u = np.sin(u)\n"
        "    # checkpointer: Online(snapshots=2)\n    for _ in range(4):\n        u = u * u\n    return u.sum()"
    )
    check(notebook["run"], X, Y)
    assert notebook.public() == {"Revolve", "mine", "np", "run"}
    with pytest.raises(TransformError, match="unknown scheme `theirs`"):
        notebook.transformed("# checkpointer: theirs\nfor _ in range(4): pass")


def test_await(notebook):
    notebook.plain("from checkpointer import checkpointed\nimport asyncio, numpy as np")
    notebook.transformed(
        "async def three():\n    return np.array([1.0, 2.0, 3.0])\n"
        "factor = await three()\n"
        "def run(u, scheme):\n    for _ in checkpointed(range(4), scheme):\n        u = np.sin(u * factor)\n"
        "    return u.sum()"
    )
    check(notebook["run"], X, Y)
    with pytest.raises(TransformError, match="`await` in a marked loop"):
        notebook.transformed("for _ in checkpointed(range(3)):\n    await three()")


@pytest.mark.parametrize(
    "cell",
    [
        "if True:\n    import numpy as np",
        "try:\n    import numpy as np\nexcept ImportError:\n    np = None",
        "def f():\n    global np\n    import numpy as np\nf()",
        "import numpy as np\nnp = np",
        "import math\nfrom numpy import sin\nfrom math import sin",
        "for _ in range(2): import numpy as np; import math; x = np.zeros(3)",
        "import numpy as np\ndel np",
        "import numpy as np, numpy.linalg, math as np",
    ],
)
def test_a_name_that_means_more_than_one_thing_keeps_its_meaning(notebook, cell):
    plain = Notebook().plain(cell)
    notebook.transformed(cell)
    assert notebook.public() == plain.public()
    for name in notebook.public() - {"f"}:
        assert notebook[name] is plain[name] or np.array_equal(notebook[name], plain[name])


def test_a_name_that_the_cell_gives_another_meaning(notebook):
    notebook.plain("from numpy import sin, sum\nfrom checkpointer import checkpointed")
    notebook.transformed(
        "def sum(u):\n    return 7 * u[0]\nsin = lambda u: u * u * u\n"
        "def run(u, scheme):\n    for _ in checkpointed(range(3), scheme):\n        u = sin(u)\n    return sum(u)"
    )
    check(notebook["run"], X)
    assert notebook["run"](X, None) == pytest.approx(7 * X[0] ** 27)


def test_a_later_meaning_counts_when_the_cell_runs_again(notebook):
    cell = "def run(u):\n    return f(u)"
    notebook.plain("from math import sin as f").transformed(cell)
    assert notebook["run"](0.5) == math.sin(0.5)
    notebook.plain("from math import cos as f").transformed(cell)
    assert notebook["run"](0.5) == math.cos(0.5)


def test_functions_that_import_for_themselves(notebook):
    notebook.transformed(
        "def run(u, scheme):\n    import numpy as np\n    from checkpointer import checkpointed as c\n"
        "    for _ in c(range(3), scheme):\n        u = np.array([u[1], u[2] * u[0], u[0]])\n    return u.sum()"
    )
    check(notebook["run"], X, Y)
    assert notebook.public() == {"run"}


def test_what_runs_is_the_users_line(notebook):
    notebook.plain("from checkpointer import checkpointed")
    notebook.transformed(
        "\ndef run(u, scheme):\n    helper = lambda: 3\n    for step in checkpointed(range(3), scheme):\n"
        "        u = u + float(['1', '2', 'three'][step])\n    return u\n"
    )
    for function in (notebook["run"], value_and_grad(notebook["run"])):
        with pytest.raises(ValueError, match="three") as caught:
            function(1.0, Revolve(1))
        frames = [entry.frame for entry in caught.traceback if entry.frame.code.raw.co_filename == "<cell 1>"]
        assert {frame.lineno + 1 for frame in frames} == {4, 5}
        assert frames[-1].lineno + 1 == 5
        named = {frame.code.raw.co_qualname for frame in frames}
        assert named <= {"run", "run_loop1_forward", "run.<locals>.run_loop1_step"}
        # what IPython counts from is where `inspect` finds the function
        for frame in frames:
            lines, first = inspect.getsourcelines(frame.raw)
            assert (first, lines[0].strip()) == (2, "def run(u, scheme):")
            assert frame.code.raw.co_firstlineno == 2


def test_the_log_names_the_line_of_the_loop(notebook, caplog):
    notebook.plain("from checkpointer import checkpointed").transformed(
        "\ndef run(u, scheme):\n    u = 2 * u\n    for _ in checkpointed(range(3), scheme):\n        u = u * u\n"
        "    return u.sum()\n"
    )
    with caplog.at_level("INFO", "checkpointer"):
        value_and_grad(notebook["run"])(X, Revolve(1))
    assert "<cell 1>:4" in caplog.text


def test_warnings_are_given_once(notebook):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        notebook.transformed("x = 1\nassert (x, 'always')\n")
    assert [(one.filename, one.lineno) for one in caught] == [("<cell 1>", 2)]


def test_a_refusal_as_a_cell():
    text = "x = 1\ndef gönn(u):\n    for _ in checkpointed(u):\n        'é'; yield u"
    with pytest.raises(TransformError, match="CKP101") as caught:
        transform_cell(text, "Cell In[7]", {"checkpointed": checkpointer.checkpointed})
    error = caught.value
    tree = refused(error)
    with pytest.raises(TransformError) as again:
        exec(compile(tree, "<cell>", "exec"), {})
    assert str(again.value) == str(error)
    assert str(error).startswith("Cell In[7]:4: CKP101 `yield` in a marked loop")
    assert vars(again.value) == vars(error)
    (raised,) = tree.body
    assert ast.get_source_segment(text, raised) == "yield u"


def statements(text):
    """A program cut into cells of one statement each; comments belong to what follows them."""
    lines = text.splitlines(keepends=True)
    ends = [0, *(node.end_lineno for node in ast.parse(text).body)]
    return ["".join(lines[start:end]) for start, end in pairwise(ends) if end > start]


@pytest.mark.parametrize("name", ["time_split_transport", "shallow_water_class"])
def test_a_program_in_one_cell_and_in_many(notebook, name):
    """Both do what the import hook does, which other tests hold against differences."""
    path = PROGRAMS / f"{name}.py"
    text = path.read_text("utf-8")
    hooked = {"__name__": "hooked"}
    exec(compile_file(path.read_bytes(), str(path)), hooked)
    many = Notebook()
    for cell in statements(text):
        many.transformed(cell)
    notebook.transformed(text)
    public = Notebook().plain(text).public()
    x = np.array(hooked["CONTROLS"], float)
    for u in (x, 1.01 * x):
        value, gradient = value_and_grad(hooked["run"])(u.copy(), Online(3))
        for one in (notebook, many):
            assert one.public() == public
            again, same = value_and_grad(one["run"])(u.copy(), Online(3))
            assert again == value
            assert np.array_equal(same, gradient)


def test_numpy_itself_is_untouched(notebook):
    notebook.transformed("import numpy as np\nfrom math import *\ndef f(u):\n    return np.zeros(3) + sin(u)")
    assert notebook["np"] is numpy
    assert notebook["sin"] is math.sin
    assert np.array_equal(notebook["f"](1.0), np.zeros(3) + math.sin(1.0))
