"""Builder of the ONNX graph of a converted ncnn network."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tilewright.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.models.ncnn.files import Layer, WeightReader

# Opset 17 and its IR version 8: every supported runtime reads them, and they have all operations
# that are emitted.
OPSET = 17
IR_VERSION = 8

CHANNELS = 3


class Graph:
    """Builds the ONNX graph, layer by layer.

    Attributes:
        weights: Reader of the ``.bin`` file.
        vectors: Names of tensors that hold one value per channel, ``[n, C, 1, 1]``.
    """

    def __init__(self, layers: list[Layer], weights: WeightReader, *, padding: int, adds_input: int) -> None:
        self.weights = weights
        self.vectors: set[str] = set()
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._tensor_of_blob = {_only_input(layers): "input"}
        self._output_blob = _only_output(layers)
        self._adds_input = adds_input
        if padding:
            pads = self.integers("pads", [0, 0, padding, padding, 0, 0, padding, padding])
            padded = self.node("Pad", ["input", pads], "padded", mode="reflect")
            self._tensor_of_blob = {_only_input(layers): padded}

    def tensor(self, blob: str, layer: Layer) -> str:
        """Returns the ONNX tensor of an ncnn blob.

        Raises:
            ModelError: No earlier layer writes the blob.
        """
        try:
            return self._tensor_of_blob[blob]
        except KeyError:
            raise ModelError(f"{layer}: no earlier layer writes its input {blob!r}") from None

    def inputs(self, layer: Layer) -> list[str]:
        """Returns the ONNX tensors that a layer reads."""
        return [self.tensor(blob, layer) for blob in layer.inputs]

    def input(self, layer: Layer) -> str:
        """Returns the ONNX tensor of a layer that must have exactly one input."""
        return self.tensor(_single(layer, layer.inputs, "input"), layer)

    def output(self, layer: Layer) -> str:
        """Names the output tensor of a layer that must have exactly one.

        A prefix keeps blob names distinct from ``input`` and ``output``.
        """
        blob = _single(layer, layer.outputs, "output")
        name = "output" if blob == self._output_blob and not self._adds_input else f"blob/{blob}"
        self._tensor_of_blob[blob] = name
        return name

    def alias(self, blob: str, tensor: str) -> None:
        """Maps a blob to an existing tensor."""
        self._tensor_of_blob[blob] = tensor

    def constant(self, name: str, value: npt.NDArray[np.float32]) -> str:
        """Adds a float32 constant and returns its name."""
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Adds an int64 constant (positions, axes) and returns its name."""
        self._initializers.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Appends an ONNX node and returns the name of its output."""
        self._nodes.append(helper.make_node(op, inputs, [output], name=f"{op}:{output}", **attributes))
        return output

    def build(self) -> onnx.ModelProto:
        """Returns the model, validated by onnx's checker.

        Raises:
            ModelError: The graph is not valid.
        """
        if self._adds_input:
            self._add_enlarged_input()
        graph = helper.make_graph(
            self._nodes,
            "tilewright",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", CHANNELS, "h", "w"])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", CHANNELS, "out_h", "out_w"])],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="tilewright",
        )
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise ModelError(f"the ncnn network does not convert to a valid ONNX graph: {error}") from error
        return model

    def _add_enlarged_input(self) -> None:
        scales = self.constant("scales", np.array([1, 1, self._adds_input, self._adds_input], np.float32))
        enlarged = self.node("Resize", ["input", "", scales], "enlarged", **REPEATED)
        self.node("Add", [self._tensor_of_blob[self._output_blob], enlarged], "output")


# Attributes of a Resize that repeats pixels.
REPEATED = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def _single(layer: Layer, blobs: tuple[str, ...], what: str) -> str:
    if len(blobs) != 1:
        raise ModelError(f"{layer}: exactly one {what} is expected, not {len(blobs)}")
    return blobs[0]


def _only_input(layers: list[Layer]) -> str:
    blobs = [blob for layer in layers if layer.kind == "Input" for blob in layer.outputs]
    if len(blobs) != 1:
        raise ModelError(f"the ncnn network must have exactly one input, but has {len(blobs)}")
    return blobs[0]


def _only_output(layers: list[Layer]) -> str:
    read = Counter(blob for layer in layers for blob in layer.inputs)
    unread = [blob for layer in layers for blob in layer.outputs if blob not in read]
    if len(unread) != 1:
        raise ModelError(f"the ncnn network must have exactly one output, but has {len(unread)}: {unread}")
    return unread[0]
