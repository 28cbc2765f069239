"""Lists that a loop only appends to: right under every alias, and their old items are not walked."""

import textwrap

import numpy as np
import pytest

from checkpointer import Online, Periodic, ReplayError, Revolve, StoreAll, grad
from checkpointer.tails import uses_in

HEAD = """
    import time
    import numpy as np
    from checkpointer import Revolve, checkpointed

    class Solver:
        def __init__(self, u):
            self.u = u
            self.history = []
            self.log = {"time": [], "u": []}
            self.energy: list = [0.0]

        def step(self, k):
            self.u = self.u + 0.1 * np.sin(self.u)
            self.history.append(self.u)
            self.log["time"].append(0.1 * k)
            self.log["u"].append(self.u[1])
            self.energy.append(self.energy[-1] + np.sum(self.u**2))
"""

# a loss that looks at every item of `us`, differently at each place
LOSS = "    return sum(np.sum((k + 1) * np.sin(v)) for k, v in enumerate(us))\n"

PROGRAMS = {
    "rebound": """
        us = [u]
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            us.append(u)
    """,
    "copies of an array that is updated in place": """
        u = u.copy()
        us = []
        for k in checkpointed(range(9), scheme):
            u[1:] += 0.1 * np.sin(u[:-1])
            us.append(u.copy())
    """,
    "the same array again and again": """
        u = u.copy()
        us = []
        for k in checkpointed(range(9), scheme):
            u *= 1 + 0.1 * np.sin(u[::-1])
            us.append(u)
    """,
    "an array that is updated in place after it was appended, and then let go of": """
        u = u.copy()
        us = []
        for k in checkpointed(range(12), scheme):
            if k % 3 == 0:
                u = np.sin(u)
                us.append(u)
            else:
                u *= 1 + 0.1 * u[::-1]
    """,
    "a view of an array that is updated in place": """
        u = u.copy()
        us = []
        for k in checkpointed(range(12), scheme):
            if k % 4 == 0:
                u = np.sin(u)
                us.append(u[1:3])
            u += 0.1 * np.cos(u[::-1])
    """,
    "two lists with the same arrays": """
        us = [u]
        others = []
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            us.append(u)
            if k % 2:
                others.append(u)
                u *= 1.1
        us = us + others
    """,
    "the last two items": """
        us = [u, 2 * u]
        for k in checkpointed(range(9), scheme):
            us.append(np.sin(us[-1]) + 0.2 * us[-2])
    """,
    "the last item is updated in place": """
        us = [u.copy()]
        for k in checkpointed(range(9), scheme):
            us[-1][1:] *= 1.1 + 0.1 * us[-1][:-1]
            us.append(np.sin(us[-1]))
    """,
    "numbers": """
        x = u[0]
        us = [x]
        for k in checkpointed(range(9), scheme):
            x = x + 0.1 * np.sin(x) * u[1]
            us.append(x)
            us.append(2.0)
    """,
    "tuples": """
        log = []
        t = 0.0
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            t += 0.1
            log.append((t, u, float(u[0])))
        us = [item[1] * item[2] * item[0] for item in log]
    """,
    "dicts": """
        log = []
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            log.append({"u": u, "x": u[0]})
        us = [item["u"] * item["x"] for item in log]
    """,
    "an item that can be changed after numbers": """
        us = [0.0]
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            us.append(u if k % 2 else [u, u])
        us = [v[0] * v[1] if isinstance(v, list) else v for v in us]
    """,
    "attributes and lists in a dict": """
        solver = Solver(u)
        for k in checkpointed(range(9), scheme):
            solver.step(k)
        us = solver.history + solver.log["u"] + solver.log["time"] + solver.energy
    """,
    "a list that goes on in a second loop": """
        us = [u]
        for k in checkpointed(range(5), scheme):
            u = u + 0.1 * np.sin(u)
            us.append(u)
        us[2] = us[2] * us[1]
        for k in checkpointed(range(5), scheme):
            u = u * np.cos(u)
            us.append(u)
    """,
    "a list that is changed behind the loop": """
        us = [u]
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            us.append(u)
        us.reverse()
        us.pop()
        us[0] = us[0] * us[3]
    """,
    "a list that is read now and then": """
        us = [u]
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(us[k // 2])
            us.append(u)
    """,
    "a list under a second name": """
        us = [u]
        other = us
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(other[0])
            us.append(u)
            other[k // 2] = 2 * u
    """,
    "a nested loop": """
        us = [u]
        for k in checkpointed(range(3), scheme):
            for j in checkpointed(range(3), scheme):
                u = u + 0.1 * np.sin(u)
                us.append(u)
            us.append(u * us[-1])
    """,
    "a list that is read through its object": """
        solver = Solver(u)
        for k in checkpointed(range(9), scheme):
            solver.step(k)
            name = "history"
            solver.u = solver.u + 0.1 * getattr(solver, name)[k // 2]
        us = solver.history
    """,
    "a list that starts anew": """
        us, all_of_them = [], []
        for k in checkpointed(range(9), scheme):
            u = u + 0.1 * np.sin(u)
            us.append(u)
            if k == 4:
                all_of_them.append(us)
                us = []
        us = us + all_of_them[0]
    """,
}
SCHEMES = [Revolve(1), Revolve(3), Periodic(2), StoreAll(), Online(2)]


@pytest.mark.parametrize("body", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_gradients(load, check, body):
    lines = textwrap.indent(textwrap.dedent(body), "    ")
    program = load(textwrap.dedent(HEAD) + "\ndef run(u, scheme):\n" + lines + LOSS)
    for number, scheme in enumerate(SCHEMES):
        for x in ([0.3, 0.7, 0.2, 0.5], [0.6, 0.1, 0.4, 0.9]):
            check(program, "run", np.array(x), scheme, seed=number)


def test_the_audit_looks_at_all_items(load, check, monkeypatch):
    monkeypatch.setenv("CHECKPOINTER_AUDIT", "1")
    for name in ("rebound", "a nested loop", "an item that can be changed after numbers"):
        lines = textwrap.indent(textwrap.dedent(PROGRAMS[name]), "    ")
        program = load(textwrap.dedent(HEAD) + "\ndef run(u, scheme):\n" + lines + LOSS)
        check(program, "run", np.array([0.3, 0.7, 0.2, 0.5]), Revolve(2))


def test_what_was_appended_is_compared_when_it_is_recomputed(load):
    program = load("""
        import time
        import numpy as np
        from checkpointer import Revolve, checkpointed

        def run(u, steps):
            us = []
            for k in checkpointed(range(steps), Revolve(2)):
                u = u + 0.1 * np.sin(u)
                us.append(u * time.perf_counter_ns())
            return sum(np.sum(v) for v in us)
    """)
    with pytest.raises(ReplayError, match=r"us\[\d\] was something else when step \d was recomputed"):
        grad(program.rewritten.run)(np.ones(3), 6)


@pytest.mark.parametrize(
    "statement",
    [
        "us.append(u); ts.append(0.1 * k)",
        "us.append((k, u.copy()))",
        "us.append(us[-1] + u)",
        "log['u'].append(u)",
        "ring.us.append(u)",
    ],
)
def test_the_work_grows_with_the_number_of_steps_only(load, statement, visits):
    program = load(f"""
        import numpy as np
        from checkpointer import Revolve, checkpointed

        class Ring:
            def __init__(self):
                self.us = []

        def run(u, steps):
            us, ts, log, ring = [u], [], {{"u": []}}, Ring()
            for k in checkpointed(range(steps), Revolve(100)):
                u = u + 0.01 * np.sin(u)
                {statement}
            return np.sum(u) + 0.0 * len(us) * len(ts) * len(log) * len(ring.us)
    """)
    few, many = (visits(lambda n=n: grad(program.rewritten.run)(np.ones(2), n)) for n in (100, 200))
    assert many < 2.1 * few


def _uses(text):
    namespace = {}
    exec("def f(us, log, obj, u, k):\n    def g():\n        nonlocal us\n        " + text, namespace)
    return uses_in(namespace["f"].__code__.co_consts[1])


@pytest.mark.parametrize(
    ("text", "name", "depth"),
    [
        ("us.append(u)", "us", 0),
        ("us.extend([u, us[-1]])", "us", 1),
        ("u = us[-3] + us[-1]", "us", 3),
        ("log['t'].append(u)", "log", 0),
        ("u = log['t'][-2]", "log", 2),
        ("obj.us.append(u)", "us", 0),
        ("obj.log['t'].append(u)", "log", 0),
        ("h = lambda: us.append(u)", "us", 0),
        ("us = []", "us", None),
        ("us[-1] = u", "us", None),
        ("us[-1] += u", "us", None),
        ("del us[-1]", "us", None),
        ("us += [u]", "us", None),
        ("us.append(u); us.pop()", "us", None),
        ("us.append(u); u = us", "us", None),
        ("us.append(u); u = us[0]", "us", None),
        ("us.append(u); u = us[k]", "us", None),
        ("us.append(u); u = us[-1:]", "us", None),
        ("us.append(u); k(us)", "us", None),
        ("us.append(u); u = [v for v in us]", "us", None),
        ("us.append(u); log[k].append(us)", "us", None),
        ("log[k].append(u)", "log", None),
        ("obj.us.append(u); u = obj.us[0]", "us", None),
        ("obj.us.append(u); u = getattr(obj, 'us')", "us", None),
        ("obj.us.append(u); u = obj.__dict__", "us", None),
        ("obj.us.append(u); u = vars(obj)", "us", None),
        ("us.append(u); u = locals()", "us", None),
        ("us.append(u); u = g.__closure__[0].cell_contents", "us", None),
        ("obj.us.append(u); u = obj.__getstate__()", "us", None),
    ],
)
def test_uses_of_a_name(text, name, depth):
    assert _uses(text).depth(name) == depth


WAYS_AROUND = {
    "a view of a dict's values": (
        "values = log.values()",
        "log['us'].append(u)",
        "next(iter(values))[k // 2]",
    ),
    "a proxy of a dict": (
        "proxy = types.MappingProxyType(log)",
        "log['us'].append(u)",
        "proxy['us'][k // 2]",
    ),
    "a method of the list": ("walk = log['us'].__iter__", "log['us'].append(u)", "sum(walk())"),
    "a way to read attributes": (
        "read = operator.attrgetter('us')",
        "solver.us.append(u)",
        "read(solver)[k // 2]",
    ),
    "a function of Python's in a dict": (
        "read = {'get': getattr}",
        "solver.us.append(u)",
        "read['get'](solver, 'us')[k // 2]",
    ),
    "a method of object": ("", "solver.us.append(u)", "solver.__getstate__()['us'][k // 2]"),
    "an attribute that is computed": ("", "solver.us.append(u)", "solver.first"),
    "a part of a method": ("", "solver.us.append(u)", "solver.early()"),
    "the inside of a function": ("", "add(u)", "add.__closure__[0].cell_contents[k // 2]"),
    "an item that is kept for later": (
        "values = log.values()",
        "log['us'].append(u); kept = list(values)[0][0]",
        "kept",
    ),
    "a class of the library's": ("", "solver.note(u)", "solver[k // 2]"),
}


@pytest.mark.parametrize(("before", "append", "read"), WAYS_AROUND.values(), ids=WAYS_AROUND.keys())
@pytest.mark.parametrize("scheme", [Revolve(1), StoreAll(), Online(2)], ids=repr)
def test_an_item_that_is_read_without_a_name_is_right_or_refused(load, check, before, append, read, scheme):
    program = load(f"""
        import collections, functools, operator, types
        import numpy as np
        from checkpointer import checkpointed

        class First:
            def __get__(self, solver, cls):
                return solver.us[0]

        class Solver(collections.UserList):
            first = First()
            early = functools.partialmethod(lambda self, place: self.us[place], 0)
            def __init__(self, us):
                super().__init__(us)
                self.us = list(us)
            def note(self, u):
                self.data.append(u)
                self.us.append(u)

        def run(u, scheme):
            log, solver = {{"us": [u]}}, Solver([u])
            def adder(us):
                return lambda v: us.append(v)
            add = adder(log["us"])
            {before}
            for k in checkpointed(range(9), scheme):
                u = u + 0.1 * np.sin(u)
                {append}
                u = u + 0.1 * {read}
            return np.sum(u**2)
    """)
    try:
        grad(program.rewritten.run)(np.ones(3), scheme)
    except ReplayError as error:
        refusal = str(error)
    else:
        refusal = ""
        check(program, "run", np.array([0.3, 0.7, 0.2]), scheme)
    assert not refusal or "an older item of it was read" in refusal


def test_the_list_is_whole_again_after_such_a_refusal(load):
    program = load("""
        import numpy as np
        from checkpointer import Revolve, checkpointed

        log = {"us": []}

        def run(u):
            us = log["us"]
            del us[:]
            views = log.values()
            for k in checkpointed(range(9), Revolve(2)):
                u = u + 0.1 * np.sin(u)
                log["us"].append(u)
                u = u + 0.1 * next(iter(views))[k // 2]
            return np.sum(u)
    """)
    with pytest.raises(ReplayError, match="read it under its own name"):
        grad(program.rewritten.run)(np.ones(3))
    assert all(type(item) is np.ndarray for item in program.rewritten.log["us"])


def test_patterns_read_attributes_that_they_do_not_name():
    namespace = {}
    exec("def f(obj, Solver, u):\n match obj:\n  case Solver(us): u = us\n obj.history.append(u)", namespace)
    assert uses_in(namespace["f"].__code__).depth("history") is None
