"""What each name of a loop is to it, and why."""

import textwrap

import pytest

from checkpointer.transforms.roles import report_source

HEAD = "import numpy as np\nfrom checkpointer import Online, Revolve, checkpointed\n"


def report(body):
    """Name -> (roles, why) in the last loop of a program."""
    *_, last = report_source(HEAD + textwrap.dedent(body), "program.py", ["Revolve"])
    return {row.name: (row.roles, row.why) for row in last.names}


def roles(body):
    return {name: found[0] for name, found in report(body).items()}


def test_the_four_roles():
    assert roles("""
        def run(u, nu, steps):
            for step in checkpointed(range(steps), Revolve(2)):
                flux = nu * u
                u = u - flux
            return u, nu
        """) == {
        "u": ("carried", "returned"),
        "nu": ("constant", "returned"),
        "step": ("local",),
        "flux": ("local",),
    }


@pytest.mark.parametrize(
    "statement",
    [
        "u[1:-1] = 0",
        "u[0] += x",
        "u.field[3] = x",
        "u.field = x",
        "del u[0]",
        "np.sin(x, out=u)",
        "np.sin(x, out=(u[1:],))",
        "np.copyto(u[1:], x)",
        "np.add.at(u, 0, x)",
        "u.fill(0)",
        "u.history.append(x)",
        "v = u[1:]; v[:] = x",
        "v = u[1:]; v += x",
        "v = u.reshape(2, -1).T; v *= x",
        "v, w = x, u; w[0] = 0",
        "for v, w in ((x, u), (u, x)): w[0] = 1",
        "for row in u: row[0] = 1",
        "for k, (v, w) in enumerate([(x, u)]): w[k] = 1",
        "for v, w in zip(x, u): w[0] = 1",
        "write(u)",
        "write_through(array=u[1:])",
        "for u.index in x: pass",
        "unknown(u)",
        "x.solve(u)",
        "u.advance(x)",
    ],
)
def test_what_is_changed_in_place_is_carried(statement):
    found = report(f"""
        def write(array):
            other = array
            other[0] = 1

        def write_through(array):
            write(array)

        def run(u, x, unknown):
            for _ in checkpointed(range(3), Revolve(2)):
                {statement}
        """)
    assert found["u"][0] == ("carried",)


@pytest.mark.parametrize(
    "statement",
    [
        "y = u.copy(); y[:] = x",
        "y = u + x; y += x",
        "y = u[0]; y += x",
        "y = np.sin(u)",
        "y = read(u)",
        "y = u.sum() + len(u) + abs(u).max()",
        "y = [v for v in u]",
        "print(u)",
        "y = {'u': u.tolist()}",
        "for v, w in ((x, u), (x, u)): v[0] = 1",
    ],
)
def test_what_is_only_read_is_constant(statement):
    found = report(f"""
        def read(array):
            array = array.copy()
            array[0] = 1
            return array

        def run(u, x):
            for _ in checkpointed(range(3), Revolve(2)):
                {statement}
        """)
    assert found["u"] == (("constant",), "read only")


def test_why_a_name_is_carried():
    found = report("""
        count = 0

        def run(n):
            global count
            total = 0.0
            for i in checkpointed(range(n), Revolve(2)):
                count = i
                total += i
                last = total
                seen = i

                def look():
                    return seen
            return total, last
        """)
    assert found == {
        "i": (("local",), "the loop variable"),
        "count": (("carried",), "bound in line 10; declared global"),
        "total": (
            ("carried", "returned"),
            "bound in line 11; a step reads what the one before it left; read behind the loop in line 17",
        ),
        "last": (
            ("carried", "returned"),
            "bound in line 12; read behind the loop in line 17; first bound in the loop",
        ),
        "seen": (("carried",), "bound in line 13; a nested function uses it; first bound in the loop"),
        "look": (("local",), "bound anew in each step before it is read"),
    }


def test_what_functions_of_the_file_reach():
    found = report("""
        viscosity = 0.1
        calls = 0
        field = np.zeros(3)

        class Model:
            def step(self):
                self.u += inner(self.u)

        def inner(u):
            global calls
            calls += 1
            field[0] = 1
            return viscosity * u

        def run(model):
            for _ in checkpointed(range(3), Revolve(2)):
                model.step()
            return model.u
        """)
    assert found == {
        "model": (("carried", "returned"), "`step` writes into it in line 10"),
        "calls": (("carried",), "a global; reached through `inner`: bound in line 14"),
        "field": (("carried",), "a global; reached through `inner`: `field[0]` is assigned in line 15"),
        "viscosity": (("constant",), "read only; a global, reached through `inner`"),
        "_": (("local",), "the loop variable"),
    }


def test_modules_functions_and_classes_are_no_rows():
    assert roles("""
        import math
        from numpy import sin
        from params import nu

        class Box: pass
        def double(x): return 2 * x

        def run(u):
            for _ in checkpointed(range(3), Revolve(2)):
                y = double(sin(np.pi * math.e * u)) * nu + len(Box.__name__)
        """) == {"u": ("constant",), "nu": ("constant",), "_": ("local",), "y": ("local",)}


def test_a_script_has_globals_only():
    assert report("""
        u = 1.0
        for i in checkpointed(range(3), Revolve(2)):
            u = u * i
        """) == {
        "i": (("carried",), "the loop variable; a global; first bound in the loop"),
        "u": (("carried",), "bound in line 6; a step reads what the one before it left; a global"),
    }
