"""Writes a trained network as an ONNX file, with what it is and where it comes from inside.

    python -m training.export CHECKPOINT... FILE.onnx [--version 1] [--metrics FILE.json...]

The network is named for the file.

Checkpoints of several factors that have one body become one file with an output for each. Weights are stored as
float16, which halves the file; runtimes widen them when they load it. Input and outputs are float32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from tilewright.models.ncnn.graph import IR_VERSION, OPSET
from tilewright.store.atomic import whole_file
from training import checkpoints
from training.network import scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LICENCE = "Apache-2.0 AND BSD-3-Clause"
TRAINING_DATA = (
    "photographs and drawings listed in training/LICENCES.md, degraded; targets by realesrgan-x4plus (BSD-3-Clause)"
)


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
        return self.node("Conv", inputs, f"{layer}.made", kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def to_onnx(networks: Sequence[Mapping[str, torch.Tensor]], metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The graph of `Network`s with these weights, which differ in their heads alone.

    Its input is ``input``, ``[n, 3, h, w]``, and its outputs are named for their factors, ``x4``; values are in 0..1.

    Raises:
        ValueError: bodies that differ.
    """
    bodies = [{name: value for name, value in weights.items() if name.startswith("body.")} for weights in networks]
    body = bodies[0]
    for other in bodies[1:]:
        if other.keys() != body.keys() or any(not torch.equal(other[name], value) for name, value in body.items()):
            raise ValueError("the networks do not have one body")
    graph = _Graph()
    last = "input"
    layers = sorted({int(name.split(".")[1]) for name in body})
    for index in layers:
        layer = f"body.{index}"
        if f"{layer}.bias" in body:
            last = graph.convolution(body, layer, last)
        else:
            slope = body[f"{layer}.weight"].reshape(-1, 1, 1)
            last = graph.node("PRelu", [last, graph.weight(f"{layer}.weight", slope)], layer)
    outputs = [_add_head(graph, weights, last) for weights in networks]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            metadata["name"],
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, "h", "w"])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, f"{name}_h", f"{name}_w"])
                for name in outputs
            ],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tilewright",
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return model


def _add_head(graph: _Graph, weights: Mapping[str, torch.Tensor], features: str) -> str:
    """What is different for every factor; returns the name of its output."""
    scale = scale_of(weights)
    name = f"x{scale}"
    head = {f"{name}.{kind}": weights[f"head.{kind}"] for kind in ("weight", "bias")}
    last = graph.convolution(head, name, features)
    last = graph.node("DepthToSpace", [last], f"{name}.details", blocksize=scale, mode="CRD")
    graph.initializers.append(numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), f"{name}.scales"))
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    enlarged = graph.node("Resize", ["input", "", f"{name}.scales"], f"{name}.enlarged", **nearest)
    return graph.node("Add", [last, enlarged], name)


def describe(steps: Mapping[int, int], *, name: str, version: str, metrics: Mapping[str, Any]) -> dict[str, str]:
    """What the file says of itself: its name, steps by factor, and what was measured of each.

    Raises:
        CalledProcessError: no Git, or no repository, to tell the commit.
    """
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return {
        "name": name,
        "version": version,
        "licence": LICENCE,
        "training_data": TRAINING_DATA,
        "steps": json.dumps({f"x{scale}": number for scale, number in steps.items()}),
        "commit": commit,
        "metrics": json.dumps(metrics),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+", help="of one factor each")
    parser.add_argument("file", type=Path)
    parser.add_argument("--version", default="1")
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], help="what training.evaluate measured, as x4.json for factor 4"
    )
    arguments = parser.parse_args()
    states = [checkpoints.load(path) for path in arguments.checkpoints]
    steps = {state["scale"]: state["step"] for state in states}
    metrics = {path.stem: json.loads(path.read_text()) for path in arguments.metrics}
    described = describe(steps, name=arguments.file.stem, version=arguments.version, metrics=metrics)
    with whole_file(arguments.file) as file:
        file.write(to_onnx([state["average"] for state in states], described).SerializeToString(deterministic=True))
    data = arguments.file.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    print(f"{arguments.file}: {len(data) / 1e6:.2f} MB, steps {described['steps']}, SHA-256 {checksum}")


if __name__ == "__main__":
    main()
