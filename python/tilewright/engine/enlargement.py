"""The enlargement of one picture: its network, factor and final size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.errors import ImageTooLargeError
from tilewright.picture import Animation, Picture

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Enlargement:
    """The enlargement of one picture, resolved once and then used by every later step.

    Attributes:
        model: Name of the network, or path of a file.
        factor: Factor that the network runs at.
        width: Width of the result in pixels.
        height: Height of the result in pixels.
        needs_downscale: Whether the network's result is larger and has to be downscaled to that size.
    """

    model: str | Path
    factor: int
    width: int
    height: int
    needs_downscale: bool

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` of the result in pixels."""
        return self.width, self.height


def frame_count(picture: Picture | Animation) -> int:
    """Returns the number of frames; 1 for a still picture."""
    return picture.count if isinstance(picture, Animation) else 1


def check_output_pixels(enlargement: Enlargement, frames: int, max_pixels: int | None, *, parameter: str) -> None:
    """Checks the size of a result before any work is done.

    Args:
        enlargement: The enlargement.
        frames: Number of frames.
        max_pixels: Most pixels that a result may have, all frames together; None for no limit.
        parameter: The parameter that the caller can change, ``"upscaleFactor"`` or ``"size"``.

    Raises:
        ImageTooLargeError: The result would have more pixels.
    """
    pixels = enlargement.width * enlargement.height * frames
    if max_pixels is not None and pixels > max_pixels:
        times = f" x {frames} frames" if frames > 1 else ""
        raise ImageTooLargeError(
            f"the result would have {enlargement.width} x {enlargement.height}{times} = {pixels} pixels, "
            f"the limit is {max_pixels}; choose a smaller {parameter}, or raise TILEWRIGHT_MAX_OUTPUT_PIXELS",
            parameter=parameter,
        )
