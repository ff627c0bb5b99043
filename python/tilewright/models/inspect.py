"""What any ONNX file wants and gives, found from its graph and by running it on a small picture.

The graph tells layout, element type and fixed sizes; runs on onnxruntime's CPU provider tell the rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from tilewright.errors import ModelError
from tilewright.models.catalog_entry import EXACT_SEAM_ERROR
from tilewright.models.graph.cost import bytes_per_pixel, flops_per_pixel, images, is_nhwc
from tilewright.models.graph.receptive_field import receptive_radius
from tilewright.models.probe import natural_patch
from tilewright.models.spec import ModelSpec
from tilewright.runtimes import import_runtime, onnxruntime_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Probe size where the graph leaves it open, and the multiples that networks demand in practice.
_SIZE = 64
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)

# A halo larger than this costs more than it saves: the rest is left to the feather.
_LARGEST_EXACT_HALO = 64
_FEATHER = 16

# A super-resolved picture, shrunk again, differs from its source by a few hundredths (root mean square, of a range
# of 1); beyond this it is another picture.
_LARGEST_LIKENESS_ERROR = 0.2

_DTYPES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}

_Image = npt.NDArray[np.float32]


def load_onnx(path: Path) -> onnx.ModelProto:
    """Reads an ONNX file, with its external data if it has any.

    Raises:
        ModelError: no such file, or not ONNX.
    """
    if not path.is_file():
        raise ModelError(f"There is no ONNX file at {path}.", parameter="model")
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's and onnx's loaders share no base class
        raise ModelError(f"{path} is not a readable ONNX file: {error}.", parameter="model") from error
    if not model.graph.node:
        raise ModelError(f"{path} is not a readable ONNX file: its graph is empty.", parameter="model")
    return model


def inspect_onnx(path: Path, model: onnx.ModelProto, overrides: Mapping[str, object]) -> ModelSpec:
    """Finds out what is not given.

    Args:
        path: the file, for the runtime.
        model: the same file, loaded.
        overrides: `ModelSpec` fields that are known; they are believed. JSON lists do for tuples.

    Returns:
        The spec of the file as it is.

    Raises:
        ModelError: not one picture in and one out; a type, layout or channel count that is not supported; no whole
            factor; output that does not resemble the input; an override that is no field of `ModelSpec`.
    """
    given = _checked(overrides)
    facts: dict[str, Any] = {
        "name": path.stem,
        "source": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **_static_facts(model),
        **given,
    }
    probe = _Probe(path, facts)
    size = facts["fixed_size"] or (_SIZE, _SIZE)
    if "scale" not in given:
        facts["scale"] = probe.scale(size)
    if facts["fixed_size"] is None:
        if "multiple_of" not in given:
            facts["multiple_of"] = probe.multiple_of(facts["scale"])
        if "minimum" not in given:
            facts["minimum"] = probe.minimum(facts["scale"], facts["multiple_of"])
    if "value_range" not in given:
        facts["value_range"] = probe.value_range(size)
    facts.update(_graph_facts(model))
    facts.update(given)
    return ModelSpec(**facts)


def _checked(overrides: Mapping[str, object]) -> dict[str, Any]:
    fields = {field.name for field in dataclasses.fields(ModelSpec)}
    for name in overrides:
        if name not in fields:
            raise ModelError(f"{name!r} is no fact about a network; known are {', '.join(sorted(fields))}.")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in overrides.items()}


def _static_facts(model: onnx.ModelProto) -> dict[str, Any]:
    """Layout, channels, element type and fixed size, as far as the graph tells."""
    pictures = images(model)
    if len(pictures) != 1 or len(model.graph.output) != 1:
        raise ModelError(
            f"A network with one input and one output is expected; this one has {len(pictures)} and "
            f"{len(model.graph.output)}.",
            parameter="model",
        )
    tensor = pictures[0].type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
    if dtype is None:
        name = TensorProto.DataType.Name(tensor.elem_type)
        raise ModelError(
            f"The network's input is of type {name}; float32 and float16 are supported.", parameter="model"
        )
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    if len(dims) != 4 or dims[0] not in (None, 1):
        raise ModelError(
            f"A network with input [N, C, H, W] or [N, H, W, C] is expected, not {dims}.", parameter="model"
        )

    layout = "NHWC" if is_nhwc(pictures[0]) else "NCHW"
    channels, height, width = (dims[3], dims[1], dims[2]) if layout == "NHWC" else (dims[1], dims[2], dims[3])
    if channels not in (None, 1, 3):
        raise ModelError(f"The network takes {channels} channels; 1 and 3 are supported.", parameter="model")
    if (height is None) != (width is None):
        raise ModelError(f"The network fixes one side of its input only ({height} x {width}).", parameter="model")
    return {
        "layout": layout,
        "channel_order": "Y" if channels == 1 else "RGB",
        "dtype": dtype,
        "fixed_size": None if height is None else (height, width),
    }


def _graph_facts(model: onnx.ModelProto) -> dict[str, Any]:
    radius = receptive_radius(model)
    exact = radius is not None and radius <= _LARGEST_EXACT_HALO
    return {
        "receptive_radius": radius,
        "halo": radius if exact else _LARGEST_EXACT_HALO,
        "feather": 0 if exact else _FEATHER,
        "seam_error": EXACT_SEAM_ERROR if exact else None,
        "flops_per_pixel": flops_per_pixel(model),
        "bytes_per_pixel": bytes_per_pixel(model),
    }


class _Probe:
    """The network, open for small runs."""

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        ort = import_runtime("onnxruntime")
        try:
            self._session = ort.InferenceSession(str(path), onnxruntime_options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions share no base class
            raise ModelError(f"onnxruntime cannot open {path}: {error}", parameter="model") from error
        self._input = self._session.get_inputs()[0].name
        self._nhwc = facts["layout"] == "NHWC"
        self._dtype = np.dtype(facts["dtype"])
        self._channels = 1 if facts["channel_order"] == "Y" else 3

    def scale(self, size: tuple[int, int]) -> int:
        """Output pixels per input pixel."""
        output = self._run(size, 1.0)
        if isinstance(output, Exception):
            raise ModelError(
                f"The network cannot run on a picture of {size[1]} x {size[0]}: {output}", parameter="model"
            ) from output
        (height, width), (out_height, out_width) = size, output.shape[:2]
        scale = int(out_height // height)
        if scale < 1 or (out_height, out_width) != (height * scale, width * scale):
            raise ModelError(
                f"The network makes {out_width} x {out_height} of {width} x {height}, which is no whole factor.",
                parameter="model",
            )
        if output.shape[2] != self._channels:
            raise ModelError(
                f"The network makes {output.shape[2]} channels of {self._channels}; as many are expected.",
                parameter="model",
            )
        return scale

    def multiple_of(self, scale: int) -> int:
        """The smallest tried number of which height and width must be multiples."""
        for multiple in _MULTIPLES:
            if self._fits(_SIZE + multiple, scale):
                return multiple
        raise ModelError(
            f"The network runs on {_SIZE} x {_SIZE} only, yet its graph says that any size will do; give "
            "'multiple_of' or 'fixed_size'.",
            parameter="model",
        )

    def minimum(self, scale: int, multiple: int) -> int:
        """The smallest of `multiple`, twice, four times … that the network takes."""
        side = multiple
        while side < _SIZE and not self._fits(side, scale):
            side *= 2
        return side

    def value_range(self, size: tuple[int, int]) -> tuple[float, float]:
        """Whether the network works on 0..1 or on 0..255: in which its output resembles its input."""
        errors = {white: self._likeness_error(size, white) for white in (1.0, 255.0)}
        # A network without constants treats both alike; only a clear difference speaks for the rarer range.
        white = 255.0 if errors[255.0] < 0.5 * errors[1.0] else 1.0
        if not errors[white] <= _LARGEST_LIKENESS_ERROR:
            raise ModelError(
                "The network's output resembles its input neither on 0..1 nor on 0..255; give 'value_range'.",
                parameter="model",
            )
        return (0.0, white)

    def _likeness_error(self, size: tuple[int, int], white: float) -> float:
        """Root-mean-square difference of the input and the shrunk output, of a range of 1."""
        output = self._run(size, white)
        if isinstance(output, Exception):
            return float("inf")
        height, width = size
        scale = output.shape[0] // height
        shrunk = output.reshape(height, scale, width, scale, -1).mean(axis=(1, 3)) / white
        return float(np.sqrt(np.mean((shrunk - self._picture(size)) ** 2)))

    def _fits(self, side: int, scale: int) -> bool:
        output = self._run((side, side), 1.0)
        return not isinstance(output, Exception) and output.shape[:2] == (side * scale, side * scale)

    def _picture(self, size: tuple[int, int]) -> _Image:
        patch = natural_patch(*size)
        return patch if self._channels == 3 else patch.mean(axis=2, keepdims=True)

    def _run(self, size: tuple[int, int], white: float) -> _Image | Exception:
        """Runs the network; ``[H, W, C]`` in 0..`white`, or what went wrong."""
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
