"""A network's result in the colours of its input: what it did to broad tones is taken back, detail stays.

Networks shift flat tones by a few levels, and bend saturated ones at the picture's border. The result's low
frequencies, luminance and colour alike, are replaced by the input's, as in the wavelet colour fix of StableSR (Wang et
al. 2023, "Exploiting Diffusion Prior for Real-World Image Super-Resolution"). The low frequencies are what is left
after three levels of the à trous wavelet transform (Holschneider et al. 1989) with the kernel ``[1 2 1] / 4``; here of
the difference alone, in the input's pixels: that is the same, the filter being linear, and a small part of the work.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.sessions.base import finished, new_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session
    from tilewright.models.graph.tail import Tail

_SPACINGS = (1, 2, 4)

# Input pixels that one of the result depends on beyond what the network's own does: the filter, and the linear
# interpolation of what it gives.
REACH = sum(_SPACINGS) + 1


class TrueColourSession:
    """A session that gives results in the colours of their input. Tiles need `REACH` more pixels of halo for it."""

    tail: Tail | None = None

    def __init__(self, session: Session) -> None:
        """Wraps a session, whose device, runtime and precision become its own."""
        self._session = session
        spec = session.spec
        radius = spec.receptive_radius
        self.spec = replace(spec, halo=spec.halo + REACH, receptive_radius=None if radius is None else radius + REACH)
        self.device, self.precision, self.runtime = session.device, session.precision, session.runtime
        # Beside the result: that of the network, and the same finished and clipped.
        shape = (1, 1 if spec.channel_order == "Y" else 3, 8, 8)
        buffers = session.new_result(shape).nbytes + 2 * self.new_result(shape).nbytes
        self.activation_bytes = session.activation_bytes + buffers / 64

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        result[...] = finished(self._session, batch)
        difference = batch - _reduced(
            np.clip(result, min(self.spec.value_range), max(self.spec.value_range)), self.spec.scale
        )
        for axis in (2, 3):
            difference = _smoothed(difference, axis)
        _add_enlarged(result, difference, self.spec.scale)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec)


def _reduced(values: NDArray[np.floating], scale: int) -> NDArray[np.floating]:
    """Means of blocks. Added up one after the other: the order must not depend on the tile."""
    total = sum(values[:, :, y::scale, x::scale] for y in range(scale) for x in range(scale))
    return np.asarray(total / np.float32(scale**2))


def _smoothed(values: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
    """Low frequencies along an axis; beyond the border its last value goes on."""
    for spacing in _SPACINGS:
        before, after = _shifted(values, -spacing, axis), _shifted(values, spacing, axis)
        values = np.float32(0.25) * before + np.float32(0.5) * values + np.float32(0.25) * after
    return values


def _shifted(values: NDArray[np.floating], by: int, axis: int) -> NDArray[np.floating]:
    length = values.shape[axis]
    return values.take(np.clip(np.arange(length) + by, 0, length - 1), axis)


def _add_enlarged(result: NDArray[np.floating], values: NDArray[np.floating], scale: int) -> None:
    """Adds values, enlarged by linear interpolation between the centres of pixels."""
    columns = np.empty((*values.shape[:3], values.shape[3] * scale), values.dtype)
    for phase in range(scale):
        columns[..., phase::scale] = _between(values, phase, scale, 3)
    for phase in range(scale):
        result[:, :, phase::scale] += _between(columns, phase, scale, 2)


def _between(values: NDArray[np.floating], phase: int, scale: int, axis: int) -> NDArray[np.floating]:
    """Values at the centre of the `phase`-th part of every pixel."""
    offset = (phase + 0.5) / scale - 0.5
    share = np.float32(abs(offset))
    return (1 - share) * values + share * _shifted(values, -1 if offset < 0 else 1, axis)
