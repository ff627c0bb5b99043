"""Writes a trained network as an ONNX file, with what it is and where it comes from inside.

    python -m training.export CHECKPOINT FILE.onnx [--version 1] [--metrics FILE.json]

Weights are stored as float16, which halves the file; runtimes widen them when they load it. Input and output are
float32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tilewright.files import whole_file
from tilewright.models.ncnn_graph import IR_VERSION, OPSET
from training import checkpoints
from training.network import block_of, places_first, scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

NAME = "tilewright-photo"
LICENCE = "Apache-2.0 AND BSD-3-Clause"
TRAINING_DATA = "photographs listed in training/LICENCES.md, degraded; targets by realesrgan-x4plus (BSD-3-Clause)"


class _Graph:
    """The ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def weight(self, name: str, value: torch.Tensor) -> str:
        """Stores a weight as float16 and returns the name under which it is float32."""
        array = value.float().cpu().numpy().astype(np.float16)
        self.initializers.append(numpy_helper.from_array(array, f"{name}.float16"))
        return self.node("Cast", [f"{name}.float16"], name, to=TensorProto.FLOAT)

    def convolution(self, weights: Mapping[str, torch.Tensor], layer: str, source: str) -> str:
        inputs = [source, *(self.weight(f"{layer}.{kind}", weights[f"{layer}.{kind}"]) for kind in ("weight", "bias"))]
        return self.node("Conv", inputs, layer, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def to_onnx(weights: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The graph of a `Network` with these weights: ``input`` ``[n, 3, h, w]`` to ``output``, values in 0..1."""
    scale, block = scale_of(weights), block_of(weights)
    weights = {**weights, "body.0.weight": places_first(weights["body.0.weight"])}
    graph = _Graph()
    last = graph.node("SpaceToDepth", ["input"], "squares", blocksize=block)
    layers = sorted({int(name.split(".")[1]) for name in weights if name.startswith("body.")})
    for index in layers:
        layer = f"body.{index}"
        if f"{layer}.bias" in weights:
            last = graph.convolution(weights, layer, last)
        else:
            slope = weights[f"{layer}.weight"].reshape(-1, 1, 1)
            last = graph.node("PRelu", [last, graph.weight(f"{layer}.weight", slope)], layer)
    last = graph.convolution(weights, "head", last)
    # Back to the input's pixels, and then on: the canvas does the second step, which it knows.
    last = graph.node("DepthToSpace", [last], "pixels", blocksize=block, mode="CRD")
    graph.node("DepthToSpace", [last], "details", blocksize=scale, mode="CRD")
    graph.initializers.append(numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "scales"))
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    graph.node("Resize", ["input", "", "scales"], "enlarged", **nearest)
    graph.node("Add", ["details", "enlarged"], "output")

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            NAME,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3, "out_h", "out_w"])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tilewright",
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return model


def describe(scale: int, step: int, *, version: str, metrics: str) -> dict[str, str]:
    """What the file says of itself."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return {
        "name": f"{NAME} x{scale}",
        "version": version,
        "licence": LICENCE,
        "training_data": TRAINING_DATA,
        "steps": str(step),
        "commit": commit,
        "metrics": metrics,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument("--metrics", type=Path, help="what training.evaluate measured, as JSON")
    arguments = parser.parse_args()
    state = checkpoints.load(arguments.checkpoint)
    metrics = json.dumps(json.loads(arguments.metrics.read_text())) if arguments.metrics else "{}"
    described = describe(state["scale"], state["step"], version=arguments.version, metrics=metrics)
    with whole_file(arguments.file) as file:
        file.write(to_onnx(state["average"], described).SerializeToString(deterministic=True))
    data = arguments.file.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    print(f"{arguments.file}: {len(data) / 1e6:.2f} MB, after {state['step']} steps, SHA-256 {checksum}")


if __name__ == "__main__":
    main()
