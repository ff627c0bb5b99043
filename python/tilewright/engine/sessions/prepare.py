"""Prepares an ONNX file for a runtime: splits off the tail, which the canvas applies faster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.engine.sessions.layout import is_native_layout
from tilewright.models.graph.cost import bytes_per_pixel
from tilewright.models.graph.tail import cut_tail
from tilewright.models.inspect import load_onnx, runtime_source

if TYPE_CHECKING:
    import onnx

    from tilewright.models.spec import Model, Tail


@dataclass(frozen=True, slots=True)
class RuntimeInput:
    """A network as it is given to a runtime.

    Attributes:
        network: Path of an ONNX file, or ONNX as bytes.
        tail: The tail that was split off; None if nothing was.
        bytes_per_pixel: As in `ModelSpec`, for what is left.
        nodes: Number of nodes of the graph.
    """

    network: str | bytes
    tail: Tail | None
    bytes_per_pixel: float
    nodes: int


def prepare(model: Model) -> RuntimeInput:
    """Returns the network without its tail, if it has one and its layout is native.

    Raises:
        ModelError: The file is not a valid ONNX file.
    """
    head, tail = split_tail(model)
    if tail is None:
        return RuntimeInput(runtime_source(model.path), None, model.spec.bytes_per_pixel, len(head.graph.node))
    return RuntimeInput(head.SerializeToString(), tail, bytes_per_pixel(head), len(head.graph.node))


def split_tail(model: Model) -> tuple[onnx.ModelProto, Tail | None]:
    """Splits the graph of a network into head and tail.

    Returns:
        The graph without its tail, and the tail. If it has no tail, or its layout is not native, the
        whole graph and None.

    Raises:
        ModelError: The file is not a valid ONNX file.
    """
    whole = load_onnx(model.path)
    cut = cut_tail(whole, model.spec.scale) if is_native_layout(model.spec) else None
    return cut or (whole, None)
