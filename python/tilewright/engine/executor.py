"""The interface of executors, which plan and run pictures with tiles in host or device memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tilewright._core import TilePlan
    from tilewright.engine.job import Job, PictureShape, TileLimits


class Executor(Protocol):
    """Plans and runs pictures, and keeps its buffers from one picture to the next.

    It runs one picture at a time. `session` must be of the kind that the executor supports.
    """

    def plan(self, shape: PictureShape, session: Any, limits: TileLimits) -> TilePlan:
        """Cuts a picture into tiles.

        Raises:
            ModelError: The network has a fixed input size that is too small for its own halo.
            TilewrightError: A limit is not a positive integer.
        """
        ...

    def memory(self, shape: PictureShape, session: Any, plan: TilePlan) -> int:
        """Returns the bytes that a picture takes at most, beyond the loaded network."""
        ...

    def run(self, job: Job, plan: TilePlan) -> None:
        """Runs every tile of every layer and fills the sink from top to bottom.

        Raises:
            InferenceError: The runtime failed, or a tile is not finite in float32 either.
        """
        ...

    def release_buffers(self) -> None:
        """Frees the buffers that are kept for the next picture."""
        ...
