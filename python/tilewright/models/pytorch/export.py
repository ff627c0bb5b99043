"""Exports a PyTorch network to ONNX and compares the result with PyTorch."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch

from tilewright.errors import ModelError, first_line
from tilewright.models.probe import natural_picture
from tilewright.models.spec import round_up
from tilewright.runtimes import onnxruntime_options, open_onnx

if TYPE_CHECKING:
    import spandrel

# ONNX Runtime and OpenVINO have supported it for years. It is the newest one of torch's exporter.
_OPSET = 17

# Sizes of pictures to trace. Some networks extend a picture to whole windows, or keep masks for one
# size. What is not done for the traced picture is missing in the graph: so a size with odd sides comes
# first, for which all is done. The other one suits networks that extend pictures by constant amounts.
_TRACED = ((53, 71), (64, 64))

# Sizes of pictures to compare. No side divides a side of another size, so that a size that was
# written into the graph shows.
_COMPARED = ((56, 88), (104, 72))

# Sizes must be a multiple of one of these, if the network does not ask for more.
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)

# Side of the tiles of a network that runs at one size only. A larger tile has relatively less halo,
# and attention takes more memory.
_FIXED = 256

# Largest difference between ONNX Runtime and PyTorch, relative to the largest value of the result.
# Rounding makes up to 1e-4; a mask of the wrong size made 3e-3.
_TOLERANCE = 5e-4


@dataclass(frozen=True, slots=True)
class Exported:
    """A network in ONNX.

    Attributes:
        model: The network, from ``input`` to ``output``, NCHW.
        fixed_size: ``(height, width)`` if it runs at this size only; None if at any.
        multiple_of: Heights and widths must be multiples of this.
        minimum: Smallest height and width.
    """

    model: onnx.ModelProto
    fixed_size: tuple[int, int] | None
    multiple_of: int
    minimum: int


def export(descriptor: spandrel.ImageModelDescriptor[Any]) -> Exported:
    """Exports a network.

    It runs at any size if the exported network agrees with PyTorch at sizes that were not traced.
    Some networks compute constants for the size that is traced; they get one size.

    Raises:
        ModelError: torch cannot export the network, or the result is wrong even at the size that
            was traced.
    """
    needs = descriptor.size_requirements
    if not needs.square and (exported := _export_open(descriptor)) is not None:
        return exported
    side = round_up(max(_FIXED, needs.minimum), math.lcm(needs.multiple_of, 8))
    model = _traced(descriptor, (side, side), is_open=False)
    difference = _difference(descriptor, model, [(side, side)])
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"the exported {descriptor.architecture.id} network differs from PyTorch's by {difference:.1e} of its "
            "largest value",
            parameter="model",
        )
    return Exported(model, (side, side), 1, side)


def _export_open(descriptor: spandrel.ImageModelDescriptor[Any]) -> Exported | None:
    """Exports a network for any size; returns None if that does not work."""
    found = None
    for size in _TRACED:
        exported = _export_from(descriptor, size)
        if exported is not None and (found is None or exported.multiple_of < found.multiple_of):
            found = exported
        if found is not None and found.multiple_of == descriptor.size_requirements.multiple_of:
            break
    return found


def _export_from(descriptor: spandrel.ImageModelDescriptor[Any], size: tuple[int, int]) -> Exported | None:
    """Traces one size, and finds the smallest multiple at which the network is right at other sizes."""
    needs = descriptor.size_requirements
    height, width = (round_up(max(side, needs.minimum), needs.multiple_of) for side in size)
    try:
        model = _traced(descriptor, (height, width), is_open=True)
    except ModelError:
        return None
    for multiple in dict.fromkeys(math.lcm(needs.multiple_of, each) for each in _MULTIPLES):
        # One step beyond a multiple of the next larger step, so that no larger step would do as well.
        sizes = [
            tuple(round_up(max(length, needs.minimum), 2 * multiple) + multiple for length in compared)
            for compared in _COMPARED
        ]
        if _difference(descriptor, model, sizes) <= _TOLERANCE:
            return Exported(model, None, multiple, round_up(max(needs.minimum, multiple), multiple))
        if multiple >= _MULTIPLES[-1]:
            break
    return None


class _Network(torch.nn.Module):
    """A network as spandrel calls it: some take more inputs, or return more results."""

    def __init__(self, descriptor: spandrel.ImageModelDescriptor[Any]) -> None:
        super().__init__()
        self.network = descriptor.model
        self._descriptor = descriptor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self._descriptor(image)


def _traced(descriptor: spandrel.ImageModelDescriptor[Any], size: tuple[int, int], *, is_open: bool) -> onnx.ModelProto:
    axes = {2: "height", 3: "width"}
    names = {"input": axes, "output": {axis: f"result_{name}" for axis, name in axes.items()}}
    content = io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints graphs that it cannot export
        try:
            with torch.no_grad():
                torch.onnx.export(
                    _Network(descriptor).eval(),
                    (_picture(descriptor, size),),
                    content,  # type: ignore[arg-type]  # the exporter without dynamo takes files too
                    dynamo=False,
                    input_names=["input"],
                    output_names=["output"],
                    opset_version=_OPSET,
                    dynamic_axes=names if is_open else None,
                )
        except Exception as error:  # the exporter and the networks raise all kinds of exceptions
            raise ModelError(
                f"torch cannot export this {descriptor.architecture.id} network to ONNX: {first_line(error)}",
                parameter="model",
            ) from error
    model = onnx.load_model_from_string(content.getvalue())
    if any(node.op_type.startswith("Random") for node in model.graph.node):
        raise ModelError(
            f"this {descriptor.architecture.id} network adds random noise, so no two results of it are the same",
            parameter="model",
        )
    return model


def _difference(descriptor: spandrel.ImageModelDescriptor[Any], model: onnx.ModelProto, sizes: list[Any]) -> float:
    """Returns the largest difference at some sizes relative to the largest value; infinity if it does not run."""
    try:
        session = open_onnx(model.SerializeToString(), onnxruntime_options())
    except Exception:  # the runtime's exceptions share no base class
        return math.inf
    worst = 0.0
    for size in sizes:
        picture = _picture(descriptor, size)
        # A copy: some networks change their input.
        expected = np.asarray(descriptor(picture.clone()).numpy())
        try:
            result = np.clip(session.run(None, {"input": picture.numpy()})[0], 0, 1)
        except Exception:  # the runtime's exceptions share no base class
            return math.inf
        if result.shape != expected.shape or not (np.isfinite(result).all() and np.isfinite(expected).all()):
            return math.inf
        worst = max(worst, float(np.abs(result - expected).max()) / max(float(np.abs(expected).max()), 1e-6))
    return worst


def _picture(descriptor: spandrel.ImageModelDescriptor[Any], size: tuple[int, int]) -> torch.Tensor:
    planes = natural_picture(*size).transpose(2, 0, 1)
    channels = descriptor.input_channels
    if channels == 4:
        planes = np.concatenate([planes, np.ones_like(planes[:1])])
    return torch.from_numpy(np.ascontiguousarray(planes[:channels])[None])
