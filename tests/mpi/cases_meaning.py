"""What a gradient means on ranks: whose loss, which variables are one, and that all ranks find out together."""

import contextlib
import importlib
import io
import os
import re
import sys
import textwrap
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import autograd
import numpy as np
import pytest
from autograd.extend import defvjp, primitive
from harness import on_ranks
from mpi4py import MPI

from checkpointer import (
    ArgumentError,
    Online,
    RankError,
    Revolve,
    TraceError,
    WrongGradientError,
    check,
    checkpointed,
    grad,
    install_import_hook,
    value_and_grad,
    vjp,
)
from checkpointer.mpi4py.private import private

RANKS = (1, 3)  # unless a case says otherwise
DOCS = Path(__file__).parents[2] / "docs"


def total(comm, mine):
    """The sum of a number over the ranks."""
    everyones = np.empty(1)
    comm.Allreduce(np.array([mine]), everyones)
    return everyones[0]


def energy(comm, u, k, steps=5):
    """Cells on a ring of ranks that pass heat on; their energy, the same number on all ranks."""
    u = u.copy()
    left, right = (comm.rank - 1) % comm.size, (comm.rank + 1) % comm.size
    ghost = np.zeros(1)
    for _ in checkpointed(range(steps), Revolve(snapshots=2)):
        comm.Sendrecv(u[-1:].copy(), right, recvbuf=ghost, source=left)
        u[1:] += k * (u[:-1] - u[1:])
        u[0] += k * (ghost[0] - u[0])
    return total(comm, np.sum(u**2))


def serial_energy(u, k, steps=5):
    """The same of all cells in one process; upwind, so that a wrong order of cells would show."""
    for _ in range(steps):
        new = u.copy()
        new[1:] = u[1:] + k * (u[:-1] - u[1:])
        new[0] = u[0] + k * (u[-1] - u[0])
        u = new
    return np.sum(u**2)


def cells(comm, each=3):
    """All cells, and those of this rank."""
    everything = np.sin(1.0 + np.arange(each * comm.size))
    return everything, slice(comm.rank * each, (comm.rank + 1) * each)


def by_differences(function, x):
    """The gradient with respect to an array, by central differences: exact for a square."""
    return np.array([(function(x + 0.01 * e) - function(x - 0.01 * e)) / 0.02 for e in np.eye(len(x))])


def error_of_all(comm, kind, call):
    """The text of the error that a call raises on every rank."""
    with pytest.raises(kind) as caught:
        call()
    texts = comm.allgather(str(caught.value))
    assert type(caught.value) is kind
    return texts


# --- a replicated loss -----------------------------------------------------------------------------------------------


def case_a_distributed_array_has_the_gradient_of_the_whole(comm):
    everything, here = cells(comm)
    value, gradient = value_and_grad(lambda u: energy(comm, u, 0.3))(everything[here])
    assert value == energy(comm, everything[here], 0.3)
    assert value == pytest.approx(serial_energy(everything, 0.3), rel=1e-14)
    expected = by_differences(lambda u: serial_energy(u, 0.3), everything)
    np.testing.assert_allclose(gradient, expected[here], rtol=1e-11, atol=1e-12)


def case_a_replicated_parameter_has_one_gradient(comm):
    """Without ``replicated`` each rank has the derivative with respect to its own copy; they add up to that of the one."""
    everything, here = cells(comm)

    def loss(u, k):
        return energy(comm, u, k)

    one = grad(loss, argnums=1, replicated="k")(everything[here], 0.3)
    expected = (serial_energy(everything, 0.3 + 1e-5) - serial_energy(everything, 0.3 - 1e-5)) / 2e-5
    assert one == pytest.approx(expected, rel=1e-8)
    assert set(comm.allgather(one)) == {one}
    own = grad(loss, argnums=1)(everything[here], 0.3)
    assert sum(comm.allgather(own)) == pytest.approx(one, rel=1e-13)
    if comm.size > 1:
        assert abs(own - one) > 0.1 * abs(one)


def case_no_factor_of_ranks(comm):
    """d/dx of the sum over ranks of (r + 1) x², by hand."""
    weight = comm.rank + 1.0

    def loss(x):
        return total(comm, weight * x**2)

    assert grad(loss)(3.0) == 6.0 * weight
    assert grad(loss, replicated=0)(3.0) == 6.0 * sum(range(1, comm.size + 1))


def case_a_loss_on_one_rank(comm):
    last = comm.size - 1

    def loss(x):
        everyones = np.empty(1)
        comm.Allreduce(np.array([x**2]), everyones)
        return everyones[0] if comm.rank == last else None

    value, gradient = value_and_grad(loss)(comm.rank + 1.0)
    assert gradient == 2 * (comm.rank + 1.0)
    squares = sum((rank + 1.0) ** 2 for rank in range(comm.size))
    assert comm.allgather(value) == [None] * last + [squares]


def case_the_loss_is_not_seeded_with_zero_where_another_rank_has_it(comm):
    """0 times an infinite derivative would be NaN: d/dx of the root of a sum that only rank 0 lets in."""

    def loss(x):
        return total(comm, x if comm.rank == 0 else 0.0) + (0.0 if comm.rank == 0 else np.sqrt(0.0 * x))

    assert grad(loss)(2.0) == (1.0 if comm.rank == 0 else 0.0)


def case_a_loss_that_is_nan_is_the_same_on_all(comm):
    gradient = grad(lambda x: total(comm, x) * np.nan)(1.0)
    assert np.isnan(gradient)


@on_ranks(3)
def case_different_losses_are_refused_on_every_rank(comm):
    texts = error_of_all(comm, RankError, lambda: grad(lambda x: total(comm, x) + comm.rank // 2)(1.0))
    assert set(texts) == {
        "it is not clear of which number the gradient is wanted: the ranks have different losses, ranks 0, 1: 3.0; rank 2:"
        " 4.0. Return what all ranks have together, comm.allreduce(loss); or return it on one rank, and None on the others;"
        " or use vjp, which takes a cotangent of its own on each rank"
    }


@on_ranks(3)
def case_a_loss_on_some_ranks_is_refused_on_every_rank(comm):
    def loss(x):
        everyones = total(comm, x)
        return everyones if comm.rank else None

    texts = error_of_all(comm, RankError, lambda: grad(loss)(1.0))
    assert set(texts) == {texts[0]}
    assert "the ranks have different losses, rank 0: None; ranks 1, 2: 3.0. Return" in texts[0]


@on_ranks(2, 3)
def case_what_is_no_number_is_refused_on_every_rank(comm):
    def loss(x):
        everyones = total(comm, x)
        return np.ones(2) * everyones if comm.rank == 1 else everyones

    texts = error_of_all(comm, ArgumentError, lambda: grad(loss)(1.0))
    assert set(texts) == {texts[0]}, texts
    assert "but this one returned rank" in texts[0], texts
    assert "rank 1: an array of shape (2,)" in texts[0]
    texts = error_of_all(comm, ArgumentError, lambda: grad(lambda x: total(comm, x) and None)(1.0))
    assert f"returned None on all {comm.size} ranks" in texts[0]


@on_ranks(2)
def case_without_messages_each_rank_has_its_own_gradient(comm):
    assert grad(lambda x: x ** (comm.rank + 2))(3.0) == [6.0, 27.0][comm.rank]
    with pytest.raises(ArgumentError, match="returned None"):
        grad(lambda x: None)(1.0)
    texts = error_of_all(comm, RankError, lambda: grad(lambda x: x * comm.rank, comm=comm)(3.0))
    assert "rank 0: 0.0; rank 1: 3.0" in texts[1]


# --- which communicator ------------------------------------------------------------------------------------------------


@on_ranks(3, 4)
def case_an_ensemble_of_groups(comm):
    """Each group has its own loss, its own number of steps, and differentiates as often as it likes."""
    color = comm.rank % 2
    group = comm.Split(color)
    for times in range(1 + 2 * color):
        everything, here = cells(group)
        steps = 3 + color + times
        value, (gradient, by_k) = value_and_grad(
            lambda u, k, steps=steps: energy(group, u, k, steps), argnums=(0, 1), replicated=1
        )(everything[here], 0.3)
        assert value == pytest.approx(serial_energy(everything, 0.3, steps), rel=1e-14)
        expected = by_differences(lambda u, steps=steps: serial_energy(u, 0.3, steps), everything)
        np.testing.assert_allclose(gradient, expected[here], rtol=1e-11, atol=1e-12)
        assert set(group.allgather(by_k)) == {by_k}
    group.Free()
    assert grad(lambda x: total(comm, x))(1.0) == 1.0  # and all of them together


@on_ranks(2, 4)
def case_several_communicators_of_which_one_has_all_ranks(comm):
    """Messages on a Cartesian communicator, on rows of it and on a duplicate, and a sum over the world."""
    cart = comm.Create_cart([comm.size // 2, 2], periods=[True, True])
    row, twin = cart.Sub([False, True]), cart.Dup()

    def loss(x):
        return total(cart, total(row, x) ** 2) + total(twin, x)

    # x_r is in the row's sum, whose square both ranks of the row have: 2 * 2 * sum; and once in the other sum
    by_row = sum(range(1 + row.size * (comm.rank // 2), 1 + row.size * (comm.rank // 2 + 1)))
    assert grad(loss)(comm.rank + 1.0) == 4.0 * by_row + 1
    for made in (twin, row, cart):
        made.Free()


@on_ranks(4)
def case_communicators_of_which_none_has_all_ranks(comm):
    row, column = comm.Split(comm.rank // 2), comm.Split(comm.rank % 2)

    def loss(x):
        return total(column, total(row, x))  # the sum of all

    texts = error_of_all(comm, ArgumentError, lambda: grad(loss)(1.0))
    assert texts[3] == (
        "whose loss it is cannot be told: the function used communicators of different ranks, and none of them has all of"
        " these (as numbered in the world: 1, 3 and 2, 3). Name the communicator of all ranks that take part: comm=..."
    )
    assert grad(loss, comm=comm)(1.0) == 1.0
    assert grad(loss, comm=comm, replicated=0)(1.0) == 4.0
    value, pullback = vjp(loss, 1.0, comm=comm, replicated=0)
    assert (value, pullback(1.0)) == (4.0, 16.0)
    texts = error_of_all(comm, ArgumentError, lambda: grad(loss, comm=row)(1.0))
    assert "comm= has the ranks 0, 1 of the world, but the function used a communicator of 0, 2:" in texts[0]
    row.Free()
    column.Free()


@on_ranks(3)
def case_ranks_that_mean_different_communicators_do_not_wait_for_ever(comm):
    """Rank 2 takes no part: it communicates with nobody in the function, and so has a loss of its own."""
    os.environ["CHECKPOINTER_PATIENCE"] = "0.3"

    def loss(x):
        if comm.rank == 2:
            return x
        back = np.empty(1)
        comm.Sendrecv(np.array([x]), 1 - comm.rank, recvbuf=back, source=1 - comm.rank)
        return back[0] * x

    try:
        if comm.rank == 2:
            assert grad(loss)(1.0) == 1.0
            comm.Barrier()  # the others have given up: now end what they began
            private(comm).Iallreduce(np.zeros(1, int), np.empty(1, int), MPI.MAX).Wait()
        else:
            with pytest.raises(
                RankError, match=r"has waited 0\.3 s for all 3 ranks .* name the one that all of"
            ):
                grad(loss)(1.0)
            comm.Barrier()
    finally:
        del os.environ["CHECKPOINTER_PATIENCE"]


def case_what_is_no_communicator(comm):
    with pytest.raises(ArgumentError, match=r"^comm must be a communicator of mpi4py, or None, but is 3$"):
        grad(lambda x: x, comm=3)
    with pytest.raises(ArgumentError, match=r"comm must be a communicator of one group of ranks"):
        grad(lambda x: x, comm=MPI.COMM_NULL)(1.0)


# --- replicated arguments ----------------------------------------------------------------------------------------------


def case_replicated_trees(comm):
    """Fields that are no numbers may differ; the total is that of the ranks' own derivatives, with the same bits."""
    tree = {"a": np.array([0.1, 0.2]), "deep": [0.7, {"b": np.arange(2.0) + 1j}], "rank": comm.rank}

    def loss(tree, x):
        b = tree["deep"][1]["b"]
        mine = np.sum(tree["a"] * tree["rank"]) + tree["deep"][0] * x + np.sum(np.abs(b) ** 2)
        return total(comm, mine * 0.1)

    one, by_x = grad(loss, argnums=(0, 1), replicated=[0])(tree, comm.rank + 1.0)
    ranks = sum(range(comm.size))
    np.testing.assert_allclose(one["a"], [0.1 * ranks] * 2, rtol=1e-14)
    assert one["deep"][0] == pytest.approx(0.1 * (ranks + comm.size))
    # autograd's convention: the derivative of |b|² is twice the conjugate of b
    np.testing.assert_allclose(one["deep"][1]["b"], 0.2 * comm.size * np.array([-1j, 1 - 1j]))
    assert one["rank"] is None
    assert by_x == pytest.approx(0.07)
    assert len({repr((one["a"].tobytes(), one["deep"][0])) for one in comm.allgather(one)}) == 1


def case_a_replicated_argument_of_another_type(comm):
    small = np.ones(3, np.float16)
    gradient = grad(lambda p: total(comm, np.sum(p.astype(float))), replicated="p")(small)
    assert gradient.dtype == np.float16
    assert gradient.tolist() == [comm.size] * 3


@on_ranks(3)
def case_replicated_arguments_that_differ(comm):
    def text(*trees, **more):
        loss = more.pop("loss", lambda p: total(comm, 1.0))
        return error_of_all(comm, RankError, lambda: grad(loss, replicated="p", **more)(trees[comm.rank]))

    assert set(text(0.1, 0.1, 0.2)) == {
        "an argument that is named in replicated= is one variable of all ranks, but it is not the same on them: argument"
        " 'p' is ranks 0, 1: 0.1; rank 2: 0.2. Give all ranks the same (comm.bcast), or leave it out of replicated=, for the"
        " derivative with respect to each rank's own"
    }
    array = np.arange(4.0)
    other = np.array([0.0, 1.0, 2.5, 3.5])
    assert (
        "element 2 of argument 'p'['a'] is rank 0: 2.0; ranks 1, 2: 2.5. Give"
        in text({"a": array}, {"a": other}, {"a": other})[1]
    )
    assert (
        "rank 0: argument 'p' is an array of shape (4,) and dtype float64; ranks 1, 2: argument"
        in text(array, array[:3], array[:3])[1]
    )
    assert (
        "rank 0: argument 'p'['a']; ranks 1, 2: argument 'p'['b']"
        in text({"a": 1.0}, {"b": 1.0}, {"b": 1.0})[1]
    )
    assert "rank 0: 1 arrays and numbers; ranks 1, 2: 2 arrays" in text([1.0], [1.0, 2.0], [1.0, 2.0])[1]
    large = np.zeros(5000)
    another = large.copy()
    another[2500] = 1
    assert "argument 'p' differs in its elements 2500 to 2504, counted" in text(large, another, large)[2]
    # before the function runs, if the communicator is known: another call would raise here
    assert "0.2" in text(0.1, 0.2, 0.2, comm=comm, loss=lambda p: 1 / 0)[0]
    not_a_number = np.array([np.nan, -np.nan][comm.rank % 2])  # of other bits
    assert grad(lambda p: total(comm, np.sum(p)), replicated=0)(not_a_number) == comm.size


def case_replicated_has_to_be_differentiated(comm):
    with pytest.raises(
        ArgumentError, match=r"^replicated names 'y', which is not among the argnums of the call$"
    ):
        grad(lambda x, y: x, replicated="y")(1.0, y=2.0)
    with pytest.raises(ArgumentError, match=r"^replicated is 3, but the call gives 1 positional arguments$"):
        vjp(lambda x: x, 1.0, replicated=3)


def case_data_parallel_without_a_message(comm):
    """Each rank has a part of the data; the sum over ranks of the adjoints is all that they exchange."""
    value, pullback = vjp(lambda p: (comm.rank + 1) * p**2, 3.0, replicated=0)
    assert value == (comm.rank + 1) * 9.0
    assert pullback(1.0) == 6.0 * sum(range(1, comm.size + 1))


# --- vjp and autograd --------------------------------------------------------------------------------------------------


def case_vjp_is_the_transpose(comm):
    """y_r = (sum of x) * r: x̄_s = sum over r of r ȳ_r."""

    def function(x, comm):
        return total(comm, x) * comm.rank

    value, pullback = vjp(function, 2.0, comm=comm)
    assert value == 2.0 * comm.size * comm.rank
    assert pullback(10.0**comm.rank) == sum(rank * 10.0**rank for rank in range(comm.size))


def case_autograd_would_seed_every_rank(comm):
    def loss(x):
        for _ in checkpointed(range(3), Revolve(snapshots=2)):
            x = x * 1.5
        return total(comm, x)

    if comm.size == 1:
        assert autograd.grad(loss)(2.0) == 1.5**3
        return
    texts = error_of_all(comm, TraceError, lambda: autograd.grad(loss)(2.0))
    assert "CKP230 autograd differentiates a function that communicates with other ranks" in texts[0]
    assert "Instead: differentiate it with checkpointer.grad" in texts[0]
    assert grad(loss)(2.0) == 1.5**3


# --- check -------------------------------------------------------------------------------------------------------------


def case_check_of_what_is_right(comm):
    everything, here = cells(comm)
    u = everything[here].copy()
    found = check(lambda u, k: energy(comm, u, k), u, 0.3, argnums=(0, 1), replicated=1)
    assert found.ok, str(found)
    assert found.relative_error < 1e-8
    assert found.ranks == comm.size
    assert len(set(comm.allgather(found))) == 1
    assert u.tobytes() == everything[here].tobytes()

    def until(u, comm):
        size = total(comm, np.sum(u**2))
        while checkpointed(size > 1e-2, Online(snapshots=2)):
            u = 0.6 * u + 0.01 * np.sin(u)
            size = total(comm, np.sum(u**2))
        return {"u": u, "rank": comm.rank, "size": size if comm.rank else None}

    assert check(until, u, comm=comm).ok


@primitive
def cube(x):
    return x**3


defvjp(cube, lambda ans, x: lambda g: 2.97 * g * x**2)


def case_check_finds_a_wrong_rule(comm):
    found = check(lambda x: total(comm, cube(x)), 1.0 + comm.rank)
    assert not found.ok
    assert len(set(comm.allgather(found))) == 1
    assert found.relative_error == pytest.approx(0.01, rel=1e-3)  # 3 / 2.97
    with pytest.raises(WrongGradientError, match="the adjoint is wrong"):
        found.raise_if_wrong()


@on_ranks(2, 3)
def case_check_finds_an_adjoint_that_is_wrong_between_the_ranks(comm):
    """That is not sent, or has a hidden factor of ranks."""
    import checkpointer.mpi4py.reductions as rules

    right = rules.summed
    assert check(lambda x: total(comm, x), 1.0).ok
    for wrong in (lambda hidden, g: g, lambda hidden, g: right(hidden, g) / hidden.size):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rules, "summed", wrong)
            found = check(lambda x: total(comm, x), 1.0)
        assert [product.verdict for product in found.inputs] == ["the adjoint is wrong"] * 2, str(found)


@on_ranks(2, 4)
def case_check_finds_a_replicated_parameter_that_is_not(comm):
    """A parameter that the program takes from rank 0 alone: declared replicated, its derivative is complete all the same."""

    def loss(k):
        k = np.array([k])
        comm.Bcast(k)
        return k[0] * (comm.rank + 1)

    assert check(loss, 2.0, replicated=0).ok
    assert check(loss, 2.0).ok


# --- what the pages show -----------------------------------------------------------------------------------------------


def loaded(comm, folder, name, text):
    """A program as a module that is rewritten, and what it prints; each rank has a file of its own, of the same name."""
    folder = folder / str(comm.rank)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text, "utf-8")
    sys.path.insert(0, str(folder))
    printed = io.StringIO()
    try:
        with install_import_hook(name), contextlib.redirect_stdout(printed):
            return importlib.import_module(name), printed.getvalue()
    finally:
        sys.path.remove(str(folder))


@on_ranks(2)
def case_the_page_on_ranks(comm, folder):
    page = (DOCS / "ranks.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown, table = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    program, printed = loaded(comm, folder, "decay", example)
    assert printed == shown.splitlines(keepends=True)[comm.rank]
    found = check(program.loss, program.u, 0.5, argnums=(0, 1), replicated=1)
    words = [line.split()[:3] for line in str(found).splitlines()]
    assert words == [line.split()[:3] for line in table.splitlines()], str(found)


REFUSED = {
    "CKP226": "a communicator that was made in a module that checkpointer does not rewrite",
    "CKP227": "Allreduce with an operation that is none of MPI.SUM, MPI.PROD, MPI.MAX and MPI.MIN",
    "CKP228": "Bcast reads an array of float64 as MPI_BYTE",
    "CKP229": "1 receive request that nobody has waited for when step 0 of the loop ends",
    "CKP230": "autograd differentiates a function that communicates",
}
"""Code -> how its message begins."""


@on_ranks(2)
def case_the_page_on_refusals(comm, folder):
    page = (DOCS / "refusals.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (CKP2\d\d): (.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    library = SimpleNamespace(communicator=lambda: MPI.Intracomm(MPI.Intracomm.Dup(MPI.Intracomm(comm))))
    head = "import numpy as np\nfrom checkpointer import Revolve, checkpointed\n\n\ndef f(u, library, n=3):\n"
    for code, text in REFUSED.items():
        refused, accepted = (
            loaded(
                comm,
                folder,
                f"{code}_{number}",
                head + textwrap.indent(example, "    ") + "    return np.sum(u)\n",
            )[0].f
            for number, example in enumerate(re.findall(r"```python\n(.*?)```", sections[code], re.DOTALL))
        )
        call = (
            refused if code in ("CKP226", "CKP230") else partial(vjp, refused)
        )  # they differentiate themselves
        with pytest.raises(TraceError) as caught:
            call(np.ones(3), library)
        assert caught.value.code == code
        assert caught.value.what.startswith(text)
        u = np.array([0.3, 0.25, 0.9]) * (1 + comm.rank)  # a maximum has a kink where ranks have the same
        found = check(accepted, u, library, comm=comm)
        assert found.ok, f"{code}: {found}"
