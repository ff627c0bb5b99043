"""Pictures in memory: pixels with colour space and metadata, and animations with lazy frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pixels = NDArray[np.uint8 | np.uint16]


class TextEntry(NamedTuple):
    """A text that is stored in a PNG file under a keyword, such as the prompt of an image generator.

    Attributes:
        keyword: 1 to 79 characters of Latin-1.
        text: The text.
        language: Language of the text, as in RFC 5646; empty if unknown.
        translated_keyword: The keyword in that language.
        compressed: Whether the text is compressed in the file.
    """

    keyword: str
    text: str
    language: str = ""
    translated_keyword: str = ""
    compressed: bool = False


class LeftOut(NamedTuple):
    """What a file contains and its `Picture` does not, each as a phrase such as ``"the gain map"``.

    Attributes:
        content: What is never carried to a result.
        metadata: What is carried if metadata is kept.
    """

    content: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()


NOTHING_LEFT_OUT = LeftOut()


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
            ``"array"`` or ``"Pillow"``.
        iptc: Datasets of IPTC metadata without such entries; None as for `exif`.
        text: Text of a PNG file without such entries; empty as for `exif`.
        measured_at: Width and height in pixels to which positions and sizes in the metadata refer;
            None for those of `pixels`.
        lossless: Whether the file was a lossless WEBP file.
        left_out: What the file contains besides.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    cicp: bytes | None = None
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    source_format: str = "array"
    iptc: bytes | None = None
    text: tuple[TextEntry, ...] = ()
    measured_at: tuple[int, int] | None = None
    lossless: bool = False
    left_out: LeftOut = NOTHING_LEFT_OUT

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
        return replace(
            self,
            pixels=pixels,
            alpha=alpha,
            dpi=self.dpi_at(width, height),
            measured_at=self.measured_at or (self.width, self.height),
        )


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
        lossless: As for `Picture`; True if every frame is lossless.
        text: As for `Picture`.
        left_out: As for `Picture`.
    """

    width: int
    height: int
    count: int
    plays: int
    cicp: bytes | None
    source_format: str
    frames: Callable[[], Iterator[Frame]]
    lossless: bool = False
    text: tuple[TextEntry, ...] = ()
    left_out: LeftOut = NOTHING_LEFT_OUT
