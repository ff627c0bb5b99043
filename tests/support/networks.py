"""Small ONNX networks, and ways to run networks, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tilewright.models.probe import natural_patch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Attributes of a Resize that repeats pixels.
REPEAT = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}


def network(
    nodes: Sequence[NodeProto],
    constants: Mapping[str, Any] | None = None,
    *,
    shape: Sequence[int | str | None] = (1, 3, "h", "w"),
    output_shape: Sequence[int | str | None] | None = None,
    dtype: int = TensorProto.FLOAT,
    inputs: Sequence[str] = ("x",),
) -> ModelProto:
    """Makes a model from ``x`` to ``y``; by default the output has the channels of the input."""
    output_shape = (*shape[:2], "oh", "ow") if output_shape is None else output_shape
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, dtype, shape) for name in inputs],
        [helper.make_tensor_value_info("y", dtype, output_shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def resize(source: str, target: str, scales: str, **attributes: Any) -> NodeProto:
    """Makes a Resize by constant scales."""
    return helper.make_node("Resize", [source, "", scales], [target], **attributes)


def run(model: ModelProto | Path, batch: np.ndarray) -> np.ndarray:
    """Runs a model with one input and one output on onnxruntime's CPU provider."""
    import onnxruntime

    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: batch})[0])


def natural_batch(height: int, width: int) -> np.ndarray:
    """Makes a natural picture as float32 ``[1, 3, height, width]`` in 0..1."""
    return np.ascontiguousarray(natural_patch(height, width).transpose(2, 0, 1)[None])
