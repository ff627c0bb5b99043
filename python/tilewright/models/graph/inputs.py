"""The image inputs of a graph and their layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def image_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Returns the graph's inputs without weights, which old exporters list as inputs too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def is_nhwc(image: onnx.ValueInfoProto) -> bool:
    """Returns whether an input of four dimensions has its channels last."""
    dims = image.type.tensor_type.shape.dim
    return dims[3].dim_value in (1, 3) and dims[1].dim_value not in (1, 3)
