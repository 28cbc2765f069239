"""The import hook: which modules it transforms, and that they stay the user's own."""

import importlib
import inspect
import sys
import threading
import traceback
import warnings
from importlib.machinery import PathFinder, SourceFileLoader
from types import CodeType

import numpy as np
import pytest

from checkpointer import (
    ArgumentError,
    NotRewrittenError,
    TransformError,
    install_import_hook,
    value_and_grad,
)
from checkpointer.compiled import compile_file
from checkpointer.loaders import TransformingLoader

DECAY = '''\
"""Decay."""

import numpy as np

from checkpointer import Revolve, checkpointed


def simulate(u, steps, fail_at=None):
    """Half of it every step."""
    u = u.copy()
    for step in checkpointed(range(steps), Revolve(snapshots=2)):
        # one half
        u *= 0.5
        if step == fail_at:
            print(u[0], float("x") + 1)
    return np.sum(u)
'''


@pytest.fixture
def write(tmp_path, monkeypatch):
    """``write(path, text)`` below a folder that is on sys.path; the modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(path, text, encoding="utf-8"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode(encoding))
        importlib.invalidate_caches()
        return file

    finders = list(sys.meta_path)
    yield write
    assert sys.meta_path == finders
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        places = [
            getattr(module, "__file__", None),
            *getattr(module, "__path__", ()),
        ]  # a namespace has no file
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]


def is_transformed(name):
    return isinstance(importlib.import_module(name).__loader__, TransformingLoader)


def test_a_hooked_module_can_be_differentiated(write):
    write("decay.py", DECAY)
    with install_import_hook("decay"):
        import decay
    value, gradient = value_and_grad(decay.simulate)(np.arange(3.0), 4)
    assert value == 3 / 16
    np.testing.assert_array_equal(gradient, np.full(3, 1 / 16))


def test_it_looks_like_the_users_module(write):
    file = write("decay.py", DECAY)
    with install_import_hook("decay"):
        import decay
    assert decay.__doc__ == "Decay."
    assert decay.__file__ == str(file)
    assert decay.simulate.__doc__ == "Half of it every step."
    assert decay.simulate.__module__ == "decay"
    assert inspect.getsource(decay) == DECAY
    assert inspect.getsource(decay.simulate) == DECAY[DECAY.index("def") :]
    assert list(inspect.signature(decay.simulate).parameters) == ["u", "steps", "fail_at"]


@pytest.mark.parametrize("differentiated", [False, True])
def test_a_traceback_shows_the_users_line(write, differentiated):
    file = write("decay.py", DECAY)
    with install_import_hook("decay"):
        import decay
    simulate = value_and_grad(decay.simulate) if differentiated else decay.simulate
    with pytest.raises(ValueError, match="could not convert") as caught:
        simulate(np.ones(2), 4, 2)
    frames = [f for f in traceback.extract_tb(caught.value.__traceback__) if f.filename == str(file)]
    assert sorted({frame.lineno for frame in frames}) == [11, 15]
    assert frames[-1].line == 'print(u[0], float("x") + 1)'
    assert (frames[-1].colno, frames[-1].end_colno) == (24, 34)


def test_every_instruction_belongs_to_a_line_of_the_user(write):
    def lines(code):
        yield from (line for _, _, line in code.co_lines() if line)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from lines(constant)

    code = compile_file(DECAY.encode(), "decay.py")
    assert {8, 10, 11, 13, 14, 15, 16} <= set(lines(code)) <= set(range(1, 17))


def test_a_warning_in_a_step_names_the_users_line(write):
    file = write(
        "decay.py", DECAY.replace("print(u[0]", "import warnings; warnings.warn('cold'); print(u[0]")
    )
    with install_import_hook("decay"):
        import decay
    with (
        pytest.warns(UserWarning, match="cold") as caught,
        pytest.raises(ValueError, match="could not convert"),
    ):
        decay.simulate(np.ones(2), 4, 2)
    assert (caught[0].filename, caught[0].lineno) == (str(file), 15)


def test_without_the_hook_the_gradient_is_refused(write):
    write("decay.py", DECAY)
    import decay

    assert decay.simulate(np.ones(2), 1) == 1.0
    with pytest.raises(NotRewrittenError):
        value_and_grad(decay.simulate)(np.ones(2), 1)


@pytest.mark.parametrize(
    ("patterns", "transformed"),
    [
        (["pkg"], ["pkg", "pkg.a", "pkg.sub", "pkg.sub.b"]),
        (["pkg.*"], ["pkg.a", "pkg.sub", "pkg.sub.b"]),
        (["pkg.sub"], ["pkg.sub", "pkg.sub.b"]),
        (["pkg.sub.*"], ["pkg.sub.b"]),
        (["pkg.a", "pkg.sub.b"], ["pkg.a", "pkg.sub.b"]),
        (["pk?.[ab]"], ["pkg.a"]),
        (["kg", "pkg.su", "PKG"], []),
    ],
)
def test_patterns(write, patterns, transformed):
    names = ["pkg", "pkg.a", "pkg.sub", "pkg.sub.b", "pkgs"]
    for path in ("pkg/__init__.py", "pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py", "pkgs.py"):
        write(path, "import numpy as np\n")
    with install_import_hook(*patterns):
        assert [name for name in names if is_transformed(name)] == transformed


def test_a_package_may_hook_what_is_below_it(write):
    write(
        "pkg/__init__.py",
        "from checkpointer import install_import_hook\n"
        "with install_import_hook(f'{__name__}.*'):\n    from pkg.decay import simulate\n",
    )
    write("pkg/decay.py", DECAY)
    import pkg

    assert value_and_grad(pkg.simulate)(np.ones(1), 1)[1] == 0.5


def test_uninstall(write):
    write("first.py", "import numpy as np\n")
    write("second.py", "import numpy as np\n")
    hook = install_import_hook("first", "second")
    assert is_transformed("first")
    hook.uninstall()
    hook.uninstall()
    assert not is_transformed("second")


def test_the_context_manager_uninstalls_after_an_error(write):
    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), install_import_hook("decay"):
        raise ZeroDivisionError
    assert sys.meta_path == finders


def test_two_hooks(write):
    write("first.py", "import numpy as np\n")
    write("second.py", "import numpy as np\n")
    with install_import_hook("first"), install_import_hook("first", "second") as inner:
        assert is_transformed("first")
        inner.uninstall()
        assert not is_transformed("second")


def test_a_module_that_was_imported_before_is_refused(write):
    write("decay.py", DECAY)
    import decay  # noqa: F401

    with pytest.raises(ArgumentError, match=r"'decay' has been imported already .* before importing decay"):
        install_import_hook("dec[a]?")


def test_a_module_that_was_transformed_before_is_not_refused(write):
    write("decay.py", DECAY)
    with install_import_hook("decay"):
        import decay  # noqa: F401
    with install_import_hook("decay"):
        assert is_transformed("decay")


def test_the_program_itself_cannot_be_hooked():
    with pytest.raises(ArgumentError, match="checkpointer run FILE"):
        install_import_hook("__main__")


def test_no_module_at_all():
    with pytest.raises(ArgumentError, match="no module: name at least one"):
        install_import_hook()


@pytest.mark.parametrize("name", ["heat.py", "ocean/heat", "", ".", "a..b", ".heat", "heat-2", 3, None])
def test_what_is_no_name_of_a_module(name):
    finders = list(sys.meta_path)
    with pytest.raises(ArgumentError, match="no name of a module") as caught:
        install_import_hook(name)
    assert repr(name) in str(caught.value)
    assert sys.meta_path == finders


def test_a_refused_mark(write):
    file = write("broken.py", DECAY.replace("return", "yield u\n    return").replace("# one half", "yield u"))
    with install_import_hook("broken"), pytest.raises(TransformError, match="yield") as caught:
        importlib.import_module("broken")
    assert (caught.value.filename, caught.value.line) == (str(file), 12)
    assert "broken" not in sys.modules


@pytest.mark.parametrize(
    ("text", "line"), [("x = 1\ny = = 2\n", 2), ("\n\nreturn 3\n", 3), ("def f():\n    nonlocal x\n", 2)]
)
def test_a_syntax_error_is_pythons_own(write, text, line):
    file = write("broken.py", text)
    with install_import_hook("broken"), pytest.raises(SyntaxError) as caught:
        importlib.import_module("broken")
    assert (caught.value.filename, caught.value.lineno) == (str(file), line)


def test_bytes_that_are_no_utf8(write):
    write("broken.py", "x = 'é'\n", encoding="latin-1")
    with install_import_hook("broken"), pytest.raises(SyntaxError, match="utf-8"):
        importlib.import_module("broken")


def test_another_encoding(write):
    write("old.py", "# -*- coding: latin-1 -*-\nimport numpy as np\nx = 'é'\n", encoding="latin-1")
    with install_import_hook("old"):
        import old
    assert old.x == "é"
    assert old.np.__name__ == "checkpointer.numpy"


def test_bytecode_of_the_plain_module_is_neither_used_nor_replaced(write):
    file = write("decay.py", DECAY)
    import decay

    del sys.modules["decay"]
    with install_import_hook("decay"):
        import decay
    assert value_and_grad(decay.simulate)(np.ones(1), 1)[1] == 0.5
    del sys.modules["decay"]
    import decay

    with pytest.raises(NotRewrittenError):
        value_and_grad(decay.simulate)(np.ones(1), 1)
    assert file.read_text() == DECAY


def test_reload(write):
    write("decay.py", DECAY)
    with install_import_hook("decay"):
        import decay

        write("decay.py", DECAY.replace("0.5", "0.25"))
        importlib.reload(decay)
    assert value_and_grad(decay.simulate)(np.ones(1), 1)[1] == 0.25


def test_a_compiler_warning_is_given_once_and_for_the_users_line(write):
    file = write("decay.py", DECAY.replace("# one half", "assert (u, 'always')"))
    with install_import_hook("decay"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        importlib.import_module("decay")
    assert [(w.category, w.filename, w.lineno) for w in caught] == [(SyntaxWarning, str(file), 12)]


def test_what_is_no_source_file_loads_as_it_is(write, monkeypatch):
    write("space/part.py", "import numpy as np\n")
    monkeypatch.delitem(sys.modules, "_bisect", raising=False)
    with install_import_hook("space", "_bisect"):
        import _bisect

        import space

        assert not isinstance(_bisect.__loader__, TransformingLoader)
        assert space.__file__ is None
        assert is_transformed("space.part")


def test_the_work_of_another_hook_is_not_lost(write, monkeypatch):
    class Loader(SourceFileLoader):
        def exec_module(self, module):
            super().exec_module(module)
            module.by_other_hook = True

    class Finder:
        @staticmethod
        def find_spec(name, path, target=None):
            spec = PathFinder.find_spec(name, path, target)
            if name == "decay":
                spec.loader = Loader(name, spec.origin)
            return spec

    write("decay.py", DECAY)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with install_import_hook("decay"):
        import decay
    assert decay.by_other_hook
    monkeypatch.undo()


def test_imports_from_several_threads(write):
    names = [f"decay{number}" for number in range(8)]
    for name in names:
        write(f"{name}.py", DECAY)
    with install_import_hook("decay*"):
        threads = [threading.Thread(target=importlib.import_module, args=[name]) for name in names * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(is_transformed(name) for name in names)


@pytest.mark.parametrize(
    "text", ["", "x = 1\n", "#!/usr/bin/env python\nx = 1\n", '"""Doc."""\n\n\nx = [\n    1,\n]\n']
)
def test_a_file_that_needs_no_change_compiles_as_it_is(text):
    assert compile_file(text.encode(), "plain.py") == compile(text, "plain.py", "exec", dont_inherit=True)


def test_future_statements_and_docstrings_survive(write):
    write(
        "modern.py",
        '"""Doc."""\nfrom __future__ import annotations\nimport numpy as np\ndef f(x: nothing): ...\n',
    )
    with install_import_hook("modern"):
        import modern
    assert modern.__doc__ == "Doc."
    assert modern.f.__annotations__ == {"x": "nothing"}
