"""Converts an ncnn network of the user's own to an ONNX file, with options that ncnn's files do not state.

It runs in a process of its own, see `tilewright.models.isolated`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.errors import ModelError
from tilewright.models.ncnn.importer import import_ncnn
from tilewright.models.probe import natural_picture
from tilewright.runtimes import onnxruntime_options, open_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

# Sides of the test pictures. All networks seen in practice accept multiples of 32.
_SIDES = (64, 96)

# Root mean square difference of a result, averaged down, from its input. Results of networks differ
# by a few hundredths; the mere difference from an enlarged input, by half of the value range.
_LARGEST_DIFFERENCE = 0.2


def convert(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Converts ``files``, a ``.param`` and a ``.bin`` file, and writes the network to ``target``.

    Networks with unpadded convolutions, such as waifu2x's, get a mirrored border as wide as they
    remove. Those that compute the difference from their enlarged input get it added.

    Returns:
        ``overrides``, the fields of `ModelSpec` that were found, and ``details`` for people.

    Raises:
        ModelError: A file is damaged, or a layer is not supported.
    """
    text, weights = (Path(name).read_bytes() for name in arguments["files"])
    path = arguments["files"][0]
    try:
        param = text.decode()
        model = import_ncnn(param, weights)
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not a text file", parameter="model") from error
    except ModelError as error:
        message = f"{path}: {error.message}; look for the network as an ONNX or PyTorch file"
        raise ModelError(message, parameter="model") from error
    scale, padding = _geometry(model)
    if padding:
        model = import_ncnn(param, weights, padding=padding)
    if scale > 1 and not _resembles(model, scale):
        added = import_ncnn(param, weights, padding=padding, adds_input=scale)
        model = added if _resembles(added, scale) else model
    Path(arguments["target"]).write_bytes(model.SerializeToString(deterministic=True))
    # A mirrored border must be narrower than the picture.
    overrides = {"scale": scale, **({"minimum": padding + 1} if padding else {})}
    return {"overrides": overrides, "details": {"architecture": "ncnn"}}


def _geometry(model: onnx.ModelProto) -> tuple[int, int]:
    """Returns the factor of a network, and the width of the border that it removes from its input.

    Raises:
        ModelError: The factor is not an integer, or the border is not a whole number of pixels.
    """
    small, large = (_result(model, side).shape for side in _SIDES)
    scale, rest = divmod(large[2] - small[2], _SIDES[1] - _SIDES[0])
    removed = scale * _SIDES[0] - small[2]
    if rest or scale < 1 or small[2] != small[3] or removed < 0 or removed % (2 * scale):
        raise ModelError(
            f"the network's factor is not an integer: it turns {_SIDES[0]} x {_SIDES[0]} into {small[3]} x {small[2]}",
            parameter="model",
        )
    return scale, removed // (2 * scale)


def _resembles(model: onnx.ModelProto, scale: int) -> bool:
    side = _SIDES[0]
    result = _result(model, side)[0]
    if result.shape != (3, side * scale, side * scale):
        return True  # inspection says what is wrong with it
    averaged = result.reshape(3, side, scale, side, scale).mean(axis=(2, 4))
    difference = averaged - natural_picture(side, side).transpose(2, 0, 1)
    return bool(np.sqrt(np.mean(difference**2)) < _LARGEST_DIFFERENCE)


def _result(model: onnx.ModelProto, side: int) -> Any:
    picture = np.ascontiguousarray(natural_picture(side, side).transpose(2, 0, 1)[None])
    try:
        session = open_onnx(model.SerializeToString(), onnxruntime_options())
        result = session.run(None, {session.get_inputs()[0].name: picture})[0]
    except Exception as error:  # the runtime's exceptions share no base class
        raise ModelError(f"the converted network does not run: {error}", parameter="model") from error
    if result.ndim != 4:
        raise ModelError(f"the network's result has {result.ndim} dimensions, not 4", parameter="model")
    return result
