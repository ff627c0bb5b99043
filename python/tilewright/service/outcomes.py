"""Outcomes of requests, kept in the store, so that any process that shares it can answer ``getResponse``."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from tilewright.errors import StoreError, TilewrightError
from tilewright.service.heartbeat import Heartbeat
from tilewright.service.requests import TaskKey, UpscaleRequest
from tilewright.service.responses import Upscaled, error_items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tilewright.lazy import Lazy
    from tilewright.store import ImageStore

_log = logging.getLogger("tilewright")

# The outcome of a request: its result, or its error items.
Outcome = Upscaled | list[dict[str, Any]]


class Outcomes:
    """Records of requests: accepted by a process, or finished.

    A store that cannot be written is logged and stops no request: its outcome is then known to this
    process only.

    Attributes:
        heartbeat: Shows that this process, whose requests are unfinished, is alive.
    """

    def __init__(self, store: Lazy[ImageStore]) -> None:
        """Takes the store; nothing is written yet."""
        self._store = store
        self.heartbeat = Heartbeat(store)

    def write_accepted(self, key: TaskKey, request: UpscaleRequest) -> None:
        """Records that this process will finish a request."""
        try:
            self.heartbeat.start()
            self._write(key, request, {"process": self.heartbeat.process})
        except StoreError as error:
            _log.warning("task %s would be lost if this process were killed: %s", request.task_uuid, error)

    def write_finished(self, key: TaskKey, request: UpscaleRequest, outcome: Outcome) -> None:
        """Records the outcome of a request."""
        if isinstance(outcome, Upscaled):
            fields: dict[str, Any] = {name: getattr(outcome, name) for name in _RESULT_FIELDS}
        else:
            fields = {"errors": outcome}
        try:
            self._write(key, request, fields)
        except StoreError as error:
            _log.warning("other processes cannot answer for task %s: %s", request.task_uuid, error)

    def find(self, key: TaskKey) -> tuple[UpscaleRequest, Outcome | None] | None:
        """Returns a request and its outcome, which is None if another process still works on it.

        Returns:
            None if there is no record. A request whose process has ended is one that failed.

        Raises:
            StoreError: The store cannot be read.
        """
        record = self._store.get().records.read(_name(key))
        if record is None:
            return None
        request = _restored(record["request"])
        if "errors" in record:
            return request, record["errors"]
        if "process" not in record:
            return request, Upscaled(request=request, **{name: record[name] for name in _RESULT_FIELDS})
        if self.heartbeat.is_alive(record["process"]):
            return request, None
        ended = TilewrightError(
            f"the process that had accepted task {request.task_uuid} ended before it was finished; send it again"
        )
        return request, error_items(ended, {"taskType": request.task_type})

    def _write(self, key: TaskKey, request: UpscaleRequest, fields: Mapping[str, Any]) -> None:
        kept = asdict(replace(request.without_picture(), webhook_url=None, upload_endpoint=None))  # may be secrets
        self._store.get().records.write(_name(key), {"request": kept, **fields})


_RESULT_FIELDS = ("image_uuid", "input_image_uuid", "nsfw", "cost")


def _name(key: TaskKey) -> str:
    return f"task-{key.client}-{key.task_uuid}"


def _restored(fields: dict[str, Any]) -> UpscaleRequest:
    return UpscaleRequest(**{**fields, "output_types": tuple(fields["output_types"])})
