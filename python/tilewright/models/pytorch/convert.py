"""Converts a PyTorch file to an ONNX file. It runs in a process of its own, see `tilewright.models.isolated`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError
from tilewright.models.pytorch.export import export
from tilewright.models.pytorch.recognise import recognise
from tilewright.models.pytorch.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    import spandrel

# A protobuf message, which an ONNX file is, cannot be larger.
_LARGEST_FILE = 2**31 - 1

_CHANNEL_ORDERS = {1: "Y", 3: "RGB", 4: "RGBA"}

# Keys of the metadata of .safetensors files: https://github.com/Stability-AI/ModelSpec, and plain ones.
_LICENCE_KEYS = ("modelspec.license", "license", "licence")


def convert(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Converts the file ``path`` and writes the network to ``target``.

    Returns:
        ``overrides``, the fields of `ModelSpec` that are known from the architecture, and
        ``details`` for people.

    Raises:
        ModelError: The file is damaged or holds more than weights, or its architecture is not
            supported.
    """
    path = Path(arguments["path"])
    # torch, its exporter and the networks warn of themselves. What matters is checked here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights, metadata = read_weights(path)
        descriptor = recognise(path, weights)
        exported = export(descriptor)
    content = exported.model.SerializeToString(deterministic=True)
    if len(content) > _LARGEST_FILE:
        raise ModelError(f"{path} is larger than the 2 GiB that an ONNX file can hold", parameter="model")
    Path(arguments["target"]).write_bytes(content)
    overrides = {
        "scale": descriptor.scale,
        "channel_order": _CHANNEL_ORDERS[descriptor.input_channels],
        # By spandrel's definition.
        "value_range": (0.0, 1.0),
        "fixed_size": exported.fixed_size,
        "multiple_of": exported.multiple_of,
        "minimum": exported.minimum,
        "licence": next((metadata[key] for key in _LICENCE_KEYS if metadata.get(key)), ""),
    }
    return {"overrides": overrides, "details": _details(descriptor)}


def _details(descriptor: spandrel.ImageModelDescriptor[Any]) -> dict[str, Any]:
    return {"architecture": descriptor.architecture.name, "tags": list(descriptor.tags)}
