"""A network for RGB from one that takes and returns RGBA."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tilewright.errors import ModelError
from tilewright.models.graph.ends import with_ends
from tilewright.models.graph.inputs import image_inputs

_PREFIX = "alpha_plane"

# The first one whose Slice takes its limits as inputs.
_OLDEST_OPSET = 10


def without_alpha(model: onnx.ModelProto, *, white: float) -> onnx.ModelProto:
    """Gives a network constant, opaque alpha, and drops the alpha of its result.

    Alpha of pictures goes through networks on its own, as for all other networks.

    Args:
        model: A network with NCHW input and output of 4 channels, opset 10 or later; it is not
            changed.
        white: The network's value of opaque alpha.

    Returns:
        The network for 3 channels. Names and element types of input and output are kept.

    Raises:
        ModelError: The opset is older.
    """
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < _OLDEST_OPSET:
        raise ModelError(
            f"the network's opset is {opset}, but a network for RGBA needs {_OLDEST_OPSET} or later; export it again",
            parameter="model",
        )
    image, result = image_inputs(model)[0], model.graph.output[0]
    inner_image, inner_result = f"{_PREFIX}/image", f"{_PREFIX}/result"
    dtype = helper.tensor_dtype_to_np_dtype(image.type.tensor_type.elem_type)
    # A convolution that reads nothing of the picture gives a plane of its size.
    constants = {
        "zeros": np.zeros((1, 3, 1, 1), dtype),
        "white": np.full(1, white, dtype),
        "begin": np.array([0], np.int64),
        "end": np.array([3], np.int64),
        "axis": np.array([1], np.int64),
    }
    names = {name: f"{_PREFIX}/{name}" for name in constants}
    before = [
        helper.make_node("Conv", [image.name, names["zeros"], names["white"]], [f"{_PREFIX}/alpha"]),
        helper.make_node("Concat", [image.name, f"{_PREFIX}/alpha"], [inner_image], axis=1),
    ]
    after = [helper.make_node("Slice", [inner_result, names["begin"], names["end"], names["axis"]], [result.name])]
    changed = with_ends(model, (inner_image, inner_result), before, after)
    changed.graph.initializer.extend(numpy_helper.from_array(value, names[name]) for name, value in constants.items())
    for value in (image_inputs(changed)[0], changed.graph.output[0]):
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 4:
            dims[1].dim_value = 3
    return changed
