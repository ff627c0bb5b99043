"""Pictures in memory: pixels with colour space and metadata, and animations with lazy frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pixels = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Upright pixels with alpha, colour space and metadata.

    Attributes:
        pixels: uint8 or uint16 ``[H, W, C]``, C-contiguous, C = 1 (grey) or 3 (RGB). May be
            read-only.
        alpha: ``[H, W]`` of the same dtype, C-contiguous, 0 = transparent; None if the picture has
            no alpha.
        icc: ICC profile of the pixels; None means sRGB (or plain grey), unless `cicp` is given.
        cicp: Data of the PNG chunk cICP, if it describes a colour space without an ICC profile,
            such as an HDR one; else None.
        dpi: Pixels per inch, horizontal and vertical; None if unknown.
        exif: Exif data as TIFF, without the 6-byte prefix of JPEG files and without entries that
            are only true of the source file, such as orientation, size and thumbnail; None if
            there is none, or metadata is not kept.
        xmp: XMP packet without such entries; None as for `exif`.
        source_format: Origin of the picture: ``"PNG"``, ``"JPG"``, ``"WEBP"``, ``"GIF"``,
            ``"TIFF"``, ``"AVIF"``, ``"HEIC"``, ``"BMP"``, ``"array"`` or ``"Pillow"``.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    cicp: bytes | None = None
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    source_format: str = "array"

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    def dpi_at(self, width: int, height: int) -> tuple[float, float] | None:
        """Returns the resolution at another size that keeps the printed size; None if unknown."""
        return self.dpi and (self.dpi[0] * width / self.width, self.dpi[1] * height / self.height)

    def enlarged(self, pixels: Pixels, alpha: Pixels | None) -> Picture:
        """Returns the picture at another size, with the resolution that keeps the printed size.

        Args:
            pixels: New pixels, as for `Picture`.
            alpha: New alpha, as for `Picture`.
        """
        height, width = pixels.shape[:2]
        return replace(self, pixels=pixels, alpha=alpha, dpi=self.dpi_at(width, height))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of an animation.

    Attributes:
        picture: The whole frame as shown, RGB with alpha.
        milliseconds: Duration of the frame in milliseconds.
    """

    picture: Picture
    milliseconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Animation:
    """Frames of one size, decoded on demand.

    Attributes:
        width: Width of every frame in pixels.
        height: Height of every frame in pixels.
        count: Number of frames, at least 2.
        plays: How often the animation plays; 0 means endlessly.
        cicp: As for `Picture`.
        source_format: As for `Picture`.
        frames: Returns an iterator that decodes the frames one by one, from the first. It may be
            called repeatedly. The iterator raises `DecodeError` where the file is corrupt.
    """

    width: int
    height: int
    count: int
    plays: int
    cicp: bytes | None
    source_format: str
    frames: Callable[[], Iterator[Frame]]
