"""Recognises the architecture of weights, with spandrel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import spandrel

from tilewright.errors import ModelError, first_line
from tilewright.literals import FACTORS
from tilewright.models.pytorch.architectures import REFUSED

if TYPE_CHECKING:
    from pathlib import Path

    import torch


def recognise(path: Path, weights: dict[str, torch.Tensor]) -> spandrel.ImageModelDescriptor[Any]:
    """Returns the network that weights belong to, ready for inference.

    Args:
        path: The file, for messages.
        weights: See `tilewright.models.pytorch.weights.read_weights`.

    Raises:
        ModelError: The architecture is unknown, or it does not turn a picture into a picture.
    """
    try:
        found = spandrel.ModelLoader().load_from_state_dict(weights)
    except spandrel.UnsupportedModelError as error:
        raise ModelError(
            f"{path}: its architecture is not known; supported are {', '.join(_supported())}; "
            "look for the network as an ONNX file",
            parameter="model",
        ) from error
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AssertionError, AttributeError) as error:
        raise ModelError(
            f"{path}: its weights do not fit their architecture, so it is damaged or incomplete: {first_line(error)}",
            parameter="model",
        ) from error
    kind = found.architecture.id
    if kind in REFUSED or not isinstance(found, spandrel.ImageModelDescriptor):
        reason = REFUSED.get(kind, "it does not turn a picture into a picture")
        raise ModelError(f"{path} is of the architecture {kind}, which is not supported: {reason}", parameter="model")
    channels = (found.input_channels, found.output_channels)
    if channels[0] != channels[1] or channels[0] not in (1, 3, 4):
        raise ModelError(
            f"{path} is a {kind} network that turns {channels[0]} channels into {channels[1]}; supported are networks "
            "that take and return grey, RGB or RGBA",
            parameter="model",
        )
    if found.scale not in FACTORS:
        raise ModelError(
            f"{path} is a {kind} network of factor {found.scale}; supported are {', '.join(map(str, FACTORS))}",
            parameter="model",
        )
    return found.eval()


def _supported() -> list[str]:
    known = {each.architecture.id for each in spandrel.MAIN_REGISTRY.architectures()}
    return sorted(known - set(REFUSED))
