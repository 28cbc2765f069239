"""Where adjoints live: one adjoint array per base array, one number per number.

A traced array is a view into a base array. Its adjoint is *the same view* of the base's adjoint: same offset, same
strides. Reading a view adds to that part, writing through a view clears it, and every alias of the same memory
finds it. That is all there is to know about aliasing, and it makes in-place NumPy programs come out right.

Complex adjoints are kept as ``dL/d(re) + i dL/d(im)``, so that the views ``z.real`` and ``z.imag``, and ``z.view(float)``,
of the value and of the adjoint belong together. autograd's rules use the conjugate: `flipped` changes between the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checkpointer.blocks import BLOCK_BYTES
from checkpointer.blocks import Array as Array
from checkpointer.errors import ArgumentError, TraceError
from checkpointer.refusals import noted, refuse


def offset_in(root: Array, view: Array) -> int:
    """How many bytes after the beginning of an array another one begins, which lies in its memory."""
    return int(view.__array_interface__["data"][0] - root.__array_interface__["data"][0])


def root_of(array: Array) -> Array:
    """The array that owns the memory which ``array`` is a view of (itself, if it is none)."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        base = getattr(base, "base", None)  # numpy's stride tricks put an object of their own in between
    return array


class Memory:
    """The adjoint of one base array.

    Attributes
    ----------
    root : ndarray
        The base array.
    varied : bool
        Whether anything that is differentiated has been written to it. An array that is not varied has no adjoint,
        and operations on it are not recorded.
    borrowed : bool
        Whether others hold the same array untraced, so that a derivative could get lost in it.
    separated : str
        The name of the differentiated argument that this is the memory of, if it was separated from an alias.
    written : (int, int) or None
        Bytes of the root, from the first to behind the last one, that hold all that was written while the tape recorded.
    flat : 1-D ndarray or None
        The adjoint in the order of the root's memory; None as long as it is zero.
    """

    __slots__ = ("borrowed", "flat", "root", "separated", "varied", "written")

    def __init__(self, array: Array, *, varied: bool) -> None:
        self.root = root_of(array)
        self.varied = varied and array.dtype.kind in "fc"
        self.flat: Array | None = None
        self.borrowed = False
        self.separated = ""
        self.written: tuple[int, int] | None = None

    def overwrite(self, view: Array, part: Array | None = None) -> None:
        """Somebody is about to write to ``view``, or to a part of it only."""
        if self.separated:
            raise noted(
                ArgumentError(
                    f"{self.separated} shares memory with another argument or variable, and the function writes to it, so"
                    " that its derivative is not defined: pass a copy"
                )
            )
        if view is not self.root and overlaps_itself(view):
            raise refuse(
                "CKP222",
                "a write through a view in which several elements are one place in memory",
                "write to the array that it is a view of",
            )
        self._note(view if part is None else part)

    def _note(self, view: Array) -> None:
        """Add the bytes that the view spans to those that were written."""
        root = self.root
        if view is root or root.nbytes <= BLOCK_BYTES:
            self.written = 0, root.nbytes
        elif self.written != (0, root.nbytes):
            start = root.__array_interface__["data"][0]
            low, high = (bound - start for bound in np.lib.array_utils.byte_bounds(view))
            before = self.written or (low, high)
            self.written = min(low, before[0]), max(high, before[1])

    def vary(self) -> None:
        """Something that is differentiated is about to be written to the array."""
        if self.borrowed:
            raise refuse(
                "CKP209",
                "a value that is being differentiated would be written, through numpy.asarray, into a plain array that the"
                " tape does not watch",
                "copy the array with numpy.array first, or keep it where the loop's variables can reach it",
            )
        self.varied = True

    def adjoint(self, view: Array) -> Array:
        """The part of the adjoint that belongs to ``view``, a view of the root; writing to it changes the adjoint."""
        root = self.root
        flat = self.flat
        if view.size == 0:
            return np.zeros(view.shape, view.dtype)  # its strides may lead anywhere
        if flat is None:
            flat = self.flat = np.zeros(_extent(root), root.dtype)
        if view is root:
            return np.ndarray(root.shape, root.dtype, flat, 0, root.strides)
        offset = offset_in(root, view)
        return np.ndarray(view.shape, view.dtype, flat, offset, view.strides)

    def take(self, view: Array) -> Array | None:
        """Remove and return the adjoint of an array at the point where it came into being; None where it is zero."""
        if self.flat is None:
            return None
        adjoint = self.adjoint(view)
        self.flat = None
        return adjoint

    def take_over(self, flat: Array, array: Array) -> bool:
        """Let ``flat`` be the adjoint of the root, if none has arrived and it has the layout of ``array``, its shaped view.

        The caller hands it over.
        """
        root = self.root
        fits = array.shape == root.shape and array.strides == root.strides and array.dtype == root.dtype
        if not fits or not self.varied or self.flat is not None:
            return False
        self.flat = flat
        return True

    def add(self, view: Array, contribution: Array, *, owned: bool = False) -> None:
        """Add ``contribution``, an array of the view's shape, to the adjoint of ``view``.

        With ``owned`` the caller hands the array over.
        """
        if not self.varied:
            return
        if contribution.dtype.kind == "c" and view.dtype.kind != "c":
            contribution = contribution.real
        root = self.root
        if self.flat is None and owned and view is root and _same_layout(contribution, root):
            self.flat = contribution.reshape(-1, order="A")
        elif view is not root and overlaps_itself(view):
            self._add_to_overlapping(view, contribution)
        else:
            adjoint = self.adjoint(view)
            adjoint += contribution

    def _add_to_overlapping(self, view: Array, contribution: Array) -> None:
        """Several elements of the view share a place (broadcast or sliding windows): each contribution counts."""
        self.adjoint(self.root)
        assert self.flat is not None
        places = self.adjoint(view)
        offset = offset_in(self.flat, places)
        index = np.full(view.shape, offset // view.itemsize)
        for axis, stride in enumerate(view.strides):
            shape = [1] * view.ndim
            shape[axis] = view.shape[axis]
            index += np.arange(view.shape[axis]).reshape(shape) * (stride // view.itemsize)
        np.add.at(self.flat, index, contribution)


class NumberMemory:
    """The adjoint of one number."""

    __slots__ = ("number",)

    varied = True

    def __init__(self) -> None:
        self.number: Any = None

    def take(self, value: Any) -> Any:
        """Remove and return the adjoint of a number at the point where it came into being; None where it is zero."""
        number, self.number = self.number, None
        return number

    def add(self, value: Any, contribution: Any, *, owned: bool = False) -> None:
        """Add a contribution to the adjoint of the number ``value``."""
        if isinstance(contribution, np.ndarray):
            contribution = contribution.reshape(())[()]
        if isinstance(contribution, complex | np.complexfloating) and not isinstance(
            value, complex | np.complexfloating
        ):
            contribution = contribution.real
        self.number = contribution if self.number is None else self.number + contribution


def flipped(adjoint: Any) -> Any:
    """Change between the memory's convention for complex adjoints and autograd's; real ones stay as they are."""
    if isinstance(adjoint, complex | np.complexfloating) or (
        isinstance(adjoint, np.ndarray) and adjoint.dtype.kind == "c"
    ):
        return np.conj(adjoint)
    return adjoint


def summed_to(adjoint: Any, shape: tuple[int, ...]) -> Any:
    """The adjoint of something of this shape, given that of what it was broadcast to."""
    if np.shape(adjoint) == shape:
        return adjoint
    adjoint = np.sum(adjoint, axis=tuple(range(np.ndim(adjoint) - len(shape))))
    narrow = tuple(i for i, n in enumerate(shape) if n == 1 and adjoint.shape[i] != 1)
    return np.sum(adjoint, axis=narrow, keepdims=True) if narrow else adjoint


def fitted(contribution: Any, value: Any) -> Any:
    """The contribution of a rule as something that has the shape of ``value``, be it array or number."""
    if not isinstance(value, np.ndarray):
        return contribution
    if not isinstance(contribution, np.ndarray):
        contribution = np.asarray(contribution)
    if contribution.shape == value.shape:
        return contribution
    if contribution.size != value.size:
        raise TraceError(
            "CKP201",
            f"a derivative rule returned an adjoint of shape {contribution.shape} for an argument of shape {value.shape}",
            "let the rule return one of the argument's shape, summed over what was broadcast",
        )
    return contribution.reshape(value.shape)


def _same_layout(array: Array, root: Array) -> bool:
    return (
        array.base is None
        and array.dtype == root.dtype
        and array.strides == root.strides
        and (array.flags.c_contiguous or array.flags.f_contiguous)
    )


def _extent(root: Array) -> int:
    """The number of elements of a dense array; anything else has no adjoint of the same layout."""
    if root.flags.c_contiguous or root.flags.f_contiguous or _is_permuted(root):
        return root.size
    raise refuse(
        "CKP202",
        f"an array with strides {root.strides} that owns no dense memory is part of the differentiated state",
        "make it an ordinary array with np.array(...) before the loop",
    )


def _is_permuted(root: Array) -> bool:
    """Whether the axes can be reordered so that the array is C-contiguous."""
    order = np.argsort([-stride for stride in root.strides], kind="stable")
    return bool(root.transpose(order).flags.c_contiguous)


def overlaps_itself(view: Array) -> bool:
    """Whether several elements of the view are the same place in memory.

    A view whose elements need more bytes than it spans must overlap; that holds for everything that NumPy's
    broadcasting and sliding windows make.
    """
    span = view.itemsize
    for length, stride in zip(view.shape, view.strides, strict=True):
        span += (length - 1) * abs(stride)
    return view.size > 0 and span < view.nbytes
