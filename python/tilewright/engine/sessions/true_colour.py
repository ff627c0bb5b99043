"""Colour correction: the low frequencies of the result are replaced by those of the input.

Networks shift flat tones by a few levels, and distort saturated ones at the picture's border. The
correction undoes this and keeps the detail, in luminance and colour alike. It is the wavelet colour
fix of StableSR (Wang et al. 2023, "Exploiting Diffusion Prior for Real-World Image
Super-Resolution"). Low frequencies are what remains after three levels of the à trous wavelet
transform (Holschneider et al. 1989) with the kernel ``[1 2 1] / 4``. Here the filter is applied to
the difference between input and reduced result, at the input's resolution. The filter is linear, so
the outcome is the same, at a fraction of the work.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tilewright.engine.sessions.base import finished_result, new_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session, Streaming
    from tilewright.models.spec import Tail

_SPACINGS = (1, 2, 4)

FILTER_RADIUS = sum(_SPACINGS) + 1
"""Receptive radius that the correction adds, in input pixels: the filter, and the linear interpolation after it."""


class TrueColourSession:
    """A session whose results have the low-frequency colours of their input.

    It needs `FILTER_RADIUS` more pixels of halo.
    """

    tail: Tail | None = None
    tensor_memory: Literal["host", "cuda"] = "host"
    streaming: Streaming | None = None

    def __init__(self, session: Session) -> None:
        """Wraps a session and takes over its device, runtime and precision."""
        self._session = session
        spec = session.spec
        radius = spec.receptive_radius
        self.spec = replace(
            spec,
            halo=spec.halo + FILTER_RADIUS,
            receptive_radius=None if radius is None else radius + FILTER_RADIUS,
        )
        self.device, self.precision, self.runtime = session.device, session.precision, session.runtime
        self.ensemble = session.ensemble
        # Beside the result: the network's own result, and the same with its tail applied and
        # clipped.
        shape = (1, spec.planes, 8, 8)
        buffers = session.new_result(shape).nbytes + 2 * self.new_result(shape).nbytes
        self.activation_bytes = session.activation_bytes + buffers / 64

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        result[...] = finished_result(self._session, batch)
        visible = np.clip(result, min(self.spec.value_range), max(self.spec.value_range))
        difference = batch - _block_means(visible, self.spec.scale)
        for axis in (2, 3):
            difference = _smoothed(difference, axis)
        _add_enlarged(result, difference, self.spec.scale)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec)


def _block_means(values: NDArray[np.floating], scale: int) -> NDArray[np.floating]:
    """Means of blocks of ``scale * scale`` values, summed in an order independent of tiles."""
    total = sum(values[:, :, y::scale, x::scale] for y in range(scale) for x in range(scale))
    return np.asarray(total / np.float32(scale**2))


def _smoothed(values: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
    """Low-pass filter along an axis. The border is extended by its last value."""
    for spacing in _SPACINGS:
        before, after = _shifted(values, -spacing, axis), _shifted(values, spacing, axis)
        values = np.float32(0.25) * before + np.float32(0.5) * values + np.float32(0.25) * after
    return values


def _shifted(values: NDArray[np.floating], by: int, axis: int) -> NDArray[np.floating]:
    length = values.shape[axis]
    return values.take(np.clip(np.arange(length) + by, 0, length - 1), axis)


def _add_enlarged(result: NDArray[np.floating], values: NDArray[np.floating], scale: int) -> None:
    """Enlarges values by linear interpolation between pixel centres and adds them to the result."""
    columns = np.empty((*values.shape[:3], values.shape[3] * scale), values.dtype)
    for phase in range(scale):
        columns[..., phase::scale] = _interpolated(values, phase, scale, 3)
    for phase in range(scale):
        result[:, :, phase::scale] += _interpolated(columns, phase, scale, 2)


def _interpolated(values: NDArray[np.floating], phase: int, scale: int, axis: int) -> NDArray[np.floating]:
    """Values at the centre of the sub-pixel `phase` of every pixel."""
    offset = (phase + 0.5) / scale - 0.5
    weight = np.float32(abs(offset))
    return (1 - weight) * values + weight * _shifted(values, -1 if offset < 0 else 1, axis)
