"""Exports trained networks to an ONNX file with metadata.

    python -m training.export CHECKPOINT... FILE.onnx [--version 1] [--metrics FILE.json...]

The name of the network is that of the file. Checkpoints of several factors with the same body
become one file with an output for each factor. Weights are stored as float16, which halves the
file; runtimes convert them to float32 when they load it. The input and the outputs are float32.
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
from tilewright.store.atomic import atomic_write
from training import checkpoints
from training.network import scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Weights = Mapping[str, torch.Tensor]

LICENCE = "Apache-2.0 AND BSD-3-Clause"
TRAINING_DATA = (
    "photographs and drawings listed in training/LICENCES.md, degraded; targets by realesrgan-x4plus (BSD-3-Clause)"
)


class _Graph:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add_node(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Adds a node, and returns its output."""
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def add_weight(self, name: str, value: torch.Tensor) -> str:
        """Adds a weight as float16, and returns its name as float32."""
        array = value.float().cpu().numpy().astype(np.float16)
        self.initializers.append(numpy_helper.from_array(array, f"{name}.float16"))
        return self.add_node("Cast", [f"{name}.float16"], name, to=TensorProto.FLOAT)

    def add_convolution(self, weights: Weights, layer: str, source: str) -> str:
        """Adds a 3 × 3 convolution with its weights, and returns its output."""
        inputs = [
            source,
            *(self.add_weight(f"{layer}.{kind}", weights[f"{layer}.{kind}"]) for kind in ("weight", "bias")),
        ]
        return self.add_node("Conv", inputs, f"{layer}.made", kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def to_onnx(networks: Sequence[Weights], metadata: Mapping[str, str]) -> onnx.ModelProto:
    """Builds an ONNX model of networks with the same body and different heads.

    Args:
        networks: Weights of a `Network` each.
        metadata: Stored in the model; ``name`` is required.

    Returns:
        A model with the input ``input``, ``[n, 3, h, w]``, and an output for each factor, such as
        ``x4``. Values are in 0..1.

    Raises:
        ValueError: The bodies differ.
    """
    body = _common_body(networks)
    graph = _Graph()
    features = _add_body(graph, body)
    outputs = [_add_head(graph, weights, features) for weights in networks]
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


def _common_body(networks: Sequence[Weights]) -> Weights:
    bodies = [{name: value for name, value in weights.items() if name.startswith("body.")} for weights in networks]
    body = bodies[0]
    for other in bodies[1:]:
        if other.keys() != body.keys() or any(not torch.equal(other[name], value) for name, value in body.items()):
            raise ValueError("the networks do not have the same body")
    return body


def _add_body(graph: _Graph, body: Weights) -> str:
    """Adds the convolutions and activations of the body, and returns its output."""
    last = "input"
    for index in sorted({int(name.split(".")[1]) for name in body}):
        layer = f"body.{index}"
        if f"{layer}.bias" in body:
            last = graph.add_convolution(body, layer, last)
        else:
            slope = body[f"{layer}.weight"].reshape(-1, 1, 1)
            last = graph.add_node("PRelu", [last, graph.add_weight(f"{layer}.weight", slope)], layer)
    return last


def _add_head(graph: _Graph, weights: Weights, features: str) -> str:
    """Adds the layers of one factor, and returns their output."""
    scale = scale_of(weights)
    name = f"x{scale}"
    head = {f"{name}.{kind}": weights[f"head.{kind}"] for kind in ("weight", "bias")}
    last = graph.add_convolution(head, name, features)
    last = graph.add_node("DepthToSpace", [last], f"{name}.details", blocksize=scale, mode="CRD")
    graph.initializers.append(numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), f"{name}.scales"))
    nearest = graph.add_node(
        "Resize",
        ["input", "", f"{name}.scales"],
        f"{name}.enlarged",
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return graph.add_node("Add", [last, nearest], name)


def describe(steps: Mapping[int, int], *, name: str, version: str, metrics: Mapping[str, Any]) -> dict[str, str]:
    """Returns the metadata of a file.

    Args:
        steps: Training steps by factor.
        name: Name of the network.
        version: Its version.
        metrics: Results of `training.evaluate` by output name.

    Raises:
        CalledProcessError: Git cannot name the current commit.
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
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+", help="one for each factor")
    parser.add_argument("file", type=Path, help="the ONNX file")
    parser.add_argument("--version", default="1", help="version in the metadata (default: %(default)s)")
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], help="results of training.evaluate, named x4.json for factor 4"
    )
    arguments = parser.parse_args()
    states = [checkpoints.load(path) for path in arguments.checkpoints]
    steps = {state["scale"]: state["step"] for state in states}
    metrics = {path.stem: json.loads(path.read_text()) for path in arguments.metrics}
    metadata = describe(steps, name=arguments.file.stem, version=arguments.version, metrics=metrics)
    with atomic_write(arguments.file) as file:
        file.write(to_onnx([state["average"] for state in states], metadata).SerializeToString(deterministic=True))
    data = arguments.file.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    print(f"{arguments.file}: {len(data) / 1e6:.2f} MB, steps {metadata['steps']}, SHA-256 {checksum}")


if __name__ == "__main__":
    main()
