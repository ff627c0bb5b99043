"""Test-time augmentation by self-ensemble: the mean over eight orientations of every tile.

This is the geometric self-ensemble of Lim et al. 2017, "Enhanced Deep Residual Networks for Single
Image Super-Resolution", section 3.4. Differences between a network's results for a picture and for
its mirror image are errors; averaging reduces them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tilewright.engine.sessions.base import finished_result, new_result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tilewright.engine.sessions.base import Session, Streaming
    from tilewright.models.spec import Tail


class SelfEnsembleSession:
    """A session that averages, in float32, the results for eight orientations of a batch.

    It takes eight times as long. A network with a fixed input size that is not square runs the four
    orientations that fit.
    """

    tail: Tail | None = None
    tensor_memory: Literal["host", "cuda"] = "host"
    streaming: Streaming | None = None

    def __init__(self, session: Session) -> None:
        """Wraps a session and takes over its spec, device, runtime and precision."""
        self._session = session
        self.spec, self.device = session.spec, session.device
        self.runtime, self.precision = session.runtime, session.precision
        # Beside the result: the result of one run, and the same with its tail applied and rotated.
        shape = (1, session.spec.planes, 8, 8)
        buffers = session.new_result(shape).nbytes + 2 * self.new_result(shape).nbytes
        self.activation_bytes = session.activation_bytes + buffers / 64
        size = session.spec.fixed_size
        self._quarter_turns = range(0, 4, 2 if size is not None and size[0] != size[1] else 1)
        self.ensemble = 2 * len(self._quarter_turns)

    def run(self, batch: NDArray[np.float32], result: NDArray[np.floating] | None = None) -> NDArray[np.floating]:
        """See `Session.run`."""
        result = self.new_result(batch.shape) if result is None else result
        result[...] = 0
        for turns in self._quarter_turns:
            rotated = np.rot90(batch, turns, axes=(2, 3))
            for step in (1, -1):
                answer = finished_result(self._session, np.ascontiguousarray(rotated[..., ::step]))
                result += np.rot90(answer[..., ::step], -turns, axes=(2, 3))
        result /= self.ensemble
        return result

    def new_result(self, shape: tuple[int, ...]) -> NDArray[np.floating]:
        """See `Session.new_result`."""
        return new_result(shape, self.spec)
