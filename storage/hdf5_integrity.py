"""Whether the snapshots of an HDF5 file are what was written.

A dataset has the checksum of its content beside it. A slot has a manifest: a checksum over its attributes, and over the
names, shapes, types and checksums of its datasets. So whatever the file says of a snapshot is covered, also where HDF5 keeps
no checksum of its own.
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from checkpointer.errors import StorageError
from checkpointer.storage.checksums import NAME, checksum, digest, unit_bytes, unit_digests
from checkpointer.storage.hdf5_files import FORMAT, RUN, VERSION, in_use, opened_to_read
from checkpointer.storage.hdf5_forms import CHECKSUM, described, noted_type
from checkpointer.storage.rank_files import files_of_ranks

ADVICE = (
    "Something else wrote to the file, it was cut off, or its disk fails: run the program again, with the file on another"
    " disk if this happens twice"
)

_FOUND = 3
_PROGRAM = f"""
import sys
from checkpointer.errors import StorageError
from checkpointer.storage.hdf5_integrity import verify_here
try:
    verify_here(sys.argv[1])
except StorageError as error:
    print(error)
    sys.exit({_FOUND})
"""


def manifest(step: int, written: bytes, standing: bool, names: bytes, datasets: Mapping[str, bytes]) -> bytes:
    """The checksum of a slot, given its attributes and what `Dataset.described` says of each of its datasets."""
    parts = [f"{int(step)} {written!r} {bool(standing)} {names!r}"]
    parts += [f"{name!r} {text!r}" for name, text in sorted(datasets.items())]
    return f"{NAME}:{digest(part.encode('utf-8', 'surrogatepass') for part in parts).hex()}".encode()


def joined(names: list[str]) -> bytes:
    """The names of the datasets as one attribute, as far as they fit into one: no name has a slash."""
    text = "/".join(names).encode()
    return text if len(text) < 60_000 else b""


def damage(where: str, step: object, name: str, what: object) -> StorageError:
    """What is said of a variable that is not what it was."""
    return StorageError(f"{where} is damaged: {name} in the snapshot of step {step}: {what}. {ADVICE}")


def verify(path: str | os.PathLike[str]) -> None:
    """Check every snapshot in a file that `HDF5Storage` has written and kept, or in the files of all ranks in a folder.

    Parameters
    ----------
    path : str or path
        The file, or the folder of a program on several ranks; no loop may be writing to it.

    Raises
    ------
    StorageError
        If it cannot be read, is no such file, was written by another version, or if anything in it is not as it was
        written: naming the step and the variable, as far as the file tells them. If the file of a rank is missing.

    >>> import os, tempfile
    >>> from checkpointer.storage import HDF5Storage
    >>> path = os.path.join(tempfile.mkdtemp(), "run.h5")
    >>> with HDF5Storage(path).session():
    ...     pass
    >>> verify(path)
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        for file in files_of_ranks(path):
            verify(file)
    elif has_maps(path) and not in_use(path):
        _verify_apart(path)
    else:
        verify_here(path)


def verify_here(path: str) -> None:
    """The same, in this process. HDF5 may crash in it, if what a virtual dataset is put together of is damaged."""
    with opened_to_read(path) as file:
        try:
            _verify_file(path, file)
        except StorageError:
            raise
        except Exception as error:  # of a damaged file HDF5 and h5py say all sorts of things
            raise StorageError(f"{path} is damaged: HDF5 cannot read it ({error}). {ADVICE}") from error


def has_maps(path: str) -> bool:
    """Whether there are virtual datasets in a file: HDF5 keeps their maps in a heap, part of which has no checksum."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"GCOL") >= 0
    except (OSError, ValueError):
        return False  # there is none, or it is empty


def _verify_apart(path: str) -> None:
    """The same, in a process of its own."""
    places = os.pathsep.join(place for place in sys.path if place)
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, path],
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == _FOUND:
        raise StorageError(ended.stdout.strip())
    if ended.returncode < 0:
        raise StorageError(f"{path} is damaged: HDF5 crashes when it reads it. {ADVICE}")
    if ended.returncode:
        raise StorageError(f"cannot verify {path} in a process of its own: {ended.stderr.strip()}")


def _verify_file(path: str, file: Any) -> None:
    if file.attrs.get("format") == RUN.encode():
        file.visititems(lambda name, item: _verify_of_run(path, name, item))
        return
    if file.attrs.get("format") != FORMAT.encode():
        raise StorageError(
            f"{path} was not written by checkpointer, or is damaged: it does not say '{FORMAT}'"
        )
    if (found := file.attrs.get("version")) != VERSION:
        raise StorageError(
            f"{path} was written by another version of checkpointer (its format is {found}, this one reads {VERSION}),"
            " or is damaged: use the version that wrote it"
        )
    for loop in file:
        for slot in file[loop]:
            if slot.startswith("slot-"):
                verify_slot(file[loop][slot])


def _verify_of_run(path: str, name: str, item: Any) -> None:
    """Anything in the file of a run that can be resumed. Its journal is not looked at."""
    if hasattr(item, "shape"):
        try:
            verify_dataset(item)
        except (ValueError, KeyError, OSError, RuntimeError, TypeError, MemoryError) as error:
            raise StorageError(f"{path} is damaged: {name}: {error}. {ADVICE}") from error


def verify_slot(group: Any) -> None:
    """Check the snapshot in the group of one slot, from the file alone.

    Parameters
    ----------
    group : h5py.Group
        Such as ``file["loop-1/slot-0"]``. If it has virtual datasets and their maps are damaged, HDF5 itself may crash;
        `verify` sees to that.

    Raises
    ------
    StorageError
        Naming the file, the step, and what is damaged.
    """
    where = group.file.filename
    try:
        _verify_slot(where, group)
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(
            f"{where} is damaged: HDF5 cannot read the snapshot in {group.name} ({error}). {ADVICE}"
        ) from error


def _verify_slot(where: str, group: Any) -> None:
    attributes = {name: group.attrs[name] for name in ("step", "written", "standing", "names", "manifest")}
    step, names = attributes["step"], bytes(attributes["names"])
    state, found = group["state"], {}
    for name in names.decode().split("/") if names else state:
        if name not in state:
            raise damage(where, step, name, "it is missing")
        try:
            found[name] = verify_dataset(state[name])
        except (ValueError, KeyError, OSError, RuntimeError, TypeError, MemoryError) as error:
            raise damage(where, step, name, error) from error
    for name in state:
        found.setdefault(name, b"what was not written")
    expected = manifest(step, bytes(attributes["written"]), attributes["standing"], names, found)
    if bytes(attributes["manifest"]) != expected:
        raise StorageError(
            f"{where} is damaged: the manifest of {group.name} (the snapshot of step {step}) does not fit: the step, the"
            f" time, or the name, shape, type or checksum of a variable is not what was written. {ADVICE}"
        )


def verify_dataset(dataset: Any) -> bytes:
    """What `Dataset.described` says of an h5py dataset, if its content has the checksum beside it.

    Raises
    ------
    ValueError
        If not. Of a damaged file h5py raises other errors, too.
    """
    noted = bytes(dataset.attrs[CHECKSUM])
    size = unit_bytes(noted)
    content = np.empty(dataset.shape, dataset.dtype)
    if content.nbytes:
        dataset.read_direct(content)
    if checksum(size, unit_digests(content.reshape(-1).view(np.uint8), size)) != noted:
        raise ValueError("its bytes do not have the checksum that they were written with")
    return described(dataset.shape, dataset.dtype, noted_type(dataset)) + noted
