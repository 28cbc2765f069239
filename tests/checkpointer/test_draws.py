"""Random numbers in differentiated code: what is drawn is watched, and depends on the distribution's parameters."""

import copy
import random

import numpy
import pytest

from checkpointer import Revolve, TraceError, grad, value_and_grad
from checkpointer import numpy as np
from checkpointer.draws import PARAMETERS

U = numpy.array([0.7, 1.3, 0.4, 2.1])
W = numpy.cos(numpy.arange(12.0)) + 1.5


def central(function, step=1e-4):
    weights = {1: 45, 2: -9, 3: 1}
    return sum(w * (function(k * step) - function(-k * step)) for k, w in weights.items()) / (60 * step)


def agrees(function, u=U, rtol=1e-8):
    """The value is the undifferentiated one's, and the gradient agrees with differences."""
    direction = numpy.cos(3 * numpy.arange(u.size)).reshape(u.shape)
    expected = function(u.copy())
    value, gradient = value_and_grad(function)(u.copy())
    assert value == expected
    difference = central(lambda e: function(u + e * direction))
    assert numpy.sum(gradient * direction) == pytest.approx(difference, rel=rtol, abs=1e-9)


def streams():
    """The three ways to the same methods: a new generator, an old one, and NumPy's own."""
    np.random.seed(5)
    return {"new": np.random.default_rng(5), "old": np.random.RandomState(5), "global": np.random}


STREAMS = pytest.mark.parametrize("stream", ["new", "old", "global"])


@STREAMS
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_distributions(name, stream):
    standard, _ = PARAMETERS[name]

    def weighted(draws):
        return numpy.sum(W[: numpy.size(draws)].reshape(numpy.shape(draws)) * draws)

    def parameters(u):
        return [float(index) + u[index] * u[index + 1] for index in range(len(standard))]

    def of_numbers(u):
        draw = getattr(streams()[stream], name)
        return weighted(draw(*parameters(u), size=4)) + draw(*parameters(u)) * u[0]

    def of_arrays(u):
        draw = getattr(streams()[stream], name)
        last = list(standard)[-1]
        return weighted(draw(**{last: 3 + u})) + weighted(draw(*parameters(u)[:-1], 3 + u[:, None], (4, 3)))

    agrees(of_numbers)
    agrees(of_arrays)


@STREAMS
def test_a_deviation_of_zero(stream):
    """The derivative is the standard number that was drawn, although nothing of it is in the value."""
    drawn = streams()[stream].normal(size=3)
    gradient = grad(lambda s: np.sum(streams()[stream].normal(0.0, s, 3)))(0.0)
    assert gradient == pytest.approx(numpy.sum(drawn))


@STREAMS
def test_the_stream_goes_on_as_undifferentiated(stream):
    def after(u):
        rng = streams()[stream]
        return rng.normal(u[0], u[1], 3)[0] * 0 + rng.uniform() + rng.normal()

    assert value_and_grad(after)(U)[0] == after(U)


@STREAMS
def test_writing_to_what_was_drawn(stream):
    def function(u):
        noise = streams()[stream].uniform(size=4)
        noise *= u
        noise[1] += u[0] * noise[2]
        return np.sum(noise**2)

    agrees(function)


@STREAMS
@pytest.mark.parametrize(
    "function",
    [
        lambda rng, u: rng.permutation(u) @ U,
        lambda rng, u: np.sum(rng.permutation(u.reshape(2, 2)) * U.reshape(2, 2)),
        lambda rng, u: np.sum(rng.choice(u, 6) ** 2 * W[:6]),
        lambda rng, u: rng.choice(u) ** 2,
        lambda rng, u: rng.choice([u[0], u[1] * 2]) ** 2,
        lambda rng, u: np.sum(rng.choice(u, (2, 2), False, [0.1, 0.2, 0.3, 0.4]) * U[:2]),
    ],
)
def test_what_moves_elements(function, stream):
    agrees(lambda u: function(streams()[stream], u))


def test_what_only_new_generators_do():
    def rows(u, **options):
        u = u.reshape(2, 2) * u[0]
        np.random.default_rng(2).shuffle(u, **options)
        return np.sum(u * U.reshape(2, 2))

    agrees(rows)
    agrees(lambda u: rows(u, axis=1))
    agrees(lambda u: np.random.default_rng(2).permuted(u) @ U)
    agrees(lambda u: np.sum(np.random.default_rng(2).permuted(u.reshape(2, 2), axis=1) * U[:2]))
    agrees(lambda u: np.sum(np.random.default_rng(2).choice(u.reshape(2, 2), 3, axis=1) * W[:3]))


@STREAMS
@pytest.mark.parametrize("shape", [(4,), (2, 2), (4, 1)])
def test_shuffling_in_place(shape, stream):
    def function(u):
        u = u.reshape(shape) * u[0]
        streams()[stream].shuffle(u)
        return np.sum(u * U.reshape(shape))

    agrees(function)


@STREAMS
def test_shuffling_a_list(stream):
    def function(u):
        items = [u[0], u[1] * 2, 3.0, "text"]
        streams()[stream].shuffle(items)
        return sum(float(k) * item for k, item in enumerate(items) if item != "text")

    agrees(function)


@pytest.mark.parametrize("name", ["random", "standard_normal", "standard_exponential"])
def test_drawing_into_an_array(name):
    def function(u, **options):
        u = u * u[0]
        rng = np.random.default_rng(3)
        getattr(rng, name)(out=u[1:3], **options)
        getattr(rng, name)(None, *[numpy.float64, "zig"][: 2 if name == "standard_exponential" else 1], u[:1])
        return np.sum(u**2)

    agrees(function)
    assert numpy.nonzero(grad(function)(U))[0].tolist() == [0, 3]


def test_drawing_gamma_numbers_into_an_array():
    def function(u):
        u = u * u[0]
        np.random.default_rng(3).standard_gamma(2.0, out=u[1:3])
        return np.sum(u**2)

    agrees(function)


def test_the_drawn_array_is_written_to_in_place_of_an_argument():
    def function(u):
        w = u * u[0]
        again = np.random.default_rng(3).permuted(w, out=w)
        again[0] = 0
        return np.sum(w * U)

    agrees(function)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda u: np.random.default_rng(0).gamma(u), r"CKP201 random\.gamma was given a value"),
        (lambda u: np.random.poisson(u), r"CKP201 random\.poisson was given a value"),
        (lambda u: np.random.default_rng(0).choice(4, p=u / np.sum(u)), r"CKP201 random\.choice was given"),
        (
            lambda u: np.random.default_rng(0).choice(u, p=u / np.sum(u)),
            r"CKP201 random\.choice was given prob",
        ),
    ],
)
def test_refused(draw, message):
    with pytest.raises(TraceError, match=message):
        grad(lambda u: np.sum(draw(u) * 1.0))(U)


def test_stand_ins_pass_for_generators():
    def function(u):
        rng = np.random.default_rng(1)
        assert isinstance(rng, np.random.Generator)
        assert isinstance(rng, numpy.random.Generator)
        assert isinstance(np.random.RandomState(1), np.random.RandomState)
        assert np.random.default_rng(rng) is not None
        assert repr(rng).startswith("Generator(PCG64) at 0x")
        assert np.random.Generator | None == numpy.random.Generator | None
        first, second = copy.deepcopy(rng), copy.copy(rng)
        assert first.normal() == rng.normal()
        assert second is not rng
        (child,) = rng.spawn(1)
        noise = child.normal(size=4)
        noise *= u
        assert rng.bit_generator.state["bit_generator"] == "PCG64"

        class Own(np.random.RandomState):
            pass

        assert Own(3).rand() == numpy.random.RandomState(3).rand()
        return np.sum(noise)

    value_and_grad(function)(U)


PROGRAM = """
    import random
    from dataclasses import dataclass

    import numpy as np
    import numpy.random as npr
    from numpy.random import default_rng, randn, standard_normal as draw_normal

    from checkpointer import checkpointed

    RNG = default_rng(1)

    @dataclass
    class Model:
        u: np.ndarray
        rng: npr.Generator
        more: tuple

        def step(self, sigma):
            kick = self.rng.normal(0.0, sigma, self.u.shape)
            kick *= self.u
            self.u += 0.1 * kick
            extra = self.more[1].normal(size=self.u.size)
            extra -= self.u
            self.u -= 0.01 * extra

    def simulate(x, scheme, rng):
        npr.seed(3)
        random.seed(4)
        RNG.bit_generator.state = default_rng(7).bit_generator.state
        rng.bit_generator.state = default_rng(8).bit_generator.state
        model = Model(rng.normal(1.0, 0.1, x.size), np.random.default_rng(2), ("noise", default_rng(4)))
        inner = [np.random.RandomState(6)]

        def closure(u):
            a = RNG.uniform(size=u.size)
            a += u
            b = inner[0].rand(u.size)
            b[0] = u[1]
            return a * b

        for step in checkpointed(range(5), scheme):
            model.step(x[0])
            model.u += 0.1 * closure(model.u)
            for k in checkpointed(range(2), scheme):
                z = randn(x.size)
                z *= model.u
                w = draw_normal(x.size)
                w[:2] = npr.rand(2)
                np.random.shuffle(model.u)
                noise = rng.standard_normal(x.size)
                noise[k] *= x[1]
                model.u = model.u + 0.01 * z + 0.01 * w * x + 0.02 * noise
            model.u *= 1 + 0.01 * random.random()
        return np.sum(model.u**2)
"""


@pytest.mark.parametrize("snapshots", [1, 3])
def test_generators_everywhere_in_a_loop(load, check, snapshots):
    program = load(PROGRAM)
    rng = numpy.random.default_rng(0)
    for x in (numpy.array([0.3, 0.8, 1.1, 0.6]), numpy.array([0.4, 0.7, 1.0, 0.9])):
        check(program, "simulate", x, Revolve(snapshots), rng)
    assert type(program.rewritten.RNG) is numpy.random.Generator
    assert random.random() < 1
