"""Random numbers come out the same when steps are computed again; what cannot is refused."""

import random

import numpy as np
import pytest

from checkpointer import ReplayError, Revolve, StoreAll, value_and_grad

HEAD = """
    import datetime, os, random, secrets, time, uuid
    import numpy as np
    from checkpointer import checkpointed

    legacy = np.random.RandomState(7)
    own = random.Random(7)
    gauss = own.gauss
    uniform = own.random
"""

# how the body draws; what it draws from, as an argument
DRAWS = {
    **{
        kind.__name__: ("rng.normal()", lambda kind=kind: np.random.Generator(kind(5)))
        for kind in (
            np.random.PCG64,
            np.random.PCG64DXSM,
            np.random.MT19937,
            np.random.Philox,
            np.random.SFC64,
        )
    },
    "many kinds of numbers": (
        "rng.integers(9) + rng.choice([1.0, 2.0]) + rng.permutation(4)[0] + rng.random(dtype=np.float32)"
        " + rng.standard_gamma(2.0) + rng.binomial(9, 0.3)",
        lambda: np.random.default_rng(5),
    ),
    "bound method": ("rng()", lambda: np.random.default_rng(5).normal),
    "spawned": ("rng.spawn(1)[0].normal()", lambda: np.random.default_rng(5)),
    "a seed sequence": (
        "np.random.default_rng(rng.spawn(1)[0]).normal()",
        lambda: np.random.SeedSequence(5),
    ),
    "raw bits": ("(rng.random_raw() % 1000) * 1e-3", lambda: np.random.PCG64(5)),
    "generators in a list": (
        "rng[i % 2].normal()",
        lambda: [np.random.default_rng(n) for n in range(2)],
    ),
    "shuffled": ("(rng.shuffle(order), order[0] * 0.3)[1]", lambda: np.random.default_rng(5)),
    "legacy functions": ("np.random.normal() + np.random.rand(1)[0]", lambda: None),
    "RandomState": ("legacy.normal() + legacy.randint(3)", lambda: None),
    "random": ("random.gauss(0, 1) + random.random() + random.choice([1.0, 2.0])", lambda: None),
    "random.Random": ("own.normalvariate(0, 1)", lambda: None),
    "methods of random.Random": ("gauss(0, 1) + uniform()", lambda: None),
}


def seed():
    random.seed(3)
    np.random.seed(3)


def states(rng, module):
    """Where all generators stand."""
    found = [repr(random.getstate()), repr(np.random.get_state()), repr(module.own.getstate())]
    found.append(repr(module.legacy.get_state()))
    for source in rng if isinstance(rng, list) else [getattr(rng, "__self__", rng)]:
        bits = getattr(source, "bit_generator", source)
        found.append(repr(getattr(bits, "state", None)))
        found.append(repr(getattr(getattr(bits, "seed_seq", None), "n_children_spawned", None)))
    return found


@pytest.mark.parametrize(("draw", "make"), DRAWS.values(), ids=DRAWS.keys())
def test_draws_come_out_the_same(load, draw, make):
    program = load(
        HEAD
        + f"""
    def f(x, scheme, rng):
        order = list(range(8))
        for i in checkpointed(range(7), scheme):
            x = x + 0.1 * np.sin(x) * ({draw})
        return x
    """
    )
    results = []
    for scheme in (None, Revolve(1), Revolve(2), StoreAll()):
        module = program.plain if scheme is None else program.rewritten
        module.legacy.seed(7)
        module.own.seed(7)
        seed()
        rng = make()
        if scheme is None:
            results.append((module.f(0.7, StoreAll(), rng), states(rng, module)))
            continue
        value, gradient = value_and_grad(module.f)(0.7, scheme, rng)
        results.append((value, states(rng, module)))
        difference = []
        for step in (1e-6, -1e-6):
            module.legacy.seed(7)
            module.own.seed(7)
            seed()
            difference.append(module.f(0.7 + step, scheme, make()))
        assert gradient == pytest.approx((difference[0] - difference[1]) / 2e-6, rel=1e-7)
    assert all(result == results[0] for result in results[1:])


NOT_REPEATED = {
    "os.urandom": "os.urandom(1)[0]",
    "secrets": "secrets.randbelow(997)",
    "SystemRandom": "system.random()",
    "uuid4": "(uuid.uuid4().int % 997)",
    "time": "(time.time() % 1.0)",
    "perf_counter": "time.perf_counter()",
    "datetime": "(datetime.datetime.now().timestamp() % 1.0)",
    "unseeded": "np.random.default_rng().normal()",
}


@pytest.mark.parametrize("draw", NOT_REPEATED.values(), ids=NOT_REPEATED.keys())
def test_what_cannot_come_out_the_same_is_refused(load, draw):
    """Whether it reaches the state as it is, through an integer of the next step, or through a branch."""
    program = load(
        HEAD
        + f"""
    system = random.SystemRandom()

    def as_a_factor(x, scheme, audit):
        for i in checkpointed(range(12), scheme, audit=audit):
            x = x + 1e-3 * np.sin(x) * {draw}
        return x

    def by_an_integer(x, scheme, audit):
        number = 1
        for i in checkpointed(range(12), scheme, audit=audit):
            x, number = x + 1e-3 * np.sin(x) * number, int(1048577 * {draw})
        return x

    def by_a_branch(x, scheme, audit):
        for i in checkpointed(range(12), scheme, audit=audit):
            x = 1.1 * x if int(1048577 * {draw}) % 2 else np.sin(x)
        return x
    """
    ).rewritten
    for function in (program.as_a_factor, program.by_an_integer, program.by_a_branch):
        for audit, message in (
            (False, "something else when step"),
            (True, "audit: .* something else when step"),
        ):
            with pytest.raises(ReplayError, match=message):
                value_and_grad(function)(0.7, Revolve(1), audit)


def test_a_loop_that_ends_by_the_clock_is_refused(load):
    program = load(
        HEAD
        + """
    def f(x, scheme):
        deadline = time.perf_counter() + 0.02
        for i in checkpointed(range(10**6), scheme):
            x = np.sin(x)
            if time.perf_counter() > deadline:  # as it is whenever a step is recomputed
                break
        return x
    """
    ).rewritten
    with pytest.raises(ReplayError, match="took another way when it was recomputed"):
        value_and_grad(program.f)(0.7, StoreAll())


def test_a_clock_that_only_reports_is_no_matter(load, capsys):
    program = load(
        HEAD
        + """
    def f(x, scheme):
        for i in checkpointed(range(6), scheme):
            start = time.perf_counter()
            x = np.sin(x)
            print(f"{i}: {time.perf_counter() - start:.3f} s")
        return x
    """
    )
    value, gradient = value_and_grad(program.rewritten.f)(0.7, Revolve(1))
    assert capsys.readouterr().out.count(" s\n") == 6
    assert value == program.plain.f(0.7, Revolve(1))
    assert np.isfinite(gradient)
