"""Facts about a network: its spec, and the tail that the canvas applies to its results."""

from __future__ import annotations

import dataclasses
import math
import numbers
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError, short_repr

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


CHOICES = {
    "channel_order": ("RGB", "BGR", "Y", "RGBA"),
    "layout": ("NCHW", "NHWC"),
    "dtype": ("float32", "float16"),
}
"""Values of the fields of `ModelSpec` that are names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Facts about a network that planning and inference need.

    Lengths are in input pixels unless stated otherwise.

    Attributes:
        name: Catalog name, or the stem of the user's file.
        scale: Output pixels per input pixel along each axis, including a rescale at the end of the
            network.
        layout: ``"NCHW"`` or ``"NHWC"``, for both input and output.
        channel_order: ``"RGB"`` or ``"BGR"``; ``"Y"`` for networks of one channel; ``"RGBA"`` for a
            file that takes and returns alpha, of which `load_model` makes a network for RGB.
        dtype: Element type of input and output, ``"float32"`` or ``"float16"``.
        value_range: Values of black and white.
        multiple_of: Tile width and height must be multiples of this.
        grid: Tile origins must be multiples of this, because results depend slightly on the position
            of a pixel modulo it.
        minimum: Smallest tile width and height that the network accepts.
        fixed_size: ``(height, width)`` if the graph accepts no other size; None if it accepts any.
        receptive_radius: Radius of the receptive field, from the graph; None if it is unknown or
            unbounded.
        halo: Overlap that is discarded at every inner tile edge.
        feather: Width of the cross-fade between neighbouring cores; 0 if the halo makes tiling
            exact.
        denoise: Denoising level that the network was trained for; None if it has no choice of
            levels.
        seam_error: Promised largest |tiled − whole| in float32, in steps of 1/255; None if it has
            not been measured.
        flops_per_pixel: Floating-point operations per input pixel.
        bytes_per_pixel: Estimated peak of live float32 activations, in bytes per input pixel.
        licence: SPDX identifier of the weights' licence, or a short statement.
        source: Where the weights come from.
        sha256: Checksum of the weight file.
    """

    name: str
    scale: int
    layout: str = "NCHW"
    channel_order: str = "RGB"
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)
    multiple_of: int = 1
    grid: int = 1
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

    @property
    def planes(self) -> int:
        """Number of channels of input and output: 1 for luma (``"Y"``), 3 for colour, 4 with alpha."""
        return {"Y": 1, "RGBA": 4}.get(self.channel_order, 3)


def round_up(length: int, multiple: int) -> int:
    """Returns the least multiple that is at least a length, such as of `ModelSpec.multiple_of`."""
    return -(-length // multiple) * multiple


def checked_fields(given: Mapping[str, object]) -> dict[str, Any]:
    """Checks the names of fields of `ModelSpec`; converts lists to tuples, as JSON has no tuples.

    Raises:
        ModelError: A name is not a field.
    """
    fields = {field.name for field in dataclasses.fields(ModelSpec)}
    for name in given:
        if name not in fields:
            raise ModelError(
                f"ModelSpec has no field {name!r}; its fields are {', '.join(sorted(fields))}", parameter="spec"
            )
    checked = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    for name, value in checked.items():
        if (wanted := _wanted(name, value)) is not None:
            raise ModelError(f"{name} must be {wanted}, not {short_repr(value)}", parameter="spec")
    return checked


def _wanted(name: str, value: Any) -> str | None:
    """Returns what a field must be; None if the value is valid."""
    if name in CHOICES:
        return None if value in CHOICES[name] else f"one of {', '.join(CHOICES[name])}"
    if name == "value_range":
        valid = _is_pair(value, numbers.Real) and all(map(math.isfinite, value)) and value[0] != value[1]
        return None if valid else "the values of black and white, two different numbers"
    if name == "fixed_size":
        valid = value is None or (_is_pair(value, numbers.Integral) and min(value) > 0)
        return None if valid else "a height and a width in pixels"
    if name in ("scale", "multiple_of", "grid", "minimum"):
        return None if _is_integer(value) and value > 0 else "an integer of 1 or more"
    if name in ("halo", "feather"):
        return None if _is_integer(value) and value >= 0 else "an integer of 0 or more"
    return None


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_pair(value: Any, kind: type) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, kind) for each in value)


def overridden(spec: ModelSpec, given: Mapping[str, object]) -> ModelSpec:
    """Returns a spec with fields that a user gave.

    Args:
        spec: Spec of a file that has been converted or inspected.
        given: Fields that replace those of `spec`.

    Raises:
        ModelError: A name is not a field, or a value contradicts what is known for certain.
    """
    fields = checked_fields(given)
    changed = replace(spec, **fields)
    check_channels(changed, spec.planes)
    for name in ("scale", "layout", "dtype", "fixed_size"):
        if getattr(changed, name) != getattr(spec, name):
            raise ModelError(
                f"{name}={fields[name]} does not fit {spec.name}, whose {name} is {getattr(spec, name)}",
                parameter="spec",
            )
    return changed


def check_channels(spec: ModelSpec, channels: int) -> None:
    """Checks the channel order of a spec.

    Args:
        spec: The spec.
        channels: Channels of the file's input.

    Raises:
        ModelError: It has another number of channels.
    """
    if spec.planes != channels:
        raise ModelError(
            f"channel_order={spec.channel_order} does not fit {spec.name}, which takes {channels} channels",
            parameter="spec",
        )


def spec_from_json(fields: Mapping[str, Any]) -> ModelSpec:
    """Makes a spec from `dataclasses.asdict` of one that went through JSON, which has no tuples."""
    known = {field.name for field in dataclasses.fields(ModelSpec)}  # another version may write others
    return ModelSpec(**checked_fields({name: value for name, value in fields.items() if name in known}))


@dataclass(frozen=True, slots=True)
class Model:
    """A network on disk: an ONNX file and its spec."""

    path: Path
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Tail:
    """Operations that remain after a network whose tail was cut off.

    Attributes:
        shuffle: Factor of the pixel shuffle: ``shuffle²`` channels become one plane, in the order
            of ``DepthToSpace`` in mode CRD.
        adds_input: Whether the network's input, enlarged `shuffle` times by repeating pixels, is
            added afterwards.
    """

    shuffle: int
    adds_input: bool

    def applied(self, result: NDArray[np.float32], batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Applies the tail to a whole batch, with the same result as the canvas.

        Args:
            result: Output of the network, ``[n, planes * shuffle², height, width]``.
            batch: Input of the network, ``[n, planes, height, width]``.

        Returns:
            The finished result, ``[n, planes, height * shuffle, width * shuffle]``.
        """
        count, planes, height, width = batch.shape
        side = self.shuffle
        parts = result.reshape(count, planes, side, side, height, width).transpose(0, 1, 4, 2, 5, 3)
        whole = parts.reshape(count, planes, height * side, width * side)
        return whole + batch.repeat(side, axis=2).repeat(side, axis=3) if self.adds_input else whole


NO_TAIL = Tail(shuffle=1, adds_input=False)
"""The tail of a network whose results are finished."""
