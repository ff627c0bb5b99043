"""Results and errors to response dicts: plain JSON values, keys in the wire format's order."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tilewright.codecs.encode import media_type
from tilewright.errors import InvalidTaskError, ParameterError, TaskError, TilewrightError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tilewright.tasks import UploadTask, UpscaleTask


def upscale_result(
    task: UpscaleTask, *, image_uuid: str, input_image_uuid: str, image_url: str, data: bytes, cost: float = 0
) -> dict[str, Any]:
    """The ``data`` item of a finished upscale.

    Args:
        task: what was asked; decides which of the image fields and whether ``cost`` appear.
        image_uuid: of the stored result.
        input_image_uuid: of the stored input.
        image_url: where the stored result opens.
        data: the result's file.
        cost: in the unit of the pricing rule.
    """
    item: dict[str, Any] = {
        "taskType": task.task_type,
        "taskUUID": task.task_uuid,
        "imageUUID": image_uuid,
        "inputImageUUID": input_image_uuid,
    }
    if "URL" in task.output_types:
        item["imageURL"] = image_url
    if "base64Data" in task.output_types:
        item["imageBase64Data"] = base64.b64encode(data).decode("ascii")
    if "dataURI" in task.output_types:
        encoded = base64.b64encode(data).decode("ascii")
        item["imageDataURI"] = f"data:{media_type(task.output_format)};base64,{encoded}"
    if task.include_cost:
        item["cost"] = cost
    return item


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
    if not isinstance(error, TilewrightError):
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
