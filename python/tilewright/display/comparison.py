"""A picture and its result on top of each other, with a slider between them, for notebooks."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions, data_uri
from tilewright.codecs.in_memory import picture_from_pillow
from tilewright.codecs.resize import downscale, to_16_bit
from tilewright.codecs.samples import array_from, picture_from_samples, to_integers
from tilewright.engine.result_size import final_size
from tilewright.inputs.forms import is_pillow_image
from tilewright.inputs.resolve import read_file
from tilewright.limits import UNLIMITED

if TYPE_CHECKING:
    from typing import Any

    from PIL.Image import Image

    from tilewright.codecs.samples import ArraySource
    from tilewright.literals import FileFormat
    from tilewright.picture import Picture

# Notebooks keep what they show, so larger pictures are reduced to this many pixels per side.
_LONGEST_SIDE = 2048

_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two pictures of the same content. A notebook shows them with a slider, see `compare`.

    Attributes:
        before: The picture on the left.
        after: The picture on the right.
        labels: Their names.
    """

    before: Picture
    after: Picture
    labels: tuple[str, str]

    def __repr__(self) -> str:
        before, after = (
            f"{label} ({picture.width} x {picture.height})"
            for label, picture in zip(self.labels, (self.before, self.after), strict=True)
        )
        return f"<Comparison of {before} and {after}>"

    def _repr_html_(self) -> str:
        """Returns HTML without references to other files. Arrow keys move the slider too."""
        before, after = map(html.escape, self.labels)
        return Template(files("tilewright.display").joinpath("comparison.html").read_text("utf-8")).substitute(
            before=before,
            after=after,
            before_size=f"{self.before.width} × {self.before.height}",
            after_size=f"{self.after.width} × {self.after.height}",
            before_url=_data_url(self.before),
            after_url=_data_url(self.after),
            width=self.after.width,
            height=self.after.height,
        )


def compare(
    before: str | os.PathLike[str] | Image | ArraySource,
    after: str | os.PathLike[str] | Image | ArraySource,
    *,
    labels: tuple[str, str] = ("before", "after"),
) -> Comparison:
    """Compares a picture with its result. Notebooks show both, with a slider between them.

    Args:
        before: A file, a Pillow image, or an array as for `Upscaler.upscale_array`.
        after: The same content, usually larger. It is shown at its size, as far as there is room, and
            `before` is stretched to the same size. Pictures of more than 2048 pixels per side are
            reduced for display; crop both to see details.
        labels: Names of both.

    Raises:
        SourceError: A file cannot be read.
        DecodeError: A file or Pillow image is not a still picture.
        TypeError: A value of another type.
    """
    return Comparison(_read(before), _read(after), labels)


def _read(value: Any) -> Picture:
    if isinstance(value, (str, os.PathLike)):
        return decode(read_file(Path(value), UNLIMITED))
    if is_pillow_image(value):
        return picture_from_pillow(value)
    return picture_from_samples(to_integers(array_from(value)))


def _data_url(picture: Picture) -> str:
    size = _LONGEST_SIDE, _LONGEST_SIDE
    if max(picture.width, picture.height) > _LONGEST_SIDE:
        size = final_size(picture.width, picture.height, size, "inside")
        picture = downscale(to_16_bit(picture), size, np.dtype(np.uint8))
    # WEBP files cannot state the colour spaces of HDR.
    file_format: FileFormat = "WEBP" if picture.cicp is None else "PNG"
    return data_uri(encode(picture, file_format, EncodeOptions(quality=_QUALITY)), file_format)
