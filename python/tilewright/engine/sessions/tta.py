"""Test-time augmentation: a network sees every tile eight ways round, and the mean of its answers counts.

The geometric self-ensemble of Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution",
section 3.4. What a network does differently to a picture and its mirror image is no property of the picture; the mean
has less of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilewright.engine.sessions.base import finished, new_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session
    from tilewright.models.graph.tail import Tail


class AugmentedSession:
    """A session that takes the mean over turns and mirror images, in float32. Its time is that of eight runs.

    A network of one fixed size that is no square is shown the four of them that fit.
    """

    tail: Tail | None = None

    def __init__(self, session: Session) -> None:
        """Wraps a session, whose spec, device and precision become its own."""
        self._session = session
        self.spec, self.device, self.precision = session.spec, session.device, session.precision
        self.runtime = f"{session.runtime}, eight ways round"
        # Beside the result: that of one run, and the same finished and turned.
        shape = (1, 1 if session.spec.channel_order == "Y" else 3, 8, 8)
        buffers = session.new_result(shape).nbytes + 2 * self.new_result(shape).nbytes
        self.activation_bytes = session.activation_bytes + buffers / 64
        size = session.spec.fixed_size
        self._turns = range(0, 4, 2 if size is not None and size[0] != size[1] else 1)

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        result[...] = 0
        for turns in self._turns:
            turned = np.rot90(batch, turns, axes=(2, 3))
            for step in (1, -1):
                answer = finished(self._session, np.ascontiguousarray(turned[..., ::step]))
                result += np.rot90(answer[..., ::step], -turns, axes=(2, 3))
        result /= 2 * len(self._turns)
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec)
