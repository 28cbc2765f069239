"""autograd and checkpointer together: transformed functions inside autograd, autograd's primitives inside steps."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from checkpointer import ArgumentError, Revolve, StoreAll, grad

SIMULATE = """
    import numpy as np
    from checkpointer import checkpointed

    def simulate(u, k, scheme, steps=6):
        u = u * 1.0
        for i in checkpointed(range(steps), scheme):
            u[1:] += k * np.sin(u[:-1])
        return u

    class Model:
        def loss(self, u, scheme):
            return np.sum(simulate(u, 0.1, scheme) ** 2)
"""


def direct(u, k, steps=6):
    """The same in plain autograd, without in-place updates."""
    for _ in range(steps):
        u = anp.concatenate([u[:1], u[1:] + k * anp.sin(u[:-1])])
    return u


@pytest.mark.parametrize("scheme", [Revolve(1), Revolve(3), StoreAll()], ids=repr)
@pytest.mark.parametrize("u", [np.array([0.3, 0.2, 0.9]), np.array([1.0, -2.0, 0.5])])
def test_autograd_differentiates_a_transformed_function(load, scheme, u):
    simulate = load(SIMULATE).rewritten.simulate
    for argnum in (0, 1):
        ours = autograd.grad(lambda u, k: anp.sum(anp.tanh(simulate(u * 2, k**2, scheme))), argnum)(u, 0.4)
        theirs = autograd.grad(lambda u, k: anp.sum(anp.tanh(direct(u * 2, k**2))), argnum)(u, 0.4)
        assert ours == pytest.approx(theirs, rel=1e-13)
    jacobian = autograd.jacobian(lambda u: simulate(u, 0.4, scheme))
    with pytest.raises(ArgumentError, match="called before"):
        jacobian(u)
    with_keyword = autograd.grad(lambda k: anp.sum(simulate(u, k=k, scheme=scheme)))(0.4)
    assert with_keyword == pytest.approx(autograd.grad(lambda k: anp.sum(direct(u, k)))(0.4))


def test_methods_inside_autograd(load):
    model = load(SIMULATE).rewritten.Model()
    u = np.array([0.3, 0.2, 0.9])
    ours = autograd.grad(lambda u: model.loss(u, Revolve(2)))(u)
    assert ours == pytest.approx(autograd.grad(lambda u: anp.sum(direct(u, 0.1) ** 2))(u), rel=1e-13)


def test_second_derivatives_are_refused(load):
    simulate = load(SIMULATE).rewritten.simulate
    with pytest.raises(ArgumentError, match="second derivatives through marked loops are not available yet"):
        autograd.grad(lambda k: autograd.grad(lambda k: anp.sum(simulate(np.ones(3), k, StoreAll())))(k))(0.4)


@pytest.mark.parametrize("scheme", [Revolve(1), Revolve(3), StoreAll()], ids=repr)
def test_users_own_primitives_keep_their_rules(load, check, scheme):
    program = load("""
        import numpy as np
        from autograd.extend import defvjp, primitive
        from checkpointer import checkpointed

        @primitive
        def logistic(x, k):
            return np.array([1.0 / (1.0 + np.exp(-k * float(v))) for v in x])  # a loop that could not be traced

        defvjp(
            logistic,
            lambda ans, x, k: lambda g: g * k * ans * (1 - ans),
            lambda ans, x, k: lambda g: np.sum(g * x * ans * (1 - ans)),
        )

        def f(u, scheme):
            work = np.empty_like(u)
            k = 1.5
            for i in checkpointed(range(5), scheme):
                work[:] = logistic(u, k)
                y = logistic(u[1:], k)
                y[0] *= 2
                u = u + 0.1 * work
                u[1:] -= y
                k = k + 0.1 * u[0]
            return np.sum(u**2) * k
    """)
    for x in (np.array([0.3, 0.2, 0.9]), np.array([1.0, -2.0, 0.5])):
        check(program, "f", x, scheme)


def test_modules_written_for_autograd_keep_working(load, check):
    program = load("""
        import autograd.numpy as np
        from checkpointer import checkpointed

        def f(u, scheme):
            history = np.zeros((4, u.size))
            for i in checkpointed(range(4), scheme):
                u = u + 0.1 * np.tanh(np.dot(u, u) * u)
                history[i] = u
            return np.sum(history**2)
    """)
    for x in (np.array([0.3, 0.2, 0.9]), np.array([1.0, -2.0, 0.5])):
        check(program, "f", x, Revolve(2))


def test_autograd_inside_a_step(load, check):
    """A Hamiltonian's force by autograd, inside a loop that is differentiated."""
    program = load("""
        import numpy as np
        import autograd
        import autograd.numpy as anp
        from checkpointer import checkpointed

        def energy(q):
            return anp.sum(q**4) / 4 + anp.sum(anp.sin(q))

        force = autograd.grad(energy)

        def f(q, scheme):
            p = np.zeros_like(q)
            for i in checkpointed(range(5), scheme):
                p = p - 0.1 * force(q)
                q = q + 0.1 * p
            return np.sum(q * p)
    """)
    for x in (np.array([0.3, 0.2, 0.9]), np.array([1.0, -2.0, 0.5])):
        for scheme in (Revolve(1), StoreAll()):
            check(program, "f", x, scheme)


def test_importing_checkpointer_leaves_autograd_alone():
    assert autograd.grad(lambda x: anp.sum(anp.sin(x) * x))(np.array([1.0, 2.0])) == pytest.approx(
        np.cos([1.0, 2.0]) * [1.0, 2.0] + np.sin([1.0, 2.0])
    )
    assert autograd.grad(lambda t: t[0] * t[1])((2.0, 3.0)) == (3.0, 2.0)
    assert grad(lambda x: x**2)(3.0) == 6.0


def test_a_primitive_that_returns_its_argument_keeps_its_own_rule(load):
    """Gradient scaling: the value passes, the adjoint is tripled."""
    program = load("""
        import numpy as np
        from autograd.extend import defvjp, primitive
        from checkpointer import checkpointed

        @primitive
        def tripled(x):
            return x

        defvjp(tripled, lambda ans, x: lambda g: 3 * g)

        def f(u, scheme):
            for i in checkpointed(range(2), scheme):
                u = tripled(u) * 2
            return np.sum(u)
    """).rewritten
    assert grad(program.f)(np.ones(2), Revolve(1)).tolist() == [36.0, 36.0]
