"""Files at places, and under names, that nobody expects."""

import os
import resource
import socket
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest

from checkpointer import HDF5Storage, Revolve, StorageError, checkpointed, transform, value_and_grad


@transform
def simulate(u, scheme, storage=None):
    for _ in checkpointed(range(9), scheme, storage=storage):
        u = u * np.cos(u)
    return (u * u).sum()


U = np.linspace(0.1, 0.9, 3000)
EXPECTED = value_and_grad(simulate)(U, Revolve(3))


def run(path, **options):
    """A gradient whose snapshots stand in the file."""
    value, gradient = value_and_grad(simulate)(U, Revolve(3), HDF5Storage(path, **options))
    assert value == EXPECTED[0]
    assert np.array_equal(gradient, EXPECTED[1])


@pytest.mark.parametrize(
    "name", ["a b.h5", "Größe 漢字.h5", "no ending", "'; $(ls) \\.h5", "\udcff.h5", "~", "-"]
)
def test_names(tmp_path, name):
    run(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    with h5py.File(os.fsencode(tmp_path / name)) as file:
        assert list(file) == ["loop-1"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("x" * 300, r"cannot make the file .* in .*: File name too long\. Choose another path$"),
        ("x/" * 3000, r"cannot make the file .* in .*: File name too long\. Choose another path$"),
        ("a\0b", r"^cannot find '.*a\\x00b': .*null .*\. Choose another path, an absolute one$"),
        (
            "loop",
            r"cannot open the file .*loop in .*: Too many levels of symbolic links\. Choose another path$",
        ),
        (
            "dangling",
            r"cannot make the file .*nowhere/run\.h5 in .*nowhere: No such file .*\. Make the folder first",
        ),
        ("link", r"precious exists and was not written by checkpointer, so it is left as it is"),
        ("hard", r"hard exists and was not written by checkpointer, so it is left as it is"),
        ("socket", r"socket exists and was not written by checkpointer"),
        ("/dev/full", r"^/dev/full exists and was not written by checkpointer"),
        ("/dev/null", r"^/dev/null exists and was not written by checkpointer"),
    ],
    ids=lambda text: text[:10],
)
def test_paths_that_are_refused(tmp_path, path, expected):
    (tmp_path / "precious").write_text("data")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "run.h5")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "hard").hardlink_to(tmp_path / "precious")
    with socket.socket(socket.AF_UNIX) as listening:
        folder = os.open(tmp_path, os.O_RDONLY)  # the name of a socket must be short
        listening.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(StorageError, match=expected):
            run(f"{tmp_path}/{path}" if not path.startswith("/") else path)
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "precious").read_text() == "data"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    program = "import sys, checkpointer; checkpointer.HDF5Storage(sys.argv[1]).session()"
    finished = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "pipe"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "pipe exists and was not written by checkpointer" in finished.stderr


def test_a_relative_path_is_that_of_the_moment(tmp_path, monkeypatch):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    run("run.h5")
    session = HDF5Storage("run.h5").session()
    monkeypatch.chdir(tmp_path / "below")
    session.close()
    run("run.h5")
    for path in (tmp_path, tmp_path / "below"):
        with h5py.File(path / "run.h5") as file:
            assert list(file) == ["loop-1", "loop-2"][: 2 if path == tmp_path else 1]
    (tmp_path / "below" / "run.h5").unlink()
    (tmp_path / "below").rmdir()
    with pytest.raises(
        StorageError, match=r"^cannot find 'run\.h5': .*No such file or directory\. Choose another"
    ):
        run("run.h5")


@pytest.mark.parametrize("mask", [0o777, 0o277, 0])
def test_the_owner_may_read_and_write_whatever_the_mask(tmp_path, mask):
    before = os.umask(mask)
    try:
        run(tmp_path / "run.h5")
    finally:
        os.umask(before)
    assert (tmp_path / "run.h5").stat().st_mode & 0o777 == 0o600


def test_threads_share_a_file(tmp_path):
    failures = []

    def often():
        try:
            for _ in range(4):
                run(tmp_path / "run.h5")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_threads_begin_at_once(tmp_path, monkeypatch):
    """The other one makes a group between the choice of a name and its use."""
    with HDF5Storage(tmp_path / "run.h5").session() as first:
        group = type(first._file.file)
        create = group.create_group

        def late(file, name):
            monkeypatch.undo()
            create(file, name)
            return create(file, name)

        monkeypatch.setattr(group, "create_group", late)
        with HDF5Storage(tmp_path / "run.h5").session() as second:
            assert second._group.name == "/loop-3"


def test_a_file_that_could_not_be_written_is_named_as_such(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    storage = {"path": tmp_path / "run.h5", "compression": "gzip"}
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(StorageError, match=r"File too large \(ulimit -f allows 0\.04 MB in a file, and"):
            run(**storage)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(
        StorageError, match=r"run\.h5 is not complete, since an earlier loop .*: remove it, or choose"
    ):
        run(**storage)
    (tmp_path / "run.h5").unlink()
    run(**storage)
