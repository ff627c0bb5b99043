"""The precision gate: whether a shorter number format agrees with float32 on the probe picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.sessions.base import finished_result
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session

# Agreement with float32 that a shorter format must reach, as PSNR on natural content. At 50 dB the
# root-mean-square error is 0.8 steps of 255.
GATE_DB = 50.0

# Height and width of the probe picture in pixels.
PROBE_SIZE = 64


def passes_gate(exact: Session, fast: Session) -> bool:
    """Returns whether two sessions of one network agree to `GATE_DB` on a natural patch."""
    patch = probe_batch(exact.spec, PROBE_SIZE)
    return _psnr_db(finished_result(exact, patch), finished_result(fast, patch), exact.spec.value_range) >= GATE_DB


def _psnr_db(exact: NDArray[np.float32], fast: NDArray[np.float32], value_range: tuple[float, float]) -> float:
    """Returns the peak signal-to-noise ratio of two results, both clipped to the value range."""
    black, white = value_range
    error = np.mean((np.clip(exact, black, white) - np.clip(fast, black, white)) ** 2, dtype=np.float64)
    if not np.isfinite(error):
        return 0.0
    return float(10 * np.log10((white - black) ** 2 / max(error, 1e-20)))
