"""What HDF5 is told, through h5py's low-level calls: types, forms, attributes, contiguous and virtual datasets."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from checkpointer.storage.portable import Content

CHECKSUM = "checksum"
CHECKSUM_BYTES = 64


def new_virtual(
    group: Any,
    name: str,
    kind: np.dtype[Any],
    shape: tuple[int, ...],
    other: str,
    axis: int,
    parts: Sequence[tuple[str, tuple[int, ...], tuple[int, int], int]],
) -> Any:
    """A virtual dataset in an h5py group, as its low-level id.

    Each of its parts is the path of a dataset and its shape, and the rows along the axis: from and to where they stand
    in the virtual dataset, and from where in the other one.
    """
    import h5py

    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    whole = h5py.h5s.create_simple(shape)
    for path, its_shape, (start, stop), its_start in parts:
        count = (*shape[:axis], stop - start, *shape[axis + 1 :])
        there = h5py.h5s.create_simple(its_shape)
        zeros = [0] * len(shape)
        there.select_hyperslab((*zeros[:axis], its_start, *zeros[axis + 1 :]), count)
        whole.select_hyperslab((*zeros[:axis], start, *zeros[axis + 1 :]), count)
        how.set_virtual(whole, b".", path.encode(), there)
    whole.select_all()
    _, names = _properties()
    made = h5py.h5d.create(group.id, name.encode(), type_of(kind), whole, dcpl=how, lcpl=names)
    note_type(made, other)
    return made


def note_type(made: Any, other: str) -> None:
    """Note the type that the bytes of a dataset stand for, if HDF5 has no such type."""
    if other:
        import h5py

        h5py.Dataset(made).attrs["dtype"] = np.bytes_(other)


def noted_type(dataset: Any) -> str:
    """The type that the bytes of an h5py dataset stand for, if it is noted."""
    return bytes(dataset.attrs.get("dtype", b"")).decode()


def described(shape: tuple[int, ...], kind: np.dtype[Any], other: str) -> bytes:
    """The form of a dataset in a few words: its shape and type in the file, and the other type that its bytes stand for."""
    return f"{shape} {kind.descr if kind.names else kind.str} {other} ".encode()


def new_contiguous(group: Any, name: str, kind: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """A dataset for which HDF5 sets aside its place in the file at once, and does not fill it."""
    import h5py

    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    how, names = _properties()
    return h5py.h5d.create(group.id, name.encode(), type_of(kind), space, dcpl=how, lcpl=names)


@functools.cache
def _properties() -> tuple[Any, Any]:
    """How contiguous datasets are made, and how names are written."""
    import h5py

    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    names = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    names.set_char_encoding(h5py.h5t.CSET_UTF8)
    return how, names


@functools.lru_cache(maxsize=256)
def type_of(kind: np.dtype[Any]) -> Any:
    """HDF5's type for one of NumPy, made once."""
    import h5py

    return h5py.h5t.py_create(kind, logical=True)


def new_attribute(owner: Any, name: str, value: np.ndarray[Any, Any]) -> Any:
    """Give a dataset or group (as its low-level id) an attribute, and return it to be overwritten by its `write`.

    h5py's own way takes five times as long.
    """
    import h5py

    space = h5py.h5s.create(h5py.h5s.SCALAR)
    made = h5py.h5a.create(owner, name.encode(), type_of(value.dtype), space)
    made.write(value, type_of(value.dtype))
    return made


def file_form(content: Content) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape in the file: those of the array, or rows of bytes if HDF5 has no such type."""
    if _is_known(content.dtype):
        return content.dtype, content.shape
    return np.dtype(np.uint8), (*content.shape, content.dtype.itemsize)


@functools.lru_cache(maxsize=256)
def _is_known(kind: np.dtype[Any]) -> bool:
    try:
        return bool(type_of(kind).get_size() == kind.itemsize)
    except TypeError:
        return False


def link_names() -> Any:
    """How names are written: in UTF-8."""
    return _properties()[1]


def form_of(content: Content, kind: np.dtype[Any], shape: tuple[int, ...]) -> tuple[bytes, str]:
    """The form of a dataset in words, and the type that its bytes stand for if that is another one."""
    other = "" if kind == content.dtype else content.dtype.str
    return described(shape, kind, other), other
