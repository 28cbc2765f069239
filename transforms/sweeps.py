"""The two sweeps of a loop, as text: what runs the schedule forward, and what runs it in reverse."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from checkpointer.transforms.outline import Plan, Runtime
from checkpointer.transforms.positions import Origins
from checkpointer.transforms.syntax import Layout, blank, parameters_on_lines, statement

_FORWARD = '''\
def {name}(loop):
    """Run {where} and leave the snapshots that the reverse sweep starts from."""
    for action in loop.forward_actions():
        match action:
            case {Advance}(start, stop):
                loop.advance(start, stop)
            case {Snapshot}(step, slot, level):
                loop.save(step, slot, level)
            case {Discard}(slot):
                loop.discard(slot)
            case {Record}(step, slot):
                loop.record(step, slot)
'''

_REVERSE = '''\
def {name}(loop, adjoint):
    """Pull the adjoint of the state after {where} back to the state before it."""
    for action in loop.reverse_actions():
        match action:
            case {Restore}(step, slot):
                loop.restore(step, slot)
            case {Advance}(start, stop):
                loop.advance(start, stop)
            case {Snapshot}(step, slot, level):
                loop.save(step, slot, level)
            case {Record}(step, slot):
                loop.record(step, slot)
            case {Reverse}(step):
                adjoint = loop.pullback(step, adjoint)
            case {Discard}(slot):
                loop.discard(slot)
    return adjoint
'''

ACTIONS = ("Advance", "Discard", "Record", "Restore", "Reverse", "Snapshot")


def sweeps(plan: Plan, runtime: Runtime, layout: Layout, origins: Origins) -> Iterator[cst.FunctionDef]:
    """Both sweeps of one loop, two blank lines in front of each."""
    actions = {action: runtime[action] for action in ACTIONS}
    for name, template in ((plan.forward, _FORWARD), (plan.reverse, _REVERSE)):
        made = statement(template.format(name=name, where=plan.where, **actions))
        function = cst.ensure_type(made, cst.FunctionDef).with_changes(leading_lines=[blank(), blank()])
        if not layout.fits(function, 0):
            function = parameters_on_lines(function, layout.indent)
        yield origins.put(function, plan.line)
