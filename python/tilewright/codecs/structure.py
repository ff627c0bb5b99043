"""Structure of a file, read before any decoder sees it: number of frames, and place of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.codecs import animated_png, gif, webp

if TYPE_CHECKING:
    from tilewright.codecs.animated_png import PngAnimation


@dataclass(frozen=True, slots=True)
class Structure:
    """Structure of a file.

    Attributes:
        data: File for the decoder of stills: the whole file, or the one frame of an animation.
        frames: Number of frames; 1 for a still picture.
        screen: Least width and height of the picture.
        frame: Left, top, width and height of the one frame in the picture; what lies outside is
            transparent, as in browsers. None if the frame fills the picture.
        png: Frames of an animated PNG file; None for other files.
    """

    data: bytes
    frames: int = 1
    screen: tuple[int, int] = (0, 0)
    frame: tuple[int, int, int, int] | None = None
    png: PngAnimation | None = None

    def frames_data(self) -> bytes:
        """Returns the file for the decoder of animations."""
        return self.data if self.png is None else animated_png.repacked(self.data, self.png)

    def size(self, image: Any) -> tuple[int, int]:
        """Returns width and height of the whole picture in pixels.

        Args:
            image: Opened libvips image.
        """
        return max(self.screen[0], image.width), max(self.screen[1], image.height)

    def placed(self, image: Any) -> Any:
        """Returns the whole picture as a libvips image.

        Args:
            image: Opened libvips image: the whole picture, its upper left part, or the frame alone.
        """
        size = self.size(image)
        left, top, width, height = self.frame or (0, 0, *size)
        if left == top == 0 and width >= size[0] and height >= size[1]:
            return image
        if (image.width, image.height) != (width, height):
            image = image.crop(left, top, min(width, image.width - left), min(height, image.height - top))
        with_alpha = image if image.hasalpha() else image.addalpha()
        return with_alpha.embed(left, top, *size, extend="background", background=[0] * with_alpha.bands)


def read_structure(data: bytes, kind: str) -> Structure:
    """Reads the structure of a file in time proportional to its length.

    Args:
        data: The whole file.
        kind: Its format, see `tilewright.codecs.decode.sniff`.

    Raises:
        DecodeError: The file is cut short or damaged in a way that the decoder would not notice, or
            it has too many chunks or blocks.
    """
    if kind == "GIF":
        width, height, frames, first = gif.read_structure(data)
        # libvips ignores screens of sizes that were common for monitors, and those above 2048 pixels
        # per side.
        return Structure(data, frames, screen=(width, height), frame=first)
    if kind == "WEBP":
        return Structure(data, webp.count_frames(data))
    if kind == "PNG" and (animation := animated_png.read_animation(data)) is not None:
        screen = animation.width, animation.height
        if len(animation.frames) > 1:
            return Structure(data, len(animation.frames), screen, png=animation)
        only = animation.frames[0]
        return Structure(
            animated_png.frame_as_still(data, only), 1, screen, (only.left, only.top, only.width, only.height)
        )
    return Structure(data)
