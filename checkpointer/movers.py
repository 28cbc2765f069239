"""Functions that only move elements: running them on the elements' numbers says where each one went."""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.boxes import is_varied, plain_nested, result, results, traced_in
from checkpointer.refusals import refuse
from checkpointer.registry import named, positional, spelled
from checkpointer.tape import Tape

MOVERS = named(
    "append array_split block broadcast_arrays choose column_stack compress concat concatenate delete diagflat dstack"
    " extract flip hstack insert meshgrid resize row_stack select stack take take_along_axis unstack vstack rollaxis roll"
    " rot90 fliplr flipud moveaxis transpose swapaxes squeeze expand_dims ravel reshape repeat tile split"
    " matrix_transpose atleast_1d atleast_2d atleast_3d broadcast_to diagonal diag permute_dims"
    " hsplit vsplit dsplit fft.fftshift fft.ifftshift"
) | {np.lib.stride_tricks.sliding_window_view}
"""Functions whose results hold elements of the arguments, each unchanged, and zeros."""

DATA_ARGUMENTS: dict[Any, tuple[int, ...]] = {
    np.append: (0, 1),
    np.insert: (0, 2),
    np.choose: (1,),
    np.compress: (1,),
    np.extract: (1,),
    np.select: (1, 2),
}
"""The arguments of a mover that elements come from, where that is not the first one alone."""

ALL_ARE_DATA = named("broadcast_arrays meshgrid atleast_1d atleast_2d atleast_3d")


def moved(
    tape: Tape, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, sources: list[Any]
) -> Any:
    """Record a mover: the same function, run on the elements' numbers, says where each one went. Zero is no element."""
    args, kwargs = positional(func, args, kwargs, every=True)
    data = range(len(args)) if func in ALL_ARE_DATA else DATA_ARGUMENTS.get(func, (0,))
    for number, arg in enumerate(args):
        if number not in data and any(map(is_varied, traced_in(arg))):
            raise refuse(
                "CKP201",
                f"{spelled(func)} was told by a value that is being differentiated which elements to take",
                "take the elements by integers or masks",
            )
    unique = list({id(source): source for source in sources if is_varied(source)}.values())
    numbers: dict[int, Any] = {}
    first = 1
    for source in unique:
        shape = np.shape(source._value)
        size = np.size(source._value)
        numbers[id(source)] = np.arange(first, first + size).reshape(shape)
        first += size
    maps = func(
        *(
            _numbered(arg, numbers) if number in data else plain_nested(arg)
            for number, arg in enumerate(args)
        ),
        **plain_nested(kwargs),
    )
    several = isinstance(value, tuple | list)
    if any(np.asarray(moved).dtype.kind not in "iu" for moved in (maps if several else [maps])):
        raise refuse(
            "CKP201", f"{spelled(func)} with these options", "write it with indexing or np.concatenate"
        )

    def pullback(g: Any) -> list[Any]:
        total = np.zeros(first, np.result_type(*(g if several else [g])))
        for moved, adjoint in zip(maps, g, strict=True) if several else [(maps, g)]:
            np.add.at(total, np.asarray(moved), adjoint)
        return [total[numbers[id(source)]] for source in unique]

    parents = tuple(source._node for source in unique)
    return results(tape, value, pullback, parents) if several else result(tape, value, pullback, parents)


def _numbered(arg: Any, numbers: dict[int, Any]) -> Any:
    """``arg`` with the numbers of its elements in the place of each varied array, and zeros in place of constants."""
    if id(arg) in numbers:
        return numbers[id(arg)]
    if isinstance(arg, list | tuple) and arg:
        return type(arg)(_numbered(item, numbers) for item in arg)
    return np.zeros(np.shape(plain_nested(arg)), np.intp)
