"""Pictures in memory: pixels and what belongs to them; and animations, whose frames come one by one."""

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
    """Pixels, upright, with their transparency, colour space and metadata.

    Attributes:
        pixels: uint8 or uint16 ``[H, W, C]``, C-contiguous, C = 1 (grey) or 3 (RGB); may be read-only.
        alpha: ``[H, W]`` of the same dtype, C-contiguous, 0 = transparent; None when the picture has no alpha.
        icc: the ICC profile the pixels are in; None means sRGB (or plain grey), where `cicp` says nothing else.
        cicp: what PNG's chunk cICP says of a colour space that no ICC profile describes, such as that of HDR; else
            None.
        dpi: pixels per inch, across and down; None when unknown.
        exif: Exif data as TIFF (without ``Exif\\0\\0``) and without what is true of the source file only, such as its
            orientation, size and thumbnail; None when there is none, or it is not to be kept.
        xmp: likewise, an XMP packet.
        source_format: what the picture came from, ``"PNG"``, ``"JPG"``, ``"WEBP"``, ``"GIF"``, ``"array"`` or
            ``"Pillow"``.
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
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    def dpi_at(self, width: int, height: int) -> tuple[float, float] | None:
        """The resolution that the picture has on the same paper with so many pixels."""
        return self.dpi and (self.dpi[0] * width / self.width, self.dpi[1] * height / self.height)

    def enlarged(self, pixels: Pixels, alpha: Pixels | None) -> Picture:
        """This picture with more pixels on the same paper."""
        height, width = pixels.shape[:2]
        return replace(self, pixels=pixels, alpha=alpha, dpi=self.dpi_at(width, height))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of an animation.

    Attributes:
        picture: all of what is shown, RGB with alpha.
        milliseconds: for which it is shown.
    """

    picture: Picture
    milliseconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Animation:
    """Pictures of one size that are shown one after the other.

    Attributes:
        width: of every frame, in columns.
        height: likewise, in rows.
        count: of its frames, at least 2.
        plays: how often they are shown; 0 for ever.
        cicp: see `Picture`.
        source_format: likewise.
        frames: gives them from the first on, each decoded when it is asked for; may be called again. Raises
            `DecodeError` where the file turns out to be corrupt.
    """

    width: int
    height: int
    count: int
    plays: int
    cicp: bytes | None
    source_format: str
    frames: Callable[[], Iterator[Frame]]
