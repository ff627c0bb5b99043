"""Detects the facts about an ONNX file, from its graph and by running it on a small picture.

The graph gives layout, element type and fixed size; runs on onnxruntime's CPU provider give the
rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from tilewright.errors import ModelError
from tilewright.literals import FACTORS
from tilewright.models.catalog_entry import EXACT_SEAM_ERROR
from tilewright.models.graph.cost import bytes_per_pixel, flops_per_pixel
from tilewright.models.graph.inputs import image_inputs, is_nhwc
from tilewright.models.graph.plain import make_plain
from tilewright.models.graph.receptive_field import receptive_radius
from tilewright.models.probe import natural_picture
from tilewright.models.spec import ModelSpec, check_channels, checked_fields
from tilewright.runtimes import onnxruntime_options, open_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

# Side of the test picture if the graph leaves it open, and the multiples that networks require in
# practice.
_SIZE = 64
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)

# Most pixels of a fixed input size. Inputs, outputs and activations of more would take many gigabytes.
_LARGEST_FIXED = 4096 * 4096

# A larger halo costs more than it is worth; the feather hides the remaining difference.
_LARGEST_EXACT_HALO = 64
_FEATHER = 16

# Transformers attend within windows of 7, 8, 16 or 32 pixels. Most have a power of two.
_WINDOW_GRID = 32

# A super-resolved picture that is downscaled again differs from its source by a few hundredths of
# the value range (root mean square). A larger difference means that the value range is wrong.
_LARGEST_DIFFERENCE = 0.2

_DTYPES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}

_Image = npt.NDArray[np.float32]


def load_onnx(path: Path) -> onnx.ModelProto:
    """Reads an ONNX file, with its external data if it has any, in plain form.

    See `tilewright.models.graph.plain`.

    Raises:
        ModelError: The file does not exist, or is not a readable ONNX file.
    """
    if not path.is_file():
        raise ModelError(f"there is no network file at {path}", parameter="model")
    try:
        model = onnx.load(path)
    except Exception as error:  # the loaders of protobuf and onnx share no base class
        raise ModelError(f"{path} is not a readable ONNX file: {error}", parameter="model") from error
    if not model.graph.node:
        raise ModelError(f"{path} is not a readable ONNX file: its graph is empty", parameter="model")
    make_plain(model)
    return model


def runtime_source(path: Path) -> str | bytes:
    """Returns what a runtime opens: the path of an ONNX file, or its content if the path is not Unicode.

    Runtimes take paths as text. They find external data by the path only.
    """
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return text


def inspect_onnx(path: Path, model: onnx.ModelProto, overrides: Mapping[str, object]) -> ModelSpec:
    """Detects the facts about a network that are not given.

    Args:
        path: The file, which the runtime opens.
        model: The same file, loaded.
        overrides: `ModelSpec` fields to use instead of detected values; lists are converted to
            tuples, as JSON has no tuples.

    Returns:
        The spec of the file as it is.

    Raises:
        ModelError: The network has not exactly one picture as input and one as output, its element
            type, layout or number of channels is not supported, its factor is not an integer, its
            output does not resemble its input, or an override is not a field of `ModelSpec`.
    """
    given = checked_fields(overrides)
    declared = _declared_spec(path, model)
    spec = replace(declared, **given)
    if spec.layout == declared.layout:
        check_channels(spec, declared.planes)
    probe = _Probe(path, spec)
    size = spec.fixed_size or (_SIZE, _SIZE)
    if "scale" not in given:
        spec = replace(spec, scale=probe.scale(size))
    if spec.scale not in FACTORS:
        raise ModelError(
            f"the network enlarges {spec.scale} times; supported are {', '.join(map(str, FACTORS))}", parameter="model"
        )
    if spec.fixed_size is None:
        if "multiple_of" not in given:
            spec = replace(spec, multiple_of=probe.multiple_of(spec.scale))
        if "minimum" not in given:
            spec = replace(spec, minimum=probe.minimum(spec.scale, spec.multiple_of))
    if "value_range" not in given:
        spec = replace(spec, value_range=probe.value_range(size))
    return replace(_with_graph_facts(spec, model), **given)


def inspected(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Inspects the file ``path`` with ``overrides``; returns the fields of its spec."""
    path = Path(arguments["path"])
    return dataclasses.asdict(inspect_onnx(path, load_onnx(path), arguments["overrides"]))


def _declared_spec(path: Path, model: onnx.ModelProto) -> ModelSpec:
    """Makes a spec from the graph's input; all other fields, also the scale, are unknown yet."""
    pictures = image_inputs(model)
    if len(pictures) != 1 or len(model.graph.output) != 1:
        raise ModelError(
            f"the network must have one input and one output, not {len(pictures)} and {len(model.graph.output)}",
            parameter="model",
        )
    tensor = pictures[0].type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
    if dtype is None:
        name = TensorProto.DataType.Name(tensor.elem_type)
        raise ModelError(f"the network's input must be float32 or float16, not {name}", parameter="model")
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(dims) != 4 or dims[0] not in (None, 1):
        raise ModelError(f"the network's input must be [N, C, H, W] or [N, H, W, C], not {dims}", parameter="model")

    layout = "NHWC" if is_nhwc(pictures[0]) else "NCHW"
    channels, height, width = (dims[3], dims[1], dims[2]) if layout == "NHWC" else (dims[1], dims[2], dims[3])
    if channels not in (None, 1, 3, 4) or (channels == 4 and layout == "NHWC"):
        raise ModelError(f"the network must take 1, 3 or 4 channels, but takes {channels} channels", parameter="model")
    if (height is None) != (width is None):
        raise ModelError(f"the network fixes only one side of its input ({height} x {width})", parameter="model")
    if height is not None and width is not None and height * width > _LARGEST_FIXED:
        raise ModelError(
            f"the network fixes its input to {width} x {height} pixels, but at most {_LARGEST_FIXED} pixels are "
            "supported; export it with a smaller or an open size",
            parameter="model",
        )
    return ModelSpec(
        name=path.stem,
        scale=1,
        layout=layout,
        channel_order={1: "Y", 4: "RGBA"}.get(channels or 3, "RGB"),
        dtype=dtype,
        fixed_size=None if height is None or width is None else (height, width),
        source=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _with_graph_facts(spec: ModelSpec, model: onnx.ModelProto) -> ModelSpec:
    radius = receptive_radius(model)
    spec = replace(
        spec,
        receptive_radius=radius,
        flops_per_pixel=flops_per_pixel(model),
        bytes_per_pixel=bytes_per_pixel(model),
    )
    if radius is None:
        spec = _on_window_grid(spec)
    side = math.inf if spec.fixed_size is None else min(spec.fixed_size)
    if radius is None or radius > min(_LARGEST_EXACT_HALO, side // 4):
        # At most about half of a tile of fixed size is discarded.
        share = min(_LARGEST_EXACT_HALO, side // 8)
        return replace(spec, halo=int(share), feather=int(min(_FEATHER, share)), seam_error=None)
    return replace(spec, halo=radius, feather=0, seam_error=EXACT_SEAM_ERROR)


def _on_window_grid(spec: ModelSpec) -> ModelSpec:
    """Lets tiles begin where the windows of attention begin. They are counted from the tile's first pixel."""
    if spec.fixed_size is None:
        return replace(spec, grid=_WINDOW_GRID)
    # With a fixed size, the picture is extended until the tiles fit.
    fits = all(side % _WINDOW_GRID == 0 for side in spec.fixed_size)
    return replace(spec, multiple_of=math.lcm(spec.multiple_of, _WINDOW_GRID)) if fits else spec


class _Probe:
    """Runs a network on small pictures to detect facts that its graph does not declare."""

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        try:
            self._session = open_onnx(runtime_source(path), onnxruntime_options())
        except Exception as error:  # the runtime's exceptions share no base class
            raise ModelError(f"onnxruntime cannot open {path}: {error}", parameter="model") from error
        self._input = self._session.get_inputs()[0].name
        self._nhwc = spec.layout == "NHWC"
        self._dtype = np.dtype(spec.dtype)
        self._channels = spec.planes
        self._patch: _Image | None = None  # of the last size

    def scale(self, size: tuple[int, int]) -> int:
        """Returns the number of output pixels per input pixel along each axis."""
        output = self._run(size, 1.0)
        if isinstance(output, Exception):
            raise ModelError(
                f"the network cannot run on a picture of {size[1]} x {size[0]}: {output}", parameter="model"
            ) from output
        (height, width), (out_height, out_width) = size, output.shape[:2]
        scale = int(out_height // height)
        if scale < 1 or (out_height, out_width) != (height * scale, width * scale):
            raise ModelError(
                f"the network's factor is not an integer: it turns {width} x {height} into {out_width} x {out_height}",
                parameter="model",
            )
        if output.shape[2] != self._channels:
            raise ModelError(
                f"the network must return as many channels as it takes, but returns {output.shape[2]} for "
                f"{self._channels}",
                parameter="model",
            )
        return scale

    def multiple_of(self, scale: int) -> int:
        """Returns the smallest supported step between sizes, of the multiples that are tried."""
        for multiple in _MULTIPLES:
            if self._fits(_SIZE + multiple, scale):
                return multiple
        raise ModelError(
            f"the network runs on {_SIZE} x {_SIZE} only, although its graph declares any size; give 'multiple_of' or "
            "'fixed_size'",
            parameter="model",
        )

    def minimum(self, scale: int, multiple: int) -> int:
        """Returns the smallest accepted size among `multiple` times a power of two."""
        side = multiple
        while side < _SIZE and not self._fits(side, scale):
            side *= 2
        return side

    def value_range(self, size: tuple[int, int]) -> tuple[float, float]:
        """Returns 0..1 or 0..255, depending on where the output resembles the input."""
        errors = {white: self._difference(size, white) for white in (1.0, 255.0)}
        # A network without constants gives the same error for both. Only a clear difference
        # indicates the rarer range.
        white = 255.0 if errors[255.0] < 0.5 * errors[1.0] else 1.0
        if not errors[white] <= _LARGEST_DIFFERENCE:
            raise ModelError(
                "the network's output resembles its input neither on 0..1 nor on 0..255; give its values of black and "
                "white, as in --spec value_range=0,1 or Upscaler(spec={'value_range': (0, 1)})",
                parameter="model",
            )
        return (0.0, white)

    def _difference(self, size: tuple[int, int], white: float) -> float:
        """Returns the RMS difference between input and downscaled output, for a range of 1."""
        output = self._run(size, white)
        if isinstance(output, Exception):
            return float("inf")
        height, width = size
        scale = output.shape[0] // height
        downscaled = output.reshape(height, scale, width, scale, -1).mean(axis=(1, 3)) / white
        return float(np.sqrt(np.mean((downscaled - self._picture(size)) ** 2)))

    def _fits(self, side: int, scale: int) -> bool:
        output = self._run((side, side), 1.0)
        return not isinstance(output, Exception) and output.shape[:2] == (side * scale, side * scale)

    def _picture(self, size: tuple[int, int]) -> _Image:
        if self._patch is None or self._patch.shape[:2] != size:
            self._patch = natural_picture(*size)
        patch = self._patch
        if self._channels == 4:
            return np.concatenate([patch, np.ones_like(patch[:, :, :1])], axis=2)
        return patch if self._channels == 3 else patch.mean(axis=2, keepdims=True)

    def _run(self, size: tuple[int, int], white: float) -> _Image | Exception:
        """Runs the network and returns ``[H, W, C]`` in 0..`white`, or the exception raised."""
        batch = (self._picture(size) * np.float32(white)).astype(self._dtype)[None]
        if not self._nhwc:
            batch = batch.transpose(0, 3, 1, 2)
        try:
            output = self._session.run(None, {self._input: np.ascontiguousarray(batch)})[0]
        except Exception as error:  # the runtime's exceptions share no base class
            return error
        if output.ndim != 4:
            return ValueError(f"its output has {output.ndim} dimensions, not 4")
        return np.asarray(output[0] if self._nhwc else output[0].transpose(1, 2, 0), dtype=np.float32)
