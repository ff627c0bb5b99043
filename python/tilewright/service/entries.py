"""Tasks of a call after validation, and their replies."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.service.requests import ANONYMOUS, TaskKey, UploadRequest, UpscaleRequest
from tilewright.service.responses import envelope

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from tilewright.engine.progress import OnTaskProgress
    from tilewright.options import OnOutcome
    from tilewright.service.requests import Request


_log = logging.getLogger("tilewright")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the tasks of a call have in common.

    Attributes:
        upscales_only: Whether tasks of other types are faults.
        client: See `CallOptions`.
        keep: See `CallOptions`.
        on_progress: See `CallOptions`.
        on_outcome: See `CallOptions`.
        remote: See `CallOptions`.
        stop: Cancels the work after the current tile once it is set.
    """

    upscales_only: bool = False
    client: str = ANONYMOUS
    keep: bool = False
    on_progress: OnTaskProgress | None = None
    on_outcome: OnOutcome | None = None
    remote: bool = False
    stop: threading.Event

    def tell(self, task: Mapping[str, Any], outcome: str) -> None:
        """Tells the caller the outcome of a task, see `CallOptions`. It never raises."""
        if self.on_outcome is not None:
            try:
                self.on_outcome(task, outcome)
            except Exception:
                _log.exception("on_outcome failed")


@dataclass(frozen=True, slots=True)
class Entry:
    """A task of a call, after validation.

    Attributes:
        task: The task as sent.
        request: The valid request; None if the task is invalid.
        fault: Why the task is invalid; None if it is valid.
        reserved: The taskUUID that the task reserves until it is finished; None if it reserves none.
    """

    task: Mapping[str, Any]
    request: Request | None
    fault: Exception | None
    reserved: TaskKey | None

    @property
    def async_request(self) -> UpscaleRequest | None:
        """The request if it is asynchronous, else None."""
        return self.request if isinstance(self.request, UpscaleRequest) and self.request.is_async else None

    @property
    def needs_network(self) -> bool:
        """Whether the reply needs the network to run first."""
        return isinstance(self.request, UpscaleRequest) and not self.request.is_async

    @property
    def needs_fetch(self) -> bool:
        """Whether the picture has to be fetched before the reply can be made."""
        request = self.request
        return isinstance(request, (UpscaleRequest, UploadRequest)) and request.needs_fetch and not self.async_request


@dataclass(frozen=True, slots=True)
class Reply:
    """What a finished task adds to the envelope."""

    data: Sequence[dict[str, Any]] = ()
    errors: Sequence[dict[str, Any]] = ()


def joined(replies: Sequence[Reply]) -> dict[str, Any]:
    """Returns the envelope of replies, in their order."""
    data = [item for reply in replies for item in reply.data]
    errors = [item for reply in replies for item in reply.errors]
    return envelope(data, errors)
