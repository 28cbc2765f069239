"""Marked loops rewritten in place by libcst's own tool.

``python -m libcst.tool codemod -x checkpointer.codemod.AdjointCommand src`` changes the files that it is given, many at a
time, in parallel; the originals are in version control, or lost. Who wants to keep both uses ``checkpointer rewrite``.
"""

from __future__ import annotations

import argparse

import libcst as cst
from libcst.codemod import CodemodCommand, CodemodContext, SkipFile

from checkpointer.compiled import rewrite
from checkpointer.errors import TransformError


class AdjointCommand(CodemodCommand):
    """Rewrite the marked loops of a file, so that what it defines can be differentiated.

    A file without marks is left as it is, and so is one that is refused: it is skipped, with the reason.

    Parameters
    ----------
    context : CodemodContext
        What libcst knows of the file.
    drop_ins : bool
        Whether NumPy, SciPy and math become their drop-ins also in files without marks, for modules that
        marked loops call into.
    """

    DESCRIPTION = (
        "Rewrite marked loops in place, so that they can be differentiated with checkpointer. Files without marks are"
        " left as they are, files that are refused are skipped with the reason. What is overwritten is the original:"
        " use version control."
    )

    @staticmethod
    def add_args(arg_parser: argparse.ArgumentParser) -> None:
        arg_parser.add_argument(
            "--drop-ins",
            action="store_true",
            help="also rewrite the imports of NumPy, SciPy and math in files without marks, which marked loops call into",
        )

    def __init__(self, context: CodemodContext, *, drop_ins: bool = False) -> None:
        super().__init__(context)
        self.drop_ins = drop_ins

    def transform_module_impl(self, tree: cst.Module) -> cst.Module:
        """The module with its loops rewritten, in the file's own encoding and with its line ends."""
        newline = tree.default_newline
        source = tree.code.replace("\r\n", "\n").replace("\r", "\n")
        if "checkpointer" not in source and not self.drop_ins:
            return tree
        try:
            rewritten = rewrite(source, self.context.filename or "<stdin>", line_length=88)
        except TransformError as error:
            raise SkipFile(str(error)) from error
        if not rewritten.loops and not self.drop_ins:
            return tree
        code = _of_its_original(rewritten.code).replace("\n", newline)
        return cst.parse_module(code, config=tree.config_for_parsing)


def _of_its_original(code: str) -> str:
    """The code under a header that does not send the reader to the file in which it stands."""
    start, between, end = code.partition(". Change ")
    _, _, rest = end.partition("\n")
    return f"{start}{between}the original, which version control has, not this file.\n{rest}"
