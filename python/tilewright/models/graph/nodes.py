"""Access to the nodes of a graph."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Returns the values of a node's attributes by name; text is bytes."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
