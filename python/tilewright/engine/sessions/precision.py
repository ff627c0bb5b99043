"""Whether a shorter number format gives what float32 gives: seen on the probe before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.sessions.base import finished
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session

# Agreement with float32 on natural content that a shorter format must reach to be used: at 50 dB the error is 0.8 of an
# 8-bit step.
GATE_DB = 50.0
PROBE_SIZE = 64


def agree(exact: Session, fast: Session) -> bool:
    """Whether two sessions of one network agree to `GATE_DB` on a natural patch."""
    patch = probe_batch(exact.spec, PROBE_SIZE)
    return _agreement_db(finished(exact, patch), finished(fast, patch), exact.spec.value_range) >= GATE_DB


def _agreement_db(exact: NDArray[np.float32], fast: NDArray[np.float32], value_range: tuple[float, float]) -> float:
    """Peak signal-to-noise ratio of what would be seen: both clipped to the value range."""
    black, white = value_range
    error = np.mean((np.clip(exact, black, white) - np.clip(fast, black, white)) ** 2, dtype=np.float64)
    if not np.isfinite(error):
        return 0.0
    return float(10 * np.log10((white - black) ** 2 / max(error, 1e-20)))
