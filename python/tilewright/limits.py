"""Limits on the size of input pictures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from tilewright.errors import ImageTooLargeError, SourceError

# Bytes asked for in one read of a file object.
_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Limits of one input picture; None means no limit.

    All but the last are checked before memory is allocated for what they limit.

    Attributes:
        pixels: Width times height, and for an animation times its frames.
        file_bytes: Size of the file in bytes.
        frames: Frames of an animation.
        seconds: Time in which a still picture must be decoded.
    """

    pixels: int | None = None
    file_bytes: int | None = None
    frames: int | None = None
    seconds: float | None = None

    def check_size(self, width: int, height: int, frames: int = 1) -> None:
        """Checks the size of a picture or animation.

        Args:
            width: Width in pixels.
            height: Height in pixels.
            frames: Number of frames; 1 for a still picture.

        Raises:
            ImageTooLargeError: There are too many frames, or too many pixels in total.
        """
        if self.frames is not None and frames > self.frames:
            raise ImageTooLargeError(
                f"the animation has {frames} frames, the limit is {self.frames}; "
                "send a shorter one, or raise TILEWRIGHT_MAX_FRAMES"
            )
        pixels = width * height * frames
        if self.pixels is not None and pixels > self.pixels:
            times = f" x {frames} frames" if frames > 1 else ""
            raise ImageTooLargeError(
                f"the picture has {width} x {height}{times} = {pixels} pixels, the limit is {self.pixels}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_PIXELS"
            )

    def check_bytes(self, count: int) -> None:
        """Checks the size of a file.

        Args:
            count: Size in bytes.

        Raises:
            ImageTooLargeError: The file has too many bytes.
        """
        if self.file_bytes is not None and count > self.file_bytes:
            raise ImageTooLargeError(
                f"the picture's file has {count} bytes, the limit is {self.file_bytes}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_BYTES"
            )

    def read(self, file: Any) -> bytes:
        """Reads a file object to its end, but at most one byte beyond the limit.

        Args:
            file: File object opened in binary mode. It is read from its current position.

        Returns:
            The bytes from there to the end.

        Raises:
            ImageTooLargeError: The file has too many bytes.
            SourceError: The file object returned something other than bytes.
        """
        limit = sys.maxsize - 1 if self.file_bytes is None else self.file_bytes
        chunks, count = [], 0
        # Raw files and sockets may return less than they are asked for.
        while count <= limit and (chunk := file.read(min(_CHUNK, limit + 1 - count))):
            if not isinstance(chunk, bytes):
                raise SourceError(
                    f"the file object ({type(file).__name__}) gave {type(chunk).__name__} instead of bytes; "
                    "open it in binary mode ('rb')",
                    code="invalidInputImage",
                )
            chunks.append(chunk)
            count += len(chunk)
        self.check_bytes(count)
        return b"".join(chunks)


UNLIMITED = InputLimits()
"""No limits."""
