"""grad, value_and_grad and vjp: arguments, trees, results, and what they refuse."""

import dataclasses
import functools
from collections import namedtuple

import numpy as np
import pytest

from checkpointer import ArgumentError, TraceError, grad, value_and_grad, vjp


@dataclasses.dataclass
class Parameters:
    field: np.ndarray
    nu: float
    name: str = "burgers"
    steps: int = 3


Pair = namedtuple("Pair", "a b")


def test_trees():
    def function(tree):
        p = tree["p"]
        return np.sum(p.field**2) * p.nu + tree["pair"].a * tree["list"][1][0]

    tree = {"p": Parameters(np.array([1.0, 2.0]), 0.5), "pair": Pair(3.0, None), "list": ["x", (4.0, 7)]}
    gradient = grad(function)(tree)
    assert gradient["p"].field.tolist() == [1.0, 2.0]
    assert gradient["p"].nu == 5.0
    assert (gradient["p"].name, gradient["p"].steps) == (None, None)
    assert gradient["pair"] == Pair(4.0, None)
    assert gradient["list"] == [None, (3.0, None)]
    assert type(gradient["p"].nu) is float
    assert tree["p"].field.tolist() == [1.0, 2.0]


def test_frozen_dataclasses():
    frozen = dataclasses.make_dataclass("Frozen", ["u", "k"], frozen=True)
    gradient = grad(lambda p: np.sum(p.u) * p.k)(frozen(np.ones(2), 3.0))
    assert gradient.u.tolist() == [3.0, 3.0]
    assert gradient.k == 2.0


def test_argnums():
    def function(a, b, *, c=2.0):
        return a * b**2 * c

    assert grad(function)(1.0, 3.0) == 18.0
    assert grad(function, 1)(1.0, 3.0) == 12.0
    assert grad(function, -1)(1.0, 3.0) == 12.0
    assert grad(function, (1, 0))(1.0, 3.0) == (12.0, 18.0)
    assert grad(function, "c")(1.0, 3.0, c=5.0) == 9.0
    assert grad(function, ["b", "c"])(1.0, 3.0, c=5.0) == (30.0, 9.0)
    assert grad(function, 1)(1.0, b=3.0) == 12.0


@pytest.mark.parametrize(
    ("argnums", "message"),
    [
        (2, "argnums is 2, but the call gives 2 positional arguments"),
        ("z", "argnums names 'z', but the call gives no such argument"),
        (1.5, "argnums must be positions or names"),
        (True, "argnums must be positions or names"),
    ],
)
def test_argnums_that_name_no_argument(argnums, message):
    with pytest.raises(ArgumentError, match=message):
        grad(lambda a, b: a * b, argnums)(1.0, 2.0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (2, "argument 'a', which is 2 of type int: .*write 2.0 for 2"),
        (np.arange(3), "argument 'a', which is an array of dtype int64"),
        ("u", "argument 'a', which is 'u' of type str"),
        ({"n": 1}, "of type dict"),
        (object(), "of type object"),
    ],
)
def test_arguments_that_cannot_be_differentiated(argument, message):
    with pytest.raises(ArgumentError, match=message):
        grad(lambda a: 1.0)(argument)


@pytest.mark.parametrize("value", [np.ones(3), "x", None, (1.0, 2.0), 1j])
def test_functions_that_return_no_number(value):
    with pytest.raises(ArgumentError, match=r"returned .* return a sum, a mean or one element, or use vjp"):
        grad(lambda a: value)(1.0)
    with pytest.raises(ArgumentError, match=r"an array of shape \(2,\)"):
        grad(lambda a: a * 2)(np.ones(2))


def test_what_is_not_callable():
    with pytest.raises(ArgumentError, match="must be callable, but is 3"):
        grad(3)


def test_callables_of_every_kind():
    class Model:
        def __init__(self):
            self.k = np.array([1.0, 3.0])

        def loss(self, u):
            return np.sum(self.k * u)

        def __call__(self, u):
            self.k *= 2
            return np.sum(self.k * u)

        @classmethod
        def made(cls, u):
            return np.sum(u**2)

    model = Model()
    u = np.array([1.0, 2.0])
    assert grad(model.loss)(u).tolist() == [1.0, 3.0]
    assert grad(functools.partial(lambda k, u: np.sum(k * u**2), 2.0))(u).tolist() == [4.0, 8.0]
    assert grad(Model.made)(u).tolist() == [2.0, 4.0]
    assert grad(model)(u).tolist() == [2.0, 6.0]
    assert model.k.tolist() == [2.0, 6.0]
    assert type(model.k) is np.ndarray


def test_vjp():
    value, pullback = vjp(
        lambda u, k: {"out": u * k, "sum": np.sum(u)}, np.array([1.0, 2.0]), 3.0, argnums=(0, 1)
    )
    assert value["out"].tolist() == [3.0, 6.0]
    assert type(value["out"]) is np.ndarray
    assert value["sum"] == 3.0
    d_u, d_k = pullback({"out": np.array([1.0, 10.0]), "sum": 100.0})
    assert d_u.tolist() == [103.0, 130.0]
    assert d_k == 21.0
    with pytest.raises(ArgumentError, match="called before"):
        pullback({"out": np.ones(2), "sum": 0.0})


def test_vjp_checks_the_adjoint():
    _, pullback = vjp(lambda u: u * 2, np.ones(3))
    with pytest.raises(ArgumentError, match=r"the adjoint of value has shape \(2,\), but must have \(3,\)"):
        pullback(np.ones(2))
    _, pullback = vjp(lambda u: (u, 2 * u), np.ones(3))
    with pytest.raises(ArgumentError, match=r"the adjoint of value\[1\] is missing"):
        pullback((np.ones(3),))


def test_constant_functions_have_a_zero_gradient():
    assert grad(lambda u: 3.0)(np.ones(2)).tolist() == [0.0, 0.0]
    assert grad(lambda u: 3)(1.5) == 0.0
    assert value_and_grad(lambda u: float(u.size))(np.ones(2))[0] == 2.0


def test_arguments_that_share_memory():
    x, y = np.array([1.0, 2.0]), np.arange(4.0)
    assert grad(lambda a, b: np.sum(a * b))(x, x).tolist() == [1.0, 2.0]
    assert [g.tolist() for g in grad(lambda p: np.sum(p[0] * 3 + p[1] * 5))((x, x))] == [
        [3.0, 3.0],
        [5.0, 5.0],
    ]
    gradients = grad(lambda p: np.sum(p[0] * 3) + np.sum(p[1] * 5))((y[:3], y[1:]))
    assert [g.tolist() for g in gradients] == [[3.0] * 3, [5.0] * 3]
    assert grad(lambda a: np.sum(a * x))(x).tolist() == [1.0, 2.0]

    def writes(a, b):
        a *= 2
        return np.sum(a * b)

    with pytest.raises(ArgumentError, match=r"argument 'a' shares memory .* pass a copy"):
        grad(writes)(x, x)
    assert grad(writes)(x.copy(), x).tolist() == [2.0, 4.0]


def test_a_gradient_inside_a_gradient_is_refused():
    with pytest.raises(TraceError, match="CKP214"):
        grad(lambda x: x * grad(lambda y: y**2)(x))(1.0)


def test_a_value_that_outlives_its_function_is_refused_and_not_used():
    kept = []

    def function(x):
        kept.append(lambda: x * 2)
        return x * x

    import threading

    hidden = threading.local()  # a place that the state does not see

    def hides(x):
        hidden.value = x
        return x * x

    assert grad(function)(1.5) == 3.0
    assert grad(hides)(1.5) == 3.0
    with pytest.raises(TraceError, match="CKP206"):
        hidden.value * 2


def test_input_views_and_orders():
    base = np.arange(24.0).reshape(4, 6)
    for view in (base[::2, 1::2], base.T, base[::-1], np.asfortranarray(base), base.transpose()[1:, ::2]):
        before = base.copy()
        value, gradient = value_and_grad(lambda u: np.sum(np.sin(u) * u))(view)
        assert value == np.sum(np.sin(view) * view)
        assert gradient == pytest.approx(np.cos(view) * view + np.sin(view))
        assert gradient.shape == view.shape
        assert np.array_equal(base, before)


def test_the_value_survives_the_pullback():
    def squared_in_place(u):
        w = u * 1.0
        view = w[1:]
        w *= w
        return w, view

    u = np.array([1.0, 2.0, 3.0])
    value, pullback = vjp(squared_in_place, u)
    assert pullback((np.ones(3), np.zeros(2))).tolist() == [2.0, 4.0, 6.0]
    assert [part.tolist() for part in value] == [[1.0, 4.0, 9.0], [4.0, 9.0]]

    def of_the_argument(u):
        u[0] = 3 * u[1]
        return u[:1]

    value, gradient = value_and_grad(of_the_argument)(u)
    assert value.tolist() == [6.0]
    assert gradient.tolist() == [0.0, 3.0, 0.0]
    assert u.tolist() == [1.0, 2.0, 3.0]


def test_an_argument_whose_elements_are_one_place():
    assert grad(lambda u: np.sum(u * 2))(np.broadcast_to(np.ones(2), (3, 2))).tolist() == [[2.0, 2.0]] * 3
