"""Each refusal: its code, its place, its words; and that each has its section in docs/refusals.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkpointer.errors import TransformError
from checkpointer.transforms import REFUSALS, rewrite_source

HEAD = "from checkpointer import Revolve, checkpointed\n"
SCHEMES = ["Online", "Periodic", "Revolve"]

# what stands in the file; the refusal's code, line and column; words of the reason; words of the way out
CASES = {
    "syntax error": ("x = = 1\n", "CKP100", 1, 4, "invalid syntax", "correct the file"),
    "return outside of a function": (
        "a = 1\nreturn a\n",
        "CKP100",
        2,
        0,
        "'return' outside function",
        "correct",
    ),
    "null byte": ("a = '\0'\n", "CKP100", 1, 0, "null bytes", "correct"),
    "yield": (
        HEAD + "def f():\n    for i in checkpointed(range(3), Revolve(1)):\n        x = yield i\n",
        "CKP101",
        4,
        12,
        "`yield` in a marked loop hands control",
        "append the values to a list",
    ),
    "yield from in a condition": (
        HEAD + "def f(g):\n    while checkpointed((yield from g), Revolve(1)):\n        pass\n",
        "CKP101",
        3,
        24,
        "`yield` in a marked loop",
        "move the `yield` behind the loop",
    ),
    "await": (
        HEAD + "async def f(g):\n    for i in checkpointed(range(3), Revolve(1)):\n        await g\n",
        "CKP102",
        4,
        8,
        "`await` in a marked loop",
        "await what the loop needs before it",
    ),
    "async with": (
        HEAD + "async def f(g):\n    for i in checkpointed([], Revolve(1)):\n        async with g: pass\n",
        "CKP102",
        4,
        8,
        "`async with` in a marked loop",
        "free of `await`",
    ),
    "async for inside": (
        HEAD
        + "async def f(g):\n    for i in checkpointed([], Revolve(1)):\n        async for x in g: pass\n",
        "CKP102",
        4,
        8,
        "`async for` in a marked loop",
        "free of `await`",
    ),
    "async comprehension": (
        HEAD
        + "async def f(g):\n    for i in checkpointed([], Revolve(1)):\n        y = [x async for x in g]\n",
        "CKP102",
        4,
        25,
        "`async for` in a marked loop",
        "free of `await`",
    ),
    "async for marked": (
        HEAD + "async def f(g):\n    async for i in checkpointed(g, Revolve(1)):\n        pass\n",
        "CKP102",
        3,
        4,
        "an `async for` loop cannot be marked",
        "plain `for` loop",
    ),
    "class body": (
        HEAD + "class A:\n    for i in checkpointed(range(3), Revolve(1)):\n        x = i\n",
        "CKP103",
        3,
        4,
        "directly in a class body",
        "put the loop into a function",
    ),
    "locals": (
        HEAD + "def f():\n    for i in checkpointed([], Revolve(1)):\n        print(sorted(locals()))\n",
        "CKP104",
        4,
        21,
        "`locals` in a marked loop would see the names of one step",
        "keep them in a dict",
    ),
    "eval": (
        HEAD
        + "def f(text):\n    for i in checkpointed([], Revolve(1)):\n        x = [eval(text) for _ in 'ab']\n",
        "CKP104",
        4,
        13,
        "`eval` in a marked loop",
        "give `eval` its namespace",
    ),
    "star import": (
        HEAD + "for i in checkpointed([], Revolve(1)):\n    from os import *\n",
        "CKP105",
        3,
        4,
        "`import *` in a marked loop",
        "in front of the loop",
    ),
    "mark in a comprehension": (
        HEAD + "x = [i for i in checkpointed([], Revolve(1))]\n",
        "CKP110",
        2,
        16,
        "`checkpointed` marks no loop here",
        "for ... in checkpointed(ITERABLE, SCHEME):",
    ),
    "mark assigned": (
        HEAD + "steps = checkpointed([], Revolve(1))\nfor i in steps:\n    pass\n",
        "CKP110",
        2,
        8,
        "marks no loop here",
        "while checkpointed(CONDITION, SCHEME):",
    ),
    "mark in a bigger expression": (
        "import checkpointer as c\nfor i in enumerate(c.checkpointed([], c.Revolve(1))):\n    pass\n",
        "CKP110",
        2,
        19,
        "`c.checkpointed` marks no loop here",
        "for ... in",
    ),
    "mark negated": (
        HEAD + "while not checkpointed(True, Revolve(1)):\n    pass\n",
        "CKP110",
        2,
        10,
        "marks no loop here",
        "while",
    ),
    "mark passed on": (
        "from checkpointer import checkpointed as ck\nuse(ck)\n",
        "CKP110",
        2,
        4,
        "`ck` marks no loop here",
        "for ... in",
    ),
    "mark of a mark": (
        HEAD + "for i in checkpointed(checkpointed([], Revolve(1)), Revolve(1)):\n    pass\n",
        "CKP110",
        2,
        22,
        "marks no loop here",
        "for ... in",
    ),
    "mark by star import": (
        "from checkpointer import *\nx = checkpointed([], Revolve(1))\n",
        "CKP110",
        2,
        4,
        "marks no loop here",
        "for ... in",
    ),
    "comment above no loop": (
        "# checkpointer: Revolve(1)\nx = 1\nfor i in []:\n    pass\n",
        "CKP111",
        1,
        0,
        "this comment marks no loop",
        "on the line above the loop",
    ),
    "comment behind a statement": (
        "x = 1  # checkpointer: Revolve(1)\nfor i in []:\n    pass\n",
        "CKP111",
        1,
        7,
        "this comment marks no loop",
        "above the loop",
    ),
    "comment at another indentation": (
        "if True:\n    x = 1\n    # checkpointer: Revolve(1)\nfor i in []:\n    pass\n",
        "CKP111",
        3,
        4,
        "this comment marks no loop",
        "at the loop's indentation",
    ),
    "comment a blank line above": (
        "# checkpointer: Revolve(1)\n\nfor i in []:\n    pass\n",
        "CKP111",
        1,
        0,
        "this comment marks no loop",
        "on the line above",
    ),
    "comment at the end of the file": (
        "x = 1\n# checkpointer: Revolve(1)",
        "CKP111",
        2,
        0,
        "marks no loop",
        "above",
    ),
    "call and comment": (
        HEAD + "# checkpointer: Revolve(1)\nfor i in checkpointed([], Revolve(1)):\n    pass\n",
        "CKP112",
        2,
        0,
        "marked twice",
        "keep one mark",
    ),
    "two comments": (
        "# checkpointer: Revolve(1)\n# checkpointer: Revolve(2)\nfor i in []:\n    pass\n",
        "CKP112",
        2,
        0,
        "marked twice",
        "keep one mark",
    ),
    "no arguments": (
        HEAD + "for i in checkpointed():\n    pass\n",
        "CKP113",
        2,
        9,
        "its first argument, what the loop runs over, is missing",
        "for ... in",
    ),
    "hidden arguments": (
        HEAD + "for i in checkpointed(*a):\n    pass\n",
        "CKP113",
        2,
        9,
        "hidden in `*` or `**`",
        "for ... in",
    ),
    "two schemes": (
        HEAD + "for i in checkpointed([], Revolve(1), scheme=Revolve(2)):\n    pass\n",
        "CKP113",
        2,
        9,
        "takes one scheme",
        "for ... in",
    ),
    "unknown argument": (
        HEAD + "for i in checkpointed([], Revolve(1), audits=True):\n    pass\n",
        "CKP113",
        2,
        9,
        "it has no argument `audits`; did you mean `audit`?",
        "for ... in",
    ),
    "unknown argument in a comment": (
        "# checkpointer: Revolve(1), store=None\nfor i in []:\n    pass\n",
        "CKP113",
        1,
        0,
        "it has no argument `store`; did you mean `storage`?",
        "# checkpointer: Revolve(snapshots=8)",
    ),
    "comment that is no list of arguments": (
        "# checkpointer: snapshots 8\nfor i in []:\n    pass\n",
        "CKP113",
        1,
        0,
        "it is no list of arguments",
        "# checkpointer: Revolve(snapshots=8)",
    ),
    "comment that ends the call early": (
        "# checkpointer: Revolve(1)) + (2\nfor i in []:\n    pass\n",
        "CKP113",
        1,
        0,
        "it is no list of arguments",
        "# checkpointer: Revolve(snapshots=8)",
    ),
    "misspelt scheme": (
        "def f():\n    # checkpointer: Revolv(snapshots=8)\n    for i in []:\n        pass\n",
        "CKP114",
        2,
        4,
        "unknown scheme `Revolv`; did you mean `Revolve`?",
        "name one of Online, Periodic, Revolve",
    ),
    "unknown module of schemes": (
        "# checkpointer: mine.Fancy(8)\nfor i in []:\n    pass\n",
        "CKP114",
        1,
        0,
        "unknown scheme `mine.Fancy`",
        "import the scheme in this file",
    ),
    "own output": (
        "#!/usr/bin/env python\n# Adjoint of a.py, written by checkpointer 0.1.0. Change a.py, not this file.\n",
        "CKP115",
        2,
        0,
        "written by checkpointer",
        "rewrite the file that the first line names",
    ),
}


def rewrite(source: str):
    return rewrite_source(source, "some/prog.py", SCHEMES, version="0.1.0")


@pytest.mark.parametrize(
    ("source", "code", "line", "column", "what", "instead"), CASES.values(), ids=CASES.keys()
)
def test_refusal(source, code, line, column, what, instead):
    with pytest.raises(TransformError) as caught:
        rewrite(source)
    error = caught.value
    assert (error.code, error.line, error.column) == (code, line, column)
    assert error.filename == "some/prog.py"
    assert what in error.what
    assert instead in error.instead
    assert error.text == source.split("\n")[line - 1]
    assert str(error).startswith(f"some/prog.py:{line}: {code} ")


def test_message_points_at_the_construct():
    with pytest.raises(TransformError) as caught:
        rewrite(CASES["yield"][0])
    assert str(caught.value) == (
        "some/prog.py:4: CKP101 `yield` in a marked loop hands control to code outside of it in the middle of a"
        " step; the step cannot be repeated without that code\n"
        "    x = yield i\n"
        "        ^\n"
        "Instead: append the values to a list and return it, or move the `yield` behind the loop"
    )


def test_column_counts_characters_not_bytes():
    source = HEAD + "def f():\n    for ä in checkpointed([], Revolve(1)):\n        äöü = 'ß'; x = yield\n"
    with pytest.raises(TransformError) as caught:
        rewrite(source)
    assert caught.value.column == 23


def test_every_code_is_refused_in_some_case():
    assert {case[1] for case in CASES.values()} == set(REFUSALS)


ALLOWED = {
    "nested function that yields": "def g():\n    yield 1\n",
    "lambda with its own namespace": "h = lambda: locals()\n",
    "nested async function": "async def g():\n    await None\n    async for x in y: pass\n",
    "eval with namespaces": "eval('1', {}, {})\nexec('1', {})\nvars(object)\ndir(object)\n",
    "class in the loop": "class A:\n    x = 1\n    for y in z: pass\n",
    "a name of the user's": "def locals(): pass\nlocals()\n",
}


@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED.keys())
def test_fence_lets_through(body):
    inside = "".join(f"        {line}\n" for line in body.splitlines())
    code = rewrite(f"{HEAD}def f():\n    for i in checkpointed([], Revolve(1)):\n{inside}").code
    assert inside.strip("\n") in code
    compile(code, "prog.py", "exec")


def test_yield_around_a_marked_loop_is_no_refusal():
    source = "def f():\n  for k in []:\n    for i in checkpointed((yield k), Revolve(1)):\n      pass\n    yield i\n"
    code = rewrite(HEAD + source).code
    assert "(yield k),\n" in code


def test_another_function_of_the_name_is_no_mark():
    source = "from mine import checkpointed\nx = checkpointed(1)\nfor i in checkpointed([]): pass\n"
    rewritten = rewrite(source)
    assert rewritten.loops == ()
    assert rewritten.code.endswith(source)


def test_a_parameter_shadows_the_mark():
    source = HEAD + "def f(checkpointed):\n    return checkpointed(1)\n"
    assert rewrite(source).code.endswith(source)


def test_a_scheme_that_the_file_binds_needs_no_import_and_a_known_one_gets_it():
    loop = "for i in []:\n    pass\n"
    own = rewrite(
        f"from mine import Fancy\nimport mine\n# checkpointer: Fancy(1)\n{loop}# checkpointer: mine.X(1)\n{loop}"
    )
    assert [info.scheme for info in own.loops] == ["Fancy(1)", "mine.X(1)"]
    assert "from checkpointer import" not in own.code
    known = rewrite(f"# checkpointer: Online(1)\n{loop}# checkpointer: Revolve(1)\n{loop}")
    assert "from checkpointer import Online, Revolve\n" in known.code


def sections() -> dict[str, str]:
    page = Path(__file__).parents[2].joinpath("docs", "refusals.md").read_text("utf-8")
    parts = re.split(r"^## +(\w+)\b", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_code_has_its_section(code):
    section = sections()[code]
    assert REFUSALS[code] in section.splitlines()[0]
    examples = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert len(examples) == 2, "one example that is refused, and one of what to write instead"
    with pytest.raises(TransformError) as caught:
        rewrite(examples[0])
    assert caught.value.code == code
    compile(rewrite(examples[1]).code, "prog.py", "exec")
