"""Parsers of ncnn's two files: ``.param`` (layers and parameters) and ``.bin`` (weights).

The formats are described in ncnn's documentation, "param and model file structure" and "binary
format". What each layer computes is defined in `tilewright.models.ncnn.layers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tilewright.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

Number = int | float
Param = int | float | tuple[Number, ...]

PARAM_MAGIC = "7767517"

# A parameter id of this or lower denotes an array: `-23310=2,0.5,1` is parameter 10 with two
# values.
_ARRAY_ID_OFFSET = -23300

# The 4 bytes before a weight blob state how it is stored. Of ncnn's storage types only these two
# are not quantised.
_FLAG_FLOAT32 = 0
_FLAG_FLOAT16 = 0x01306B47


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of a ``.param`` file.

    Attributes:
        kind: Layer type, for example ``"Convolution"``.
        name: Name of the layer.
        inputs: Names of the blobs that it reads.
        outputs: Names of the blobs that it writes.
        params: Parameter id to value; array parameters are tuples under their positive id.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: Mapping[int, Param]

    def integer(self, key: int, default: int) -> int:
        """Returns parameter `key` as an int, or `default` if the file does not set it.

        Raises:
            ModelError: The value is not an integer.
        """
        value = self.params.get(key, default)
        if isinstance(value, tuple) or not float(value).is_integer():
            raise ModelError(f"{self}: parameter {key} must be an integer, not {value!r}")
        return int(value)

    def real(self, key: int, default: float) -> float:
        """Returns parameter `key` as a float, or `default` if the file does not set it.

        Raises:
            ModelError: The value is an array.
        """
        value = self.params.get(key, default)
        if isinstance(value, tuple):
            raise ModelError(f"{self}: parameter {key} must be one number, not {value!r}")
        return float(value)

    def reals(self, key: int) -> tuple[float, ...]:
        """Returns array parameter `key`, empty if the file does not set it.

        Raises:
            ModelError: The value is not an array.
        """
        value = self.params.get(key, ())
        if not isinstance(value, tuple):
            raise ModelError(f"{self}: parameter {key} must be an array, not {value!r}")
        return tuple(float(item) for item in value)

    def __str__(self) -> str:
        return f"ncnn layer {self.kind} {self.name!r}"


def parse_param(text: str) -> list[Layer]:
    """Parses a ``.param`` file.

    Returns:
        The layers in file order, which ncnn guarantees to be a valid order of execution.

    Raises:
        ModelError: A wrong magic number, a wrong number of layers, or a malformed line.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or lines[0].strip() != PARAM_MAGIC:
        found = lines[0][:40] if lines else ""
        raise ModelError(f"not an ncnn .param file: it must begin with {PARAM_MAGIC}, but begins with {found!r}")
    try:
        layer_count = int(lines[1].split()[0])
        layers = [_parse_layer(line) for line in lines[2:]]
    except (IndexError, ValueError) as error:
        raise ModelError(f"the ncnn .param file is damaged: {error}") from error
    if len(layers) != layer_count:
        raise ModelError(f"the ncnn .param file is damaged: it declares {layer_count} layers but has {len(layers)}")
    return layers


def _parse_layer(line: str) -> Layer:
    kind, name, input_count, output_count, *rest = line.split()
    first_output = int(input_count)
    first_param = first_output + int(output_count)
    blobs = rest[:first_param]
    if len(blobs) != first_param or any("=" in word for word in rest[:first_param]):
        raise ValueError(f"line {line[:60]!r} names too few blobs")
    return Layer(
        kind=kind,
        name=name,
        inputs=tuple(blobs[:first_output]),
        outputs=tuple(blobs[first_output:]),
        params=dict(_parse_param(word) for word in rest[first_param:]),
    )


def _parse_param(word: str) -> tuple[int, Param]:
    key_text, _, value_text = word.partition("=")
    key = int(key_text)
    if key > _ARRAY_ID_OFFSET:
        return key, _number(value_text)
    count_text, *items = value_text.split(",")
    if int(count_text) != len(items):
        raise ValueError(f"array {word[:40]!r} has {len(items)} values")
    return _ARRAY_ID_OFFSET - key, tuple(_number(item) for item in items)


def _number(text: str) -> Number:
    return float(text) if any(mark in text for mark in ".eE") else int(text)


class WeightReader:
    """Reads a ``.bin`` file sequentially: layers must ask for their weights in file order.

    Args:
        data: Content of the whole file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def raw(self, count: int, layer: Layer) -> npt.NDArray[np.float32]:
        """Reads float32 values that are stored without a flag (biases, slopes, constants).

        Args:
            count: Number of values.
            layer: The layer that they belong to, for messages.

        Returns:
            float32 ``[count]``.

        Raises:
            ModelError: The file is too short.
        """
        return np.frombuffer(self._take(4 * count, layer), "<f4").astype(np.float32)

    def flagged(self, count: int, layer: Layer) -> npt.NDArray[np.float32]:
        """Reads weights that are stored behind a flag, which states their type.

        Args:
            count: Number of weights.
            layer: The layer that they belong to, for messages.

        Returns:
            float32 ``[count]``.

        Raises:
            ModelError: The file is too short, or the weights are quantised.
        """
        flag = int.from_bytes(self._take(4, layer), "little")
        if flag == _FLAG_FLOAT32:
            return self.raw(count, layer)
        if flag == _FLAG_FLOAT16:
            padded = (2 * count + 3) // 4 * 4
            return np.frombuffer(self._take(padded, layer), "<f2", count).astype(np.float32)
        raise ModelError(
            f"{layer}: weights with flag 0x{flag:08X} are not supported, only float32 (0) and float16 "
            f"(0x{_FLAG_FLOAT16:08X}); use a file that is not quantised"
        )

    def finish(self) -> None:
        """Checks that all bytes were read; a remainder means that the two files do not match.

        Raises:
            ModelError: Bytes are left over.
        """
        left = len(self._data) - self._position
        if left:
            raise ModelError(f"the ncnn .bin file does not match the .param file: {left} bytes are left over")

    def _take(self, size: int, layer: Layer) -> bytes:
        end = self._position + size
        if size < 0 or end > len(self._data):
            raise ModelError(
                f"{layer}: the .bin file ends too early: {size} bytes needed at offset {self._position} of "
                f"{len(self._data)}; it is truncated or belongs to another .param file"
            )
        chunk = self._data[self._position : end]
        self._position = end
        return chunk
