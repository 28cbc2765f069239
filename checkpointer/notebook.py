"""IPython and Jupyter: the magics ``%%checkpointer`` and ``%checkpointer on``.

``%%checkpointer`` does not run its cell as other magics do. It becomes a comment, IPython reads the cell as any other, and
before it compiles it, the transformed syntax tree takes the place of the cell's. So everything that IPython does with a
cell remains as it is: what is displayed, the history, tracebacks, ``await``, other magics in the cell.

`import checkpointer` does not import this module, and so not IPython.
"""

from __future__ import annotations

import ast
import linecache
import warnings
from collections import ChainMap, deque
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from checkpointer import cells
from checkpointer.errors import TransformError
from checkpointer.replay import replaying

_NAME = "checkpointer"
_WISH = "# %%checkpointer\n"
"""What the magic becomes; it keeps its line, so that the lines of the cell are the user's."""


def load(shell: InteractiveShell) -> None:
    """Put the magics into a running IPython."""
    transformer = _Cells(shell)
    shell.input_transformers_cleanup.append(_noted)
    shell.input_transformers_post.append(transformer.remember)
    shell.ast_transformers.insert(0, transformer)
    shell.register_magics(_CheckpointerMagics(shell, transformer))
    if hasattr(shell.display_pub, "register_hook"):  # Jupyter's
        shell.display_pub.register_hook(_displayed)


def unload(shell: InteractiveShell) -> None:
    """Take the magics away."""
    shell.input_transformers_cleanup.remove(_noted)
    for transformer in [found for found in shell.ast_transformers if isinstance(found, _Cells)]:
        shell.ast_transformers.remove(transformer)
        shell.input_transformers_post.remove(transformer.remember)
    if hasattr(shell.display_pub, "unregister_hook"):
        shell.display_pub.unregister_hook(_displayed)
    for kind in ("line", "cell"):
        del shell.magics_manager.magics[kind][_NAME]


def _displayed(message: Any) -> Any:
    """Steps that are computed again do not display again what they displayed before."""
    return None if replaying() else message


def _noted(lines: list[str]) -> list[str]:
    """A cell in which the magic on top is a comment, behind another cell magic if there is one."""
    if len(lines) < 2 or lines[0].rstrip() != f"%%{_NAME}" or not "".join(lines[1:]).strip():
        return lines
    if lines[1].startswith("%%"):
        return [lines[1], _WISH, *lines[2:]]
    return [_WISH, *lines[1:]]


_noted.has_side_effects = True  # type: ignore[attr-defined]  # so that a terminal knows a magic by its line's beginning


class _Cells(ast.NodeTransformer):
    """IPython's transformer of syntax trees: those of cells with the magic, or of all cells."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.every = False
        self.shell = shell
        self._texts: deque[str] = deque(maxlen=8)
        """What IPython has read of late: trees have neither comments nor layout."""

    def remember(self, lines: list[str]) -> list[str]:
        """See the lines of a cell as they will be parsed."""
        self._texts.appendleft("".join(lines))
        return lines

    def visit(self, tree: ast.Module) -> ast.Module:  # type: ignore[override]
        """The tree to compile for a cell."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # IPython gives them, for what it parses and for what it compiles
            text = self._text_of(tree)
            if text is None or not (self.every or text.startswith(_WISH)) or not _compiles(tree):
                return tree
            return self._transformed(text)

    def _transformed(self, text: str) -> ast.Module:
        shell = self.shell
        names = ChainMap(shell.user_ns, shell.user_global_ns)
        try:
            imports, cell = cells.transform_cell(text, self._name_of(text), names)
        except TransformError as error:
            return cells.refused(error)
        exec(compile(ast.fix_missing_locations(imports), __file__, "exec"), shell.user_global_ns)
        return cell

    def _text_of(self, tree: ast.Module) -> str | None:
        looked_for = ast.dump(tree, include_attributes=True)
        for text in self._texts:
            try:
                if ast.dump(ast.parse(text), include_attributes=True) == looked_for:
                    return text
            except SyntaxError:
                pass
        return None

    def _name_of(self, text: str) -> str:
        """``Cell In[3]``, as IPython calls it in tracebacks."""
        for filename, entry in reversed([*linecache.cache.items()]):
            if entry[0] == len(text) and "".join(linecache.getlines(filename)) == text:
                return " ".join(self.shell.compile.format_code_name(filename) or [filename])
        return "<cell>"


def _compiles(tree: ast.Module) -> bool:
    """Whether Python accepts the cell; if not, that is IPython's to say."""
    try:
        compile(tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError:
        return False
    return True


@magics_class
class _CheckpointerMagics(Magics):
    """The magics, where IPython looks for them."""

    def __init__(self, shell: InteractiveShell, transformer: _Cells) -> None:
        super().__init__(shell)
        self._transformer = transformer

    @line_cell_magic
    def checkpointer(self, line: str, cell: str | None = None) -> None:
        """Transform the marked loops of a cell, or of all cells.

        As a cell magic, it runs the cell with its marked loops transformed, in functions, methods and outside of them,
        so that ``checkpointer.grad`` works on its functions::

            %%checkpointer
            def simulate(u, steps):
                for step in checkpointed(range(steps), Revolve(snapshots=8)):
                    u = u + 0.1 * np.sin(u)
                return u.sum()

        As a line magic, it does so for every cell that runs later::

            %checkpointer on
            %checkpointer off
        """
        options = line.strip()
        if cell is None and options in ("on", "off"):
            self._transformer.every = options == "on"
        elif cell is None:
            raise UsageError(
                f"%{_NAME} takes one word, on or off, but was given {options!r}; %%{_NAME} transforms one cell"
            )
        elif options:
            raise UsageError(f"%%{_NAME} takes no options, but was given {options!r}")
        else:  # a notebook that was exported as a script calls it
            shell: Any = self._transformer.shell
            shell.run_cell(f"%%{_NAME}\n{cell}").raise_error()
