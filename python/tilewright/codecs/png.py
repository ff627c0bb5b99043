"""PNG files, written row by row.

Chunks, colour types and filters are those of the PNG specification, third edition.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np
from isal import isal_zlib

from tilewright import _core
from tilewright.codecs.png_chunks import SIGNATURE, chunk
from tilewright.errors import EncodeError, TilewrightError
from tilewright.literals import Compression

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from numpy.typing import NDArray

    from tilewright.picture import Pixels

# By specification, for both sides and for the bytes of one chunk.
_LONGEST_SIDE = 2**31 - 1
_LONGEST_CHUNK = 2**31 - 1

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}

# Bytes deflated at a time. A constant, because it shows in the file.
_STRIP_BYTES = 1 << 20
# Part of a strip by which the kind of deflate is chosen.
_SAMPLE_BYTES = 1 << 15
# The search takes about as long as runs when it is ISA-L's, and twenty times as long when it is zlib's. So it must
# save something, but where all that counts is the size.
_WORTH_SEARCHING = {"fast": 1.0, "balanced": 1.1, "small": 1.0}

# Deflate with a window of 32 KiB, no preset dictionary, "fastest" (RFC 1950); the level is for information only.
_ZLIB_HEADER = b"\x78\x01"
_EMPTY_FINAL_BLOCK = b"\x03\x00"


class Target(Protocol):
    """What a file is written to."""

    def write(self, data: bytes, /) -> object: ...


class PngWriter:
    """Writes a PNG file from rows that come in portions, top to bottom.

    The file depends on the rows and the compression alone, not on portions or threads. Rows are filtered at once, so
    the caller may reuse its arrays, and gathered into strips, which are deflated on threads of their own. No more than
    ``threads + 2`` strips of 1 MiB, or of one row where that is more, are held at a time. The target is written to from
    the caller's thread only.

    Use it as a context manager, or call `close` when it is not finished: both end the threads. An exception of the
    target's is passed on as it is, and ends the writer too.

    Args:
        target: takes the file by its method ``write``; it need not seek, and is not closed.
        width: columns.
        height: rows.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        dtype: uint8 or uint16.
        ancillary: whole chunks that stand before the pixels, see `ancillary_chunks`.
        compression: ``"fast"``, ``"balanced"`` or ``"small"``. Enlarged photographs come out alike, being deflated in
            the same way; over lettering, line art and sometimes small pictures the last two take more time, ten times
            as much and a hundred times as much.
        threads: that deflate.

    Raises:
        EncodeError: a size, channel count, dtype or compression that PNG files, or these, do not have.
    """

    def __init__(
        self,
        target: Target,
        width: int,
        height: int,
        channels: int,
        dtype: Any,
        *,
        ancillary: bytes = b"",
        compression: Compression = "fast",
        threads: int = 2,
    ) -> None:
        dtype = np.dtype(dtype)
        if not (1 <= width <= _LONGEST_SIDE and 1 <= height <= _LONGEST_SIDE):
            raise EncodeError(f"a PNG file has 1 to {_LONGEST_SIDE} pixels a side, not {width} x {height}")
        if channels not in _COLOUR_TYPES:
            raise EncodeError(f"a PNG file has 1 to 4 channels, not {channels}")
        if dtype not in (np.uint8, np.uint16):
            raise EncodeError(f"a PNG file is written from uint8 or uint16, not {dtype}")
        if compression not in get_args(Compression):
            raise EncodeError(f"compression must be one of {', '.join(get_args(Compression))}, not {compression!r}")
        if threads < 1:
            raise EncodeError(f"threads must be at least 1, not {threads}")
        self._target, self._compression, self._threads = target, compression, threads
        self._width, self._height, self._channels, self._dtype = width, height, channels, dtype
        row_bytes = width * channels * dtype.itemsize
        self._above = np.zeros(row_bytes, np.uint8)
        self._strip_shape = (max(1, min(height, _STRIP_BYTES // (1 + row_bytes))), 1 + row_bytes)
        self._strip = np.empty(self._strip_shape, np.uint8)
        self._spare: list[NDArray[np.uint8]] = []  # used again: fresh memory costs as much as the filter
        self._filled = 0  # rows of the strip
        self._rows = 0  # of all that came
        self._adler = 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tilewright-png")
        self._deflating: deque[tuple[NDArray[np.uint8], Future[tuple[bytes, int, int]]]] = deque()
        self._open = True
        try:
            header = struct.pack(">IIBBBBB", width, height, 8 * dtype.itemsize, _COLOUR_TYPES[channels], 0, 0, 0)
            self._put(SIGNATURE + chunk(b"IHDR", header) + ancillary)
        except BaseException:
            self.close()
            raise

    def write(self, pixels: Pixels, alpha: Pixels | None = None) -> None:
        """Take the next rows.

        Args:
            pixels: ``[rows, W, C]`` of the writer's dtype, adjacent samples, rows may be padded; any number of rows.
                C is the writer's channels, or one less with `alpha`.
            alpha: ``[rows, W]`` of the same dtype, adjacent samples.

        Raises:
            TilewrightError: another shape, dtype or layout, more rows than the picture has, or the writer is closed.
        """
        self._check(pixels, alpha)
        try:
            self._take(pixels, None if alpha is None else alpha[:, :, None])
        except BaseException:
            self.close()
            raise

    def finish(self) -> None:
        """Write what is left, and the end of the file.

        Raises:
            TilewrightError: rows are missing, or the writer is closed.
        """
        self._check_open()
        try:
            if self._rows < self._height:
                raise TilewrightError(f"the PNG file has {self._height} rows, only {self._rows} were written")
            while self._deflating:
                self._put_oldest()
            self._put(chunk(b"IDAT", _EMPTY_FINAL_BLOCK + struct.pack(">I", self._adler)) + chunk(b"IEND", b""))
        finally:
            self.close()

    def close(self) -> None:
        """End the threads; a file that was not finished stays cut short. May be called again."""
        self._open = False
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._deflating.clear()

    def __enter__(self) -> PngWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if not self._open:
            raise TilewrightError("the PNG writer is closed: it was finished, or an earlier call failed")

    def _check(self, pixels: Pixels, alpha: Pixels | None) -> None:
        self._check_open()
        rows = len(pixels)
        want = (rows, self._width, self._channels - (alpha is not None))
        if pixels.shape != want or pixels.dtype != self._dtype:
            raise TilewrightError(
                f"pixels must be {self._dtype} of shape [rows, {want[1]}, {want[2]}], "
                f"not {pixels.dtype} of shape {list(pixels.shape)}"
            )
        if alpha is not None and (alpha.shape != want[:2] or alpha.dtype != self._dtype):
            raise TilewrightError(
                f"alpha must be {self._dtype} of shape {list(want[:2])}, not {alpha.dtype} of shape {list(alpha.shape)}"
            )
        if self._rows + rows > self._height:
            raise TilewrightError(
                f"the PNG file has {self._height} rows; {self._rows} were written, and {rows} more do not fit"
            )

    def _take(self, pixels: Pixels, alpha: Pixels | None) -> None:
        begin = 0
        while begin < len(pixels):
            end = min(len(pixels), begin + len(self._strip) - self._filled)
            filtered = self._strip[self._filled : self._filled + end - begin]
            planes = None if alpha is None else alpha[begin:end]
            try:
                _core.png_filter(pixels[begin:end], self._above, filtered, alpha=planes)
            except ValueError as error:
                raise TilewrightError(f"these rows cannot be written: {error}") from error
            self._filled += len(filtered)
            self._rows += len(filtered)
            if self._filled == len(self._strip) or self._rows == self._height:
                self._deflate_strip()
            begin = end

    def _deflate_strip(self) -> None:
        first = self._rows == self._filled
        strip = self._strip[: self._filled].reshape(-1)
        future = self._pool.submit(_idat, strip, self._compression, first)
        self._deflating.append((self._strip, future))
        while len(self._deflating) > self._threads or (self._deflating and self._deflating[0][1].done()):
            self._put_oldest()
        self._strip, self._filled = self._spare.pop() if self._spare else np.empty(self._strip_shape, np.uint8), 0

    def _put_oldest(self) -> None:
        strip, future = self._deflating.popleft()
        chunks, adler, length = future.result()
        self._spare.append(strip)
        self._adler = adler32_combine(self._adler, adler, length)
        self._put(chunks)

    def _put(self, data: bytes) -> None:
        taken = self._target.write(data)
        if isinstance(taken, int) and taken != len(data):  # raw, unbuffered files may do that
            raise TilewrightError(f"the target took {taken} of {len(data)} bytes; give it a buffer")


def _idat(strip: NDArray[np.uint8], compression: Compression, first: bool) -> tuple[bytes, int, int]:
    """One strip as IDAT chunks, its Adler-32 and its length."""
    data = memoryview((_ZLIB_HEADER if first else b"") + _deflate(strip, compression))
    parts = (data[at : at + _LONGEST_CHUNK] for at in range(0, len(data), _LONGEST_CHUNK))
    return b"".join(chunk(b"IDAT", part) for part in parts), zlib.adler32(strip.data), len(strip)


def adler32_combine(first: int, second: int, length: int) -> int:
    """The Adler-32 of two parts together, from those of each and the bytes of the second.

    By its definition (RFC 1950, 8.2) `a` is 1 plus the sum of the bytes and `b` is the sum of all values of `a`; the
    same as zlib's function of that name.
    """
    prime = 65521
    a1, b1, a2, b2 = first & 0xFFFF, first >> 16, second & 0xFFFF, second >> 16
    a = (a1 + a2 - 1) % prime
    b = (b1 + b2 + length * (a1 - 1)) % prime
    return b << 16 | a


def _deflate(strip: NDArray[np.uint8], compression: Compression) -> bytes:
    """Raw deflate blocks that are not final and end on a whole byte: of two kinds, that which does better on a sample.

    Runs and Huffman codes (`deflate_runs`) are the smallest for enlarged photographs, and fast. For lettering, line art
    and the like a search for repetitions is worth its time, as much of it as the setting grants.
    """
    middle = len(strip) // 2
    sample = strip[max(0, middle - _SAMPLE_BYTES // 2) : middle + _SAMPLE_BYTES // 2]
    searched = len(_deflate_searching(sample, compression)) * _WORTH_SEARCHING[compression]
    if searched < len(_core.deflate_runs(sample)):
        return _deflate_searching(strip, compression)
    return _core.deflate_runs(strip)


def _deflate_searching(data: NDArray[np.uint8], compression: Compression) -> bytes:
    if compression == "fast":
        quick = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        return quick.compress(data.data) + quick.flush(isal_zlib.Z_SYNC_FLUSH)
    level = 4 if compression == "balanced" else 9
    thorough = zlib.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_FILTERED)
    return thorough.compress(data.data) + thorough.flush(zlib.Z_SYNC_FLUSH)
