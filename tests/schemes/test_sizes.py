"""Sizes as people write them."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointer.errors import ArgumentError
from checkpointer.schemes import sizes
from checkpointer.schemes.sizes import parse_size, show_size


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0", 0),
        ("1", 1),
        ("12 B", 12),
        ("1kB", 1000),
        ("1 KB", 1000),
        ("1 KiB", 1024),
        ("1kib", 1024),
        ("2G", 2 * 10**9),
        ("2 Gi", 2 * 2**30),
        ("500MB", 500 * 10**6),
        ("0.1 GB", 10**8),
        ("1.5 GiB", 3 * 2**29),
        (" 3 TiB ", 3 * 2**40),
        ("2 PB", 2 * 10**15),
        ("1EiB", 2**60),
        ("1.5e9", 1_500_000_000),
        ("1e3 MB", 10**9),
        (".5 kB", 500),
        ("1_000_000", 10**6),
        ("1.9 B", 1),
        (4096, 4096),
        (np.int64(7), 7),
        (2e9, 2 * 10**9),
        (1.5, 1),
    ],
)
def test_what_is_accepted(written, meant):
    size = parse_size(written)
    assert size == meant
    assert type(size) is int


BAD = ["", "GiB", "two GB", "2 GBit", "-1", "1,5 GB", "1 2", "1e9999", "16 EiB", "0x10", "inf", "1 GB/s"]


@pytest.mark.parametrize("bad", [*BAD, -1, -0.5, float("nan"), float("inf"), True, None, 2**63, [1], b"1"])
def test_what_is_refused(bad):
    with pytest.raises(ArgumentError) as caught:
        parse_size(bad, "memory", "Auto")
    assert str(caught.value) == (
        f'Auto: memory must be a size such as "2 GiB", "500 MB" or a number of bytes, but is {bad!r}'
    )


def test_the_least():
    assert parse_size("8", least=8) == 8
    with pytest.raises(ArgumentError, match=r"size must be .*, 8 bytes or more, but is '7'"):
        parse_size("7", least=8)
    with pytest.raises(ArgumentError, match=r"size must be .*, more than nothing, but is '0.5 B'"):
        parse_size("0.5 B", least=1)


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0 B", "0 B"),
        (1, "1 B", "1 B"),
        (999, "999 B", "999 B"),
        (1000, "1000 B", "1 kB"),
        (1023, "1023 B", "1.02 kB"),
        (1024, "1 KiB", "1.02 kB"),
        (9_999, "9.76 KiB", "10 kB"),
        (500_000_000, "477 MiB", "500 MB"),
        (2**30 - 1, "1 GiB", "1.07 GB"),
        (99_960, "97.6 KiB", "100 kB"),
        (100 * 2**40, "100 TiB", "110 TB"),
        (5000 * 2**60, "5000 EiB", "5765 EB"),
    ],
)
def test_what_is_shown(size, binary, decimal):
    assert (show_size(size), show_size(size, binary=False)) == (binary, decimal)


@given(st.integers(0, 2**62), st.booleans())
def test_what_is_shown_can_be_read_and_has_three_digits(size, binary):
    assert parse_size(show_size(size, binary=binary)) == pytest.approx(size, rel=0.006)


def test_examples():
    failed, tried = doctest.testmod(sizes)
    assert (failed, tried) == (0, 2)
