"""Splines at differentiated points. The other interpolators of ``scipy.interpolate`` are refused, built or called.

Their objects may exist before anything is differentiated, so it is their classes that get other methods
(`checkpointer.dropin`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as si

from checkpointer.active import active
from checkpointer.boxes import is_varied, plain
from checkpointer.creation import asarray
from checkpointer.dropin import register_methods
from checkpointer.refusals import refuse
from checkpointer.scipy.aware import adopted, concrete, record, traced_values

INSTEAD = (
    "interpolate linearly with numpy.interp, or with array operations in the rewritten module; splines with constant data"
    " (CubicSpline, PchipInterpolator, make_interp_spline) can be evaluated at differentiated points"
)

Method = Callable[..., Any]


def _evaluated(original: Method) -> Method:
    """Evaluation of a spline, whose derivative is one more of its own derivatives."""

    @functools.wraps(original)
    def call(self: Any, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        if active.tape is None:
            return original(self, x, nu, extrapolate)
        x = asarray(x) if type(x) is list else x
        value = original(self, plain(x), nu, extrapolate)
        if not is_varied(x):
            return adopted(active.tape, value)
        slope = original(self, plain(x), nu + 1, extrapolate)
        mine = range(self.axis, self.axis + np.ndim(plain(x)))  # where the axes of x stand in the result
        others = tuple(axis for axis in range(slope.ndim) if axis not in mine)
        return record(value, (x, lambda g: np.sum(g * slope, axis=others)))

    return call


def _refused(original: Method) -> Method:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if active.tape is None:
            return original(self, *args, **kwargs)
        if any(map(is_varied, traced_values((args, kwargs)))):
            raise refuse(
                "CKP201",
                f"scipy.interpolate.{type(self).__name__} was given a value that is being differentiated, and has no"
                " derivative rule",
                INSTEAD,
            )
        return adopted(active.tape, original(self, *concrete(args), **concrete(kwargs)))

    return method


def _install() -> None:
    classes = {
        base
        for cls in vars(si).values()
        if isinstance(cls, type) and not issubclass(cls, BaseException)
        for base in cls.__mro__[:-1]
    }
    splines = {si.BSpline, next(cls for cls in si.PPoly.__mro__ if "__call__" in vars(cls))}
    for cls in sorted(classes, key=lambda cls: cls.__qualname__):
        methods = {
            name: _refused(method)
            for name, method in vars(cls).items()
            if name in ("__init__", "__call__", "ev") and callable(method)
        }
        if cls in splines:
            methods["__call__"] = _evaluated(vars(cls)["__call__"])
        register_methods(cls, methods)


_install()
