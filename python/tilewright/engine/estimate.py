"""Estimates time and memory of a picture before it is upscaled."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tilewright.engine.job import PictureShape
from tilewright.models.probe import probe_batch

if TYPE_CHECKING:
    from tilewright._core import TilePlan
    from tilewright.engine.execute import Executors
    from tilewright.engine.job import TileLimits
    from tilewright.engine.sessions.base import Session

# Large enough to reach the network's usual speed, small enough to be quick: 0.1 s for the fast
# networks on two cores. Deep networks reach it with fewer pixels.
_PROBE_SIDES = (32, 64, 128)

# A run of so many seconds is long enough to be measured.
_ENOUGH = 0.2

_RGB_BYTES = 3


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tiles, memory and time of a picture.

    Attributes:
        plan: The tiles.
        memory: Peak memory in bytes, beyond the loaded network: the picture, activations, tiles in
            flight, bands of rows. It is device memory if tiles stay on a device.
        seconds: Time in the network, extrapolated from a small patch.
    """

    plan: TilePlan
    memory: int
    seconds: float


class Speeds:
    """Measured speeds of open networks, so that each one is measured once."""

    def __init__(self) -> None:
        """Starts without any."""
        self._seconds: WeakKeyDictionary[Session, float] = WeakKeyDictionary()

    def known(self, session: Session) -> float | None:
        """Returns the seconds that a network takes per pixel of its input; None before it was measured."""
        return self._seconds.get(session)

    def measured(self, session: Session) -> float:
        """Runs a network briefly if its speed is not known. Returns the seconds per pixel of its input.

        Only the thread with exclusive use of the networks may call it.
        """
        if session not in self._seconds:
            self._seconds[session] = _seconds_per_pixel(session)
        return self._seconds[session]


def estimate(
    session: Session, executors: Executors, width: int, height: int, limits: TileLimits, *, seconds_per_pixel: float
) -> Estimate:
    """Estimates an RGB picture of 8 bits that is written as PNG. The network does not run.

    Args:
        session: Session that would run the network.
        executors: Plans the tiles.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        limits: Limits for tiles.
        seconds_per_pixel: Speed of the network, see `Speeds`.
    """
    shape = PictureShape(width, height, pixel_bytes=_RGB_BYTES, band_pixel_bytes=_RGB_BYTES)
    plan = executors.plan(shape, session, limits)
    pixels = plan.redundancy * width * height
    return Estimate(plan, executors.for_session(session).memory(shape, session, plan), pixels * seconds_per_pixel)


def _seconds_per_pixel(session: Session) -> float:
    # On a device, the network is opened once for each shape, which takes longer than the run.
    for side in _PROBE_SIDES if session.tensor_memory == "host" else _PROBE_SIDES[-1:]:
        batch = probe_batch(session.spec, side)
        session.run(batch)  # the first run of a shape includes preparation
        began = time.perf_counter()
        session.run(batch)
        seconds = time.perf_counter() - began
        if seconds > _ENOUGH:
            break
    return seconds / float(batch.shape[2] * batch.shape[3])
