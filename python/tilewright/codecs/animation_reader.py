"""Reading of animated GIF, PNG and WEBP files with Pillow, frame by frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.colour import png_colour_space
from tilewright.codecs.lossless import is_lossless
from tilewright.codecs.messages import error_text
from tilewright.codecs.metadata import ORIENTATION, FileMetadata, exif_resolution, filter_metadata
from tilewright.codecs.png_chunks import leading_chunks, read_resolution
from tilewright.codecs.png_text import PngText, read_text
from tilewright.codecs.samples import SourceInfo, is_transposed, picture_from_samples
from tilewright.errors import DecodeError
from tilewright.picture import Animation, Frame

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_animation(data: bytes, kind: str, count: int, *, keep_metadata: bool = False) -> Animation:
    """Opens an animation whose frames are decoded on demand.

    Every frame is the whole picture that a viewer shows, composited with the frames before it:
    RGB with alpha, 8 bits.

    Args:
        data: The whole file.
        kind: ``"GIF"``, ``"PNG"`` or ``"WEBP"``.
        count: Number of frames according to the file.
        keep_metadata: As for `tilewright.codecs.decode.decode`.

    Raises:
        DecodeError: The file cannot be opened.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            loop = image.info.get("loop")
            exif, xmp, icc = (image.info.get(name) for name in ("exif", "xmp", "icc_profile"))
            orientation = image.getexif().get(ORIENTATION, 1)
            size = image.size
    except Exception as error:  # Pillow raises many types of exception for malformed data
        raise DecodeError(f"the {kind} file is corrupt or cut short: {error_text(error)}") from error
    chunks = leading_chunks(data) if kind == "PNG" else {}
    icc, cicp = png_colour_space(chunks, icc, grey=False)
    text = read_text(data) if kind == "PNG" else PngText()
    found = FileMetadata(exif, xmp, text.iptc, text)
    metadata = filter_metadata(found, data, keep=keep_metadata, rotated=orientation != 1)
    lossless = kind == "WEBP" and is_lossless(data)
    info = SourceInfo(
        icc=icc,
        cicp=cicp,
        orientation=orientation,
        dpi=read_resolution(chunks) or (exif_resolution(exif) if exif else None),
        metadata=metadata,
        source_format=kind,
        lossless=lossless,
    )
    width, height = size[::-1] if is_transposed(orientation) else size
    return Animation(
        width=width,
        height=height,
        count=count,
        plays=_plays(kind, loop),
        cicp=cicp,
        source_format=kind,
        frames=lambda: _frames(data, size, count, info),
        lossless=lossless,
        text=metadata.text,
        left_out=metadata.left_out,
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
                yield Frame(picture_from_samples(samples, info), float(image.info.get("duration", 0)))
    except GeneratorExit:
        raise
    except Exception as error:  # Pillow raises many types of exception for malformed data
        raise DecodeError(
            f"frame {number + 1} of the {count} in the {kind} file is corrupt or cut short: {error_text(error)}"
        ) from error
