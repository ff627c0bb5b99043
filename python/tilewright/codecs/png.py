"""Writing of PNG files row by row, with compression on threads.

Chunks, colour types and filters follow the PNG specification, third edition.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np
from isal import isal_zlib

from tilewright._core import deflate_runs, png_filter
from tilewright.codecs.png_chunks import SIGNATURE, chunk
from tilewright.errors import EncodeError, TilewrightError
from tilewright.literals import Compression

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from numpy.typing import NDArray

    from tilewright.picture import Pixels

# Limits of the specification: pixels per side, and bytes of data in one chunk.
_MAX_SIDE = 2**31 - 1
_MAX_CHUNK_BYTES = 2**31 - 1

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels

# Bytes of a strip, the unit of compression. Constant, because the file depends on it.
_STRIP_BYTES = 1 << 20
# Bytes of each strip on which both compressors are tried.
_SAMPLE_BYTES = 1 << 15
# The match search is used if its size times this factor is below the size from `deflate_runs`.
# ISA-L's search ("fast") takes about as long as `deflate_runs`, zlib's twenty times as long. So
# "balanced" demands a saving of 10 %; for "small" only the size counts.
_SEARCH_PENALTY = {"fast": 1.0, "balanced": 1.1, "small": 1.0}

# RFC 1950: deflate, 32 KiB window, no preset dictionary, level "fastest" (informative only).
_ZLIB_HEADER = b"\x78\x01"
_EMPTY_FINAL_BLOCK = b"\x03\x00"


class Target(Protocol):
    """Receiver of a file's bytes, such as a binary file object."""

    def write(self, data: bytes, /) -> object:
        """Takes all of `data`. A returned integer is the number of bytes taken."""
        ...


class PngWriter:
    """Writes a PNG file from rows that arrive in portions, top to bottom.

    The file depends on the rows and on `compression`, not on portions or threads. Rows are filtered
    immediately, so the caller may reuse its arrays. They are collected into strips of 1 MiB, or of
    one row if that is larger, which are deflated on the writer's own threads. At most
    ``threads + 2`` strips are in memory. Only the caller's thread writes to the target.

    Use the writer as a context manager or call `close` if it is not finished: both end the threads.
    An exception raised by the target is passed on unchanged and closes the writer.

    Args:
        target: Receives the file through ``write``. It need not be seekable and is not closed.
        width: Width in pixels.
        height: Height in pixels.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
        dtype: Sample type, uint8 or uint16.
        ancillary: Complete chunks to write before the pixel data, see
            `tilewright.codecs.png_chunks.ancillary_chunks`.
        compression: ``"fast"``, ``"balanced"`` or ``"small"``. Upscaled photographs are compressed
            the same way by all three. For lettering, line art and some small pictures,
            ``"balanced"`` takes about ten times and ``"small"`` about a hundred times as long as
            ``"fast"``, for smaller files.
        threads: Threads that deflate strips, at least 1.

    Raises:
        EncodeError: An argument out of range.
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
        if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
            raise EncodeError(f"a PNG file has 1 to {_MAX_SIDE} pixels per side, not {width} x {height}")
        if channels not in _COLOUR_TYPES:
            raise EncodeError(f"a PNG file has 1 to 4 channels, not {channels}")
        if dtype not in (np.uint8, np.uint16):
            raise EncodeError(f"PNG samples must be uint8 or uint16, not {dtype}")
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
        self._spare: list[NDArray[np.uint8]] = []  # reused: page faults of new memory cost as much as filtering
        self._filled = 0  # rows in the strip
        self._rows = 0  # rows received so far
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
        """Filters the next rows and deflates strips that are full.

        Args:
            pixels: ``[rows, W, C]`` of the writer's dtype, any number of rows. C is the writer's
                number of channels, or one less if `alpha` is given. Samples of a row must be
                adjacent; rows may be padded.
            alpha: ``[rows, W]`` or ``[rows, W, 1]`` of the same dtype, with adjacent samples; None
                if `pixels` has all channels.

        Raises:
            TilewrightError: Another shape, dtype or layout, more rows than the file has, or the
                writer is closed.
        """
        self._check(pixels, alpha)
        if alpha is not None and alpha.ndim == 2:
            alpha = alpha[:, :, np.newaxis]
        try:
            self._filter(pixels, alpha)
        except BaseException:
            self.close()
            raise

    def finish(self) -> None:
        """Writes the remaining strips and the end of the file, and closes the writer.

        Raises:
            TilewrightError: Rows are missing, or the writer is closed.
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
        """Ends the threads and leaves an unfinished file incomplete. May be called repeatedly."""
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
        expected = (rows, self._width, self._channels - (alpha is not None))
        if pixels.shape != expected or pixels.dtype != self._dtype:
            raise TilewrightError(
                f"pixels must be {self._dtype} of shape [rows, {expected[1]}, {expected[2]}], "
                f"not {pixels.dtype} of shape {list(pixels.shape)}"
            )
        if alpha is not None and (alpha.shape not in (expected[:2], (*expected[:2], 1)) or alpha.dtype != self._dtype):
            raise TilewrightError(
                f"alpha must be {self._dtype} of shape {list(expected[:2])}, "
                f"not {alpha.dtype} of shape {list(alpha.shape)}"
            )
        if self._rows + rows > self._height:
            raise TilewrightError(
                f"the PNG file has {self._height} rows; {self._rows} were written, and {rows} more do not fit"
            )

    def _filter(self, pixels: Pixels, alpha: Pixels | None) -> None:
        begin = 0
        while begin < len(pixels):
            end = min(len(pixels), begin + len(self._strip) - self._filled)
            filtered = self._strip[self._filled : self._filled + end - begin]
            try:
                png_filter(pixels[begin:end], self._above, filtered, alpha=None if alpha is None else alpha[begin:end])
            except ValueError as error:
                raise TilewrightError(f"the rows cannot be written: {error}") from error
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
        written = self._target.write(data)
        if isinstance(written, int) and written != len(data):  # possible for unbuffered files
            raise TilewrightError(f"the target wrote only {written} of {len(data)} bytes; wrap it in io.BufferedWriter")


def _idat(strip: NDArray[np.uint8], compression: Compression, first: bool) -> tuple[bytes, int, int]:
    """Returns a strip as IDAT chunks, the strip's Adler-32, and its length in bytes."""
    data = memoryview((_ZLIB_HEADER if first else b"") + _deflate(strip, compression))
    parts = (data[at : at + _MAX_CHUNK_BYTES] for at in range(0, len(data), _MAX_CHUNK_BYTES))
    return b"".join(chunk(b"IDAT", part) for part in parts), zlib.adler32(strip.data), len(strip)


def adler32_combine(first: int, second: int, length: int) -> int:
    """Returns the Adler-32 of two parts joined, as zlib's function of the same name does.

    By definition (RFC 1950, section 8.2), `a` is 1 plus the sum of the bytes, and `b` the sum of
    all intermediate values of `a`.

    Args:
        first: Adler-32 of the first part.
        second: Adler-32 of the second part.
        length: Length of the second part in bytes.
    """
    prime = 65521
    a1, b1, a2, b2 = first & 0xFFFF, first >> 16, second & 0xFFFF, second >> 16
    a = (a1 + a2 - 1) % prime
    b = (b1 + b2 + length * (a1 - 1)) % prime
    return b << 16 | a


def _deflate(strip: NDArray[np.uint8], compression: Compression) -> bytes:
    """Compresses a strip with the better of two compressors, tried on a sample from its middle.

    `deflate_runs` (run lengths and Huffman codes, no match search) gives the smallest files for
    upscaled photographs, and is fast. Lettering and line art benefit from a match search.

    Returns:
        Raw deflate blocks, byte-aligned at the end, none of them final.
    """
    middle = len(strip) // 2
    sample = strip[max(0, middle - _SAMPLE_BYTES // 2) : middle + _SAMPLE_BYTES // 2]
    if len(_deflate_matches(sample, compression)) * _SEARCH_PENALTY[compression] < len(deflate_runs(sample)):
        return _deflate_matches(strip, compression)
    return deflate_runs(strip)


def _deflate_matches(data: NDArray[np.uint8], compression: Compression) -> bytes:
    if compression == "fast":
        isal = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
        return isal.compress(data.data) + isal.flush(isal_zlib.Z_SYNC_FLUSH)
    level = 4 if compression == "balanced" else 9
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_FILTERED)
    return compressor.compress(data.data) + compressor.flush(zlib.Z_SYNC_FLUSH)
