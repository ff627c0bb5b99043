"""How large what comes in may be."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from tilewright.errors import ImageTooLargeError, SourceError

_PART = 1 << 24


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one input, each None for none. They are judged before memory is taken for what they limit.

    Attributes:
        pixels: width times height, and for an animation times its frames.
        file_bytes: of the file.
        frames: of an animation.
    """

    pixels: int | None = None
    file_bytes: int | None = None
    frames: int | None = None

    def check_size(self, width: int, height: int, frames: int = 1) -> None:
        """Raises `ImageTooLargeError` for too many frames, or pixels of them together."""
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
        """Raises `ImageTooLargeError` for a file of too many bytes."""
        if self.file_bytes is not None and count > self.file_bytes:
            raise ImageTooLargeError(
                f"the picture's file has {count} bytes, the limit is {self.file_bytes}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_BYTES"
            )

    def read(self, file: Any) -> bytes:
        """All of a file object opened in binary mode, and hardly more than the limit of one that goes on.

        Raises:
            ImageTooLargeError: too many bytes.
            SourceError: it gives something else than bytes.
        """
        parts, count, most = [], 0, sys.maxsize - 1 if self.file_bytes is None else self.file_bytes
        # Raw files and sockets may give less than they are asked for.
        while count <= most and (part := file.read(min(_PART, most + 1 - count))):
            if not isinstance(part, bytes):
                raise SourceError(
                    f"the file object {file!r} gave {type(part).__name__} instead of bytes; "
                    "open it in binary mode ('rb')",
                    code="invalidInputImage",
                )
            parts.append(part)
            count += len(part)
        self.check_bytes(count)
        return b"".join(parts)


UNLIMITED = Limits()
