"""Results and errors to response dicts: plain JSON values, keys in the wire format's order."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.codecs.encode import media_type
from tilewright.errors import InvalidTaskError, ParameterError, TaskError, TilewrightError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tilewright.service.tasks import UploadTask, UpscaleTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscaled:
    """What became of an upscale: all that its response tells, but the picture itself.

    Attributes:
        task: what was asked; decides which of the image fields and whether ``cost`` appear.
        image_uuid: of the stored result.
        input_image_uuid: of the stored input.
        nsfw: whether the result is likely not safe for work; None when it was not checked.
        cost: in the currency of the pricing rule.
    """

    task: UpscaleTask
    image_uuid: str
    input_image_uuid: str
    nsfw: bool | None = None
    cost: float = 0


def upscale_result(upscaled: Upscaled, *, image_url: str, data: bytes, status: str | None = None) -> dict[str, Any]:
    """The ``data`` item of a finished upscale.

    Args:
        upscaled: what became of it.
        image_url: where the stored result opens; used when a URL is wanted.
        data: the result's file; used when anything else is wanted.
        status: told only to those who asked for it, by ``getResponse``.
    """
    task = upscaled.task
    item: dict[str, Any] = {"taskType": task.task_type, "taskUUID": task.task_uuid}
    if status is not None:
        item["status"] = status
    item |= {"imageUUID": upscaled.image_uuid, "inputImageUUID": upscaled.input_image_uuid}
    if "URL" in task.output_types:
        item["imageURL"] = image_url
    if "base64Data" in task.output_types:
        item["imageBase64Data"] = base64.b64encode(data).decode("ascii")
    if "dataURI" in task.output_types:
        encoded = base64.b64encode(data).decode("ascii")
        item["imageDataURI"] = f"data:{media_type(task.output_format)};base64,{encoded}"
    if upscaled.nsfw is not None:
        item["NSFWContent"] = upscaled.nsfw
    if task.include_cost:
        item["cost"] = upscaled.cost
    return item


def acknowledgement(task: UpscaleTask, *, status: str | None = None) -> dict[str, Any]:
    """The ``data`` item of an upscale that is answered later; with a status, the answer to those who ask too early."""
    item = {"taskType": task.task_type, "taskUUID": task.task_uuid}
    return item if status is None else {**item, "status": status}


def upload_result(task: UploadTask, *, image_uuid: str, image_url: str) -> dict[str, Any]:
    """The ``data`` item of a finished upload."""
    return {"taskType": task.task_type, "taskUUID": task.task_uuid, "imageUUID": image_uuid, "imageURL": image_url}


def error_items(error: BaseException, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``errors`` items of a failed task: one for each fault of an invalid request, one for anything else.

    Args:
        error: what went wrong; one that is not ours becomes ``internalServerError``.
        task: the request as sent, valid or not.
    """
    if isinstance(error, InvalidTaskError):
        return [_error_item(fault, task) for fault in error.faults]
    return [_error_item(error, task)]


def _error_item(error: BaseException, task: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(error, MemoryError):
        error = TilewrightError(f"out of memory: {error}; a smaller picture or factor takes less")
    elif not isinstance(error, TilewrightError):
        error = TilewrightError(f"unexpected failure: {type(error).__name__}: {error}")
    item: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.parameter is not None:
        item["parameter"] = error.parameter
    if isinstance(error, ParameterError) and error.expected_type is not None:
        item["type"] = error.expected_type
    if error.allowed_values is not None:
        item["allowedValues"] = error.allowed_values
    # A client finds its task by these; what is no text cannot have been meant to be found.
    for key in ("taskUUID", "taskType"):
        if isinstance(task.get(key), str):
            item[key] = task[key]
    return item


def envelope(data: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The response: ``data`` always, ``errors`` only when there are any."""
    response: dict[str, Any] = {"data": list(data)}
    if errors:
        response["errors"] = list(errors)
    return response


def raise_for_errors(response: Mapping[str, Any]) -> None:
    """Turn the errors of an envelope into an exception.

    Raises:
        TaskError: the envelope carries errors; its ``errors`` are all of them.
    """
    if errors := response.get("errors"):
        raise TaskError(errors)
