"""Deflate with runs and Huffman codes: zlib decompresses it, and its size is near the optimum."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright import _core

# A final empty block with fixed codes, which ends a stream of non-final blocks.
END = b"\3\0"
# An empty stored block.
SYNC = b"\0\0\0\xff\xff"


def deflated(data):
    """Compresses data, and checks that zlib decompresses it and that more blocks can follow."""
    blocks = _core.deflate_runs(data)
    reader = zlib.decompressobj(-15)
    assert reader.decompress(blocks + blocks + END) == 2 * data.tobytes()
    assert reader.eof
    assert not reader.unused_data
    assert blocks.endswith(SYNC[1:])
    return blocks


def residuals(count, spread, seed=0):
    """Returns bytes with the distribution of a photograph's filtered rows."""
    return np.random.default_rng(seed).normal(0, spread, count).round().astype(np.int8).view(np.uint8)


EDGES = [
    0,
    1,
    2,
    3,
    6,
    7,
    8,
    9,
    15,
    16,
    17,
    257,
    258,
    259,
    260,
    261,
    266,
    515,
    516,
    65534,
    65535,
    65536,
    131070,
    200_000,
]


@pytest.mark.parametrize("count", EDGES)
def test_zlib_decompresses_every_length_of_noise_residuals_and_runs(count):
    rng = np.random.default_rng(count)
    for data in (
        np.zeros(count, np.uint8),
        np.full(count, 255, np.uint8),
        np.arange(count).astype(np.uint8),
        rng.integers(0, 256, count, np.uint8),
        rng.integers(0, 2, count, np.uint8),
        residuals(count, 3),
        np.repeat(rng.integers(0, 256, count // 7 + 1, np.uint8), 7)[:count],
    ):
        deflated(data)


@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.sampled_from([1, 1, 1, 2, 5, 6, 7, 8, 20, 257, 258, 259, 3000])), max_size=300
    )
)
@settings(max_examples=150, deadline=None)
def test_zlib_decompresses_any_runs(pieces):
    values = np.array([value for value, _ in pieces], np.uint8)
    deflated(np.repeat(values, [length for _, length in pieces]))


@pytest.mark.parametrize("spread", [0.3, 1, 3, 10, 40])
def test_size_is_near_the_entropy(spread):
    """Huffman codes exceed the entropy by at most 0.086 bits plus the most common symbol's share.

    Source of this bound per symbol: Gallager, 1978. Runs only reduce the size.
    """
    data = residuals(300_000, spread)
    counts = np.bincount(data)
    shares = counts[counts > 0] / len(data)
    entropy = -(shares * np.log2(shares)).sum() / 8 * len(data)
    assert len(deflated(data)) < entropy + len(data) * (0.086 + shares.max()) / 8 + 500


def test_size_is_near_that_of_zlib_with_runs_only():
    for spread in (0.3, 1, 3, 10):
        data = residuals(1 << 20, spread)
        data[: 1 << 18] = np.repeat(data[: 1 << 14], 16)
        zlibs = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
        assert len(deflated(data)) < 1.02 * len(zlibs.compress(data) + zlibs.flush())


def test_noise_is_stored():
    data = np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8)
    assert len(deflated(data)) <= len(data) + 18 * 5


def test_constant_data_compresses_to_almost_nothing():
    assert len(deflated(np.zeros(1 << 20, np.uint8))) < (1 << 20) / 700


def test_code_lengths_are_limited_for_very_uneven_counts():
    """Fibonacci numbers as counts give the deepest possible tree, deeper than deflate allows."""
    counts = [1, 1]
    while sum(counts) < 60_000:
        counts.append(counts[-1] + counts[-2])
    data = np.repeat(np.arange(len(counts)).astype(np.uint8), counts)
    np.random.default_rng(0).shuffle(data)
    assert len(counts) > 20
    deflated(data)


def test_the_input_may_be_read_only_and_is_not_changed():
    data = residuals(1000, 3)
    data.flags.writeable = False
    before = data.copy()
    deflated(data)
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.zeros(4, np.int8), TypeError, "data must be uint8, not int8"),
        (np.zeros((2, 2), np.uint8), ValueError, "data must have one axis, not 2"),
        (np.zeros(8, np.uint8)[::2], ValueError, "data must be C-contiguous"),
    ],
)
def test_unsuitable_arrays_are_rejected(data, error, message):
    with pytest.raises(error, match=message):
        _core.deflate_runs(data)
