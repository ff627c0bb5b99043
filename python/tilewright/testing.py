"""Fakes for tests: a network without weights, and pictures without files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilewright.engine.sessions.base import new_result
from tilewright.models.probe import natural_patch
from tilewright.models.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Streaming


class FakeSession:
    """A session that repeats every pixel ``spec.scale`` times along both axes.

    It works pixel by pixel, so the result does not depend on how the picture is tiled.

    Attributes:
        batches: Shapes of all batches that were run.
    """

    device = "cpu"
    tensor_memory: Literal["host", "cuda"] = "host"
    runtime = "fake"
    ensemble = 1
    streaming: Streaming | None = None
    tail = None

    def __init__(
        self,
        spec: ModelSpec | None = None,
        *,
        precision: str = "fp32",
        spoil: Callable[[int, NDArray[np.floating]], None] | None = None,
    ) -> None:
        """Makes a session.

        Args:
            spec: Spec of the network; None for a network of scale 2 without a halo.
            precision: Precision that the session reports.
            spoil: Called with the number of the run, from 0, and the result, which it may change in
                place; None to leave results as they are.
        """
        self.spec = spec or ModelSpec(name="fake", scale=2)
        self.precision = precision
        self.activation_bytes = self.spec.bytes_per_pixel
        self.batches: list[tuple[int, ...]] = []
        self._spoil = spoil

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `tilewright.engine.sessions.base.Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        result[...] = batch.repeat(self.spec.scale, axis=2).repeat(self.spec.scale, axis=3)
        if self._spoil is not None:
            self._spoil(len(self.batches), result)
        self.batches.append(batch.shape)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `tilewright.engine.sessions.base.Session.new_result`."""
        return new_result(shape, self.spec)


def make_picture(height: int, width: int, channels: int = 3, dtype: Any = np.uint8) -> NDArray[Any]:
    """Makes a natural-looking picture, the same on every call.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
        dtype: uint8 or uint16.

    Returns:
        ``[height, width, channels]``. The alpha channel is a soft disc.
    """
    colour = natural_patch(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = np.hypot(y - height / 2, x - width / 2) / (0.5 * max(height, width))
    alpha = np.clip(2.0 - 2.0 * distance, 0.0, 1.0)[:, :, None]
    planes = {1: [colour[:, :, 1:2]], 2: [colour[:, :, 1:2], alpha], 3: [colour], 4: [colour, alpha]}[channels]
    picture: NDArray[Any] = np.rint(np.concatenate(planes, axis=2) * np.iinfo(dtype).max).astype(dtype)
    return picture
