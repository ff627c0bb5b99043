"""Compares the speed of two sessions of one network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tilewright.engine.sessions.precision import PROBE_SIZE
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session

# Runs of each session. The first one is a warm-up; the fastest of the others counts, because every disturbance
# makes a run slower.
_RUNS = 4


def time_ratio(session: Session, other: Session) -> float:
    """Returns the time of one session relative to another one's, on a small picture.

    Both run alternately, so that a disturbance of the machine affects both.
    """
    batch = probe_batch(session.spec, PROBE_SIZE)
    pairs = [(_seconds(session, batch), _seconds(other, batch)) for _ in range(_RUNS)][1:]
    return min(own for own, _ in pairs) / min(theirs for _, theirs in pairs)


def _seconds(session: Session, batch: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    session.run(batch)
    return time.perf_counter() - start
