"""Code objects and those inside them: functions, classes and comprehensions are constants of the code around them."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType


def remade(code: CodeType, change: Callable[[CodeType], CodeType]) -> CodeType:
    """The same code with a change made to it, and to all code inside it.

    >>> outer = compile("def f(): pass", "a.py", "exec")
    >>> moved = remade(outer, lambda code: code.replace(co_filename="b.py"))
    >>> [each.co_filename for each in (moved, *moved.co_consts) if hasattr(each, "co_filename")]
    ['b.py', 'b.py']
    """
    constants = tuple(remade(each, change) if isinstance(each, CodeType) else each for each in code.co_consts)
    return change(code.replace(co_consts=constants))
