"""Reading of animated GIF, PNG and WEBP files with Pillow, frame by frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.messages import error_text
from tilewright.codecs.samples import is_transposed, picture_from_samples
from tilewright.errors import DecodeError
from tilewright.picture import Animation, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.codecs.samples import SourceInfo


def open_animation(data: bytes, count: int, info: SourceInfo) -> Animation:
    """Opens an animation whose frames are decoded on demand.

    Every frame is the whole picture that a viewer shows, composited with the frames before it:
    RGB with alpha, 8 bits.

    Args:
        data: The whole file.
        count: Number of frames in it.
        info: What the file says about its samples.

    Raises:
        DecodeError: The file cannot be opened.
    """
    from PIL import Image

    kind = info.source_format
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            loop, size = image.info.get("loop"), image.size
    except Exception as error:  # Pillow raises many types of exception for malformed data
        raise DecodeError(f"the {kind} file is corrupt or cut short: {error_text(error)}") from error
    width, height = size[::-1] if is_transposed(info.orientation) else size
    return Animation(
        width=width,
        height=height,
        count=count,
        plays=_plays(kind, loop),
        cicp=info.cicp,
        source_format=kind,
        frames=lambda: _frames(data, size, count, info),
        lossless=info.lossless,
        text=info.metadata.text,
        left_out=info.metadata.left_out,
    )


def _plays(kind: str, loop: Any) -> int:
    """Returns how often an animation plays, 0 for endlessly.

    A GIF file stores the number of repetitions, and nothing if it plays once. PNG and WEBP files
    store the number of plays.
    """
    if kind != "GIF":
        return int(loop or 0)
    if loop is None:
        return 1
    return int(loop) + 1 if loop else 0


def _frames(data: bytes, size: tuple[int, int], count: int, info: SourceInfo) -> Iterator[Frame]:
    from PIL import Image

    kind = info.source_format
    number = 0
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            # A PNG file may begin with a default image that is not part of the animation.
            first = 1 if getattr(image, "default_image", False) else 0
            for number in range(count):
                image.seek(first + number)
                if image.size != size:  # Pillow extends the canvas for a GIF frame beyond the screen
                    raise ValueError(f"the frame extends beyond the {size[0]} x {size[1]} pixels of the animation")
                samples = np.asarray(image.convert("RGBA"))
                # Pillow counts the time of a WEBP file in 32 bits, and its differences wrap around.
                milliseconds = float(image.info.get("duration", 0)) % 2**32
                yield Frame(picture_from_samples(samples, info), milliseconds)
    except GeneratorExit:
        raise
    except Exception as error:  # Pillow raises many types of exception for malformed data
        raise DecodeError(
            f"frame {number + 1} of the {count} in the {kind} file is corrupt or cut short: {error_text(error)}"
        ) from error
