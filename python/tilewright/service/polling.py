"""Answers ``getResponse`` tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tilewright.errors import ParameterError, SourceError
from tilewright.service.entries import Reply
from tilewright.service.requests import TaskKey
from tilewright.service.responses import Upscaled, acknowledgement, error_items

if TYPE_CHECKING:
    from tilewright.service.background import BackgroundTasks
    from tilewright.service.handler import RequestHandler
    from tilewright.service.outcomes import Outcomes
    from tilewright.service.requests import PollRequest


class Polling:
    """Answers for tasks of this process, and for those that the store has records of."""

    def __init__(self, background: BackgroundTasks, outcomes: Outcomes, handler: RequestHandler) -> None:
        """Takes the tasks of this process, the records, and what makes answers."""
        self._background, self._outcomes, self._handler = background, outcomes, handler

    def reply(self, request: PollRequest, client: str) -> Reply:
        """Returns the state of a client's task, with its result if it is finished.

        Raises:
            ParameterError: The task is unknown (code ``taskNotFound``).
            StoreError: The store cannot be read.
        """
        key = TaskKey(client, request.task_uuid.lower())
        task = self._background.find(key)
        found = self._outcomes.find(key) if task is None else (task.request, task.outcome())
        if found is None:
            raise _not_found(
                f"there is no task {request.task_uuid} with deliveryMethod async, or its outcome is no longer kept"
            )
        # The reply repeats the taskUUID in the letter case of this question, by which the caller
        # matches it.
        asked, outcome = replace(found[0], task_uuid=request.task_uuid), found[1]
        if outcome is None:
            return Reply([acknowledgement(asked, status="processing")])
        if isinstance(outcome, Upscaled):
            try:
                return Reply([self._handler.answer(replace(outcome, request=asked), status="success")])
            except SourceError:
                gone = _not_found(f"the result of task {request.task_uuid} is no longer in the store")
                outcome = error_items(gone, {"taskType": asked.task_type})
        return Reply(errors=[{**item, "taskUUID": request.task_uuid, "status": "error"} for item in outcome])


def _not_found(message: str) -> ParameterError:
    return ParameterError(message, code="taskNotFound", parameter="taskUUID")
