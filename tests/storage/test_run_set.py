"""What ranks decide from the offers of all, and the journals that they decide about."""

import itertools
import os

import pytest

from checkpointer import StorageError
from checkpointer.storage import journal
from checkpointer.storage.journal import JournaledFile, Promise, forget, keep, promised, recover
from checkpointer.storage.rank_files import files_of_ranks, make_folder, rank_file, refuse_folder
from checkpointer.storage.run_set import CLEAN, NEW, OPEN, READY, Decision, Offer, decided

SET, OTHER = b"s" * 16, b"o" * 16


def offers(*states, promise=b"p", sets=SET):
    """Of ranks in these states, each with its point."""
    return [
        Offer(state, f"run.h5/rank-{rank}", "node", b"t", b"" if state == NEW else sets, point, promise)
        for rank, (state, point) in enumerate(states)
    ]


def test_after_any_kill_all_go_on_from_the_same_point():
    """Ranks commit point 5 after 4: those that are clean at 5 or have begun to change are there only if all were ready."""
    torn, ready, changed = (CLEAN, 4), (READY, 5), (CLEAN, 5)
    for found in itertools.product((torn, ready, changed), repeat=3):
        if torn in found and changed in found:
            continue  # cannot be: a rank changes its file only when all were ready
        expected = 4 if torn in found else 5
        assert decided(offers(*found), "run.h5") == Decision(SET, expected)


def test_one_that_goes_ahead_with_the_next_point_waits_for_the_others():
    assert decided(offers((READY, 5), (CLEAN, 5), (READY, 6)), "run.h5").point == 5


def test_journals_of_different_starts_are_not_one_point():
    mixed = [*offers((READY, 5), (READY, 5)), *offers((READY, 5), promise=b"q")]
    assert decided(mixed, "run.h5").point == 4


def test_files_without_a_point_begin_anew():
    assert decided(offers((NEW, 0), (CLEAN, 0), (NEW, 0)), "run.h5") == Decision(b"t", 0, begin=True)
    assert decided(offers((CLEAN, 0), (CLEAN, 0)), "run.h5") == Decision(SET, 0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (offers((CLEAN, 5), (NEW, 0)), "the file of rank 1 of 2, run.h5/rank-1, is missing or empty on node"),
        (offers((CLEAN, 5), (CLEAN, 4)), "of different moments of the run"),
        (offers((READY, 6), (CLEAN, 4)), "of different moments of the run"),
        (offers((OPEN, 5), (CLEAN, 5)), "the file of rank 1 of 2, run.h5/rank-1, is lost"),
        (
            [*offers((CLEAN, 5), (CLEAN, 5)), *offers((CLEAN, 5), sets=OTHER)],
            "of different runs: the file of rank 2 of 3",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(found, said):
    with pytest.raises(StorageError, match=said):
        decided(found, "run.h5")


@pytest.mark.parametrize("end", ["keep", "forget"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_promise_is_kept_or_forgotten_and_nothing_else(tmp_path, end, changed):
    path, me = str(tmp_path / "file"), bytes(16)
    promise = Promise(SET, b"t" * 16, 7, 1, 3)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    file = JournaledFile(descriptor, f"{path}-journal", me)
    file.write(b"before")
    file.commit()
    assert promised(f"{path}-journal", me) is None
    file.seek(0)
    file.write(b"behind")
    file.prepare(promise)
    recover(descriptor, f"{path}-journal", me)
    assert os.pread(descriptor, 9, 0) == b"before"
    assert promised(f"{path}-journal", me) == promise
    if changed and end == "keep":
        file.apply()
    if end == "keep":
        keep(descriptor, f"{path}-journal", me)
    forget(f"{path}-journal")
    assert promised(f"{path}-journal", me) is None
    recover(descriptor, f"{path}-journal", me)
    assert os.pread(descriptor, 9, 0) == (b"behind" if end == "keep" else b"before")
    os.close(descriptor)


def test_a_torn_promise_is_none(tmp_path):
    path, me = str(tmp_path / "file"), bytes(16)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    file = JournaledFile(descriptor, f"{path}-journal", me)
    file.write(b"before")
    file.prepare(Promise(SET, b"t" * 16, 7, 1, 3))
    whole = (tmp_path / "file-journal").read_bytes()
    for place in range(len(whole)):
        (tmp_path / "file-journal").write_bytes(whole[:place])
        assert promised(f"{path}-journal", me) is None
    for place in range(len(journal._MAGIC) + 16 + 28, len(whole)):
        (tmp_path / "file-journal").write_bytes(
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        )
        assert promised(f"{path}-journal", me) is None
    os.close(descriptor)


def test_folders(tmp_path):
    path = str(tmp_path / "run.h5")
    make_folder(path, 3)
    for rank in range(3):
        open(rank_file(path, rank, 3), "w").close()
    make_folder(path, 3)
    assert files_of_ranks(path) == [rank_file(path, rank, 3) for rank in range(3)]
    with pytest.raises(StorageError, match="program on 3 ranks, and this one runs on 4"):
        make_folder(path, 4)
    with pytest.raises(StorageError, match="program on 3 ranks, and this one runs on 1"):
        refuse_folder(path)
    make_folder(path, 4, overwrite=True)
    assert os.listdir(path) == []
    single = tmp_path / "single.h5"
    single.touch()
    with pytest.raises(StorageError, match="is a file, as a program on one rank makes it"):
        make_folder(str(single), 2)
    make_folder(str(single), 2, overwrite=True)
    assert single.is_dir()
