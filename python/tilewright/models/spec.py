"""What is known about a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Facts about a network, all that planning and feeding it needs.

    Lengths are in input pixels unless said otherwise.

    Attributes:
        name: the catalog name, or the stem of the user's file.
        scale: output pixels per input pixel along each axis (the rescale tail, if any, included).
        layout: ``"NCHW"`` or ``"NHWC"``, of input and output alike.
        channel_order: ``"RGB"`` or ``"BGR"``; networks of one channel say ``"Y"``.
        dtype: element type of input and output, ``"float32"`` or ``"float16"``.
        value_range: the values that stand for black and white.
        multiple_of: tile width and height must be multiples of this.
        minimum: smallest tile width and height the network takes.
        fixed_size: ``(height, width)`` when the graph takes no other, else None.
        receptive_radius: how far a pixel's influence can reach, from the graph; None when unknown (unbounded).
        halo: context discarded at every inner tile edge.
        feather: width over which neighbouring cores are cross-faded; 0 for networks whose halo makes tiling exact.
        denoise: strength of denoising that it was trained for; None where there is no choice.
        seam_error: promised largest |tiled − whole| in steps of 1/255, in float32; None when nobody measured it.
        flops_per_pixel: floating-point operations per input pixel.
        bytes_per_pixel: estimated peak of live activations per input pixel in float32.
        licence: SPDX identifier of the weights' licence, or a short statement.
        source: where the weights come from.
        sha256: checksum of the weight file.
    """

    name: str
    scale: int
    layout: str = "NCHW"
    channel_order: str = "RGB"
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)
    multiple_of: int = 1
    minimum: int = 1
    fixed_size: tuple[int, int] | None = None
    receptive_radius: int | None = None
    halo: int = 0
    feather: int = 0
    seam_error: float | None = None
    denoise: str | None = None
    flops_per_pixel: float = 0.0
    bytes_per_pixel: float = 0.0
    licence: str = ""
    source: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A network on disk: an ONNX file and what is known about it."""

    path: Path
    spec: ModelSpec
