"""Turns results and errors into response dicts: JSON values, keys in the wire format's order."""

from __future__ import annotations

import base64
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.codecs.formats import data_uri
from tilewright.codecs.messages import error_text
from tilewright.errors import InvalidTaskError, ParameterError, StoreError, TaskError, TilewrightError, short_repr
from tilewright.inputs.forms import for_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tilewright.service.requests import UploadRequest, UpscaleRequest


_log = logging.getLogger("tilewright")

# Longest value of a task that an error item repeats. A task may have a hundred faults, each of which
# would repeat it. Valid values have at most 36 characters.
_MAX_ECHO_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscaled:
    """A finished upscale request: everything its response contains, except the picture itself.

    Attributes:
        request: The request. It decides which image fields, and whether ``cost``, are present.
        image_uuid: UUID of the stored result.
        input_image_uuid: UUID of the stored input.
        nsfw: Whether the result is likely not safe for work; None if it was not checked.
        cost: Cost in the currency of the pricing rule.
    """

    request: UpscaleRequest
    image_uuid: str
    input_image_uuid: str
    nsfw: bool | None = None
    cost: float = 0


def upscale_result(upscaled: Upscaled, *, image_url: str, data: bytes, status: str | None = None) -> dict[str, Any]:
    """Returns the ``data`` item of a finished upscale request.

    Args:
        upscaled: The finished request.
        image_url: URL of the stored result; ignored unless the request asks for a URL.
        data: The result's file; ignored unless the request asks for anything else.
        status: Included in replies to ``getResponse``; None in others.
    """
    request = upscaled.request
    item: dict[str, Any] = {"taskType": request.task_type, "taskUUID": request.task_uuid}
    if status is not None:
        item["status"] = status
    item |= {"imageUUID": upscaled.image_uuid, "inputImageUUID": upscaled.input_image_uuid}
    if "URL" in request.output_types:
        item["imageURL"] = image_url
    if "base64Data" in request.output_types:
        item["imageBase64Data"] = base64.b64encode(data).decode("ascii")
    if "dataURI" in request.output_types:
        item["imageDataURI"] = data_uri(data, request.output_format)
    if upscaled.nsfw is not None:
        item["NSFWContent"] = upscaled.nsfw
    if request.include_cost:
        item["cost"] = upscaled.cost
    return item


def acknowledgement(request: UpscaleRequest, *, status: str | None = None) -> dict[str, Any]:
    """Returns the ``data`` item of an asynchronous request that is not finished.

    Args:
        request: The request.
        status: Included in replies to ``getResponse``; None in the first reply.
    """
    item = {"taskType": request.task_type, "taskUUID": request.task_uuid}
    return item if status is None else {**item, "status": status}


def upload_result(request: UploadRequest, *, image_uuid: str, image_url: str) -> dict[str, Any]:
    """Returns the ``data`` item of a finished upload request."""
    return {
        "taskType": request.task_type,
        "taskUUID": request.task_uuid,
        "imageUUID": image_uuid,
        "imageURL": image_url,
    }


def error_items(error: BaseException, task: Mapping[str, Any], *, remote: bool = False) -> list[dict[str, Any]]:
    """Returns the ``errors`` items of a failed task.

    Args:
        error: The failure. An invalid task gives one item per fault, anything else one item. An
            exception that is not a `TilewrightError` becomes ``internalServerError``.
        task: The task as sent, valid or not.
        remote: See `CallOptions`.
    """
    if isinstance(error, InvalidTaskError):
        return [_error_item(fault, task) for fault in error.faults]
    return [_error_item(_for_remote(error, task) if remote else error, task)]


def _for_remote(error: BaseException, task: Mapping[str, Any]) -> BaseException:
    """Returns an error whose message says nothing about this machine. What it leaves out is logged."""
    if isinstance(error, StoreError):
        _log.error("task %s failed: %s", short_repr(task.get("taskUUID")), error.message)
        return TilewrightError("the image store or the cache of networks failed; the server's log has the reason")
    if not isinstance(error, (TilewrightError, MemoryError)):  # it has been logged
        return TilewrightError(f"unexpected failure: {type(error).__name__}; the server's log has the reason")
    return error


def _error_item(error: BaseException, task: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(error, MemoryError):
        error = TilewrightError(f"out of memory: {error}; a smaller picture or factor needs less")
    elif not isinstance(error, TilewrightError):
        error = TilewrightError(f"unexpected failure: {type(error).__name__}: {error_text(error)}")
    item: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.parameter is not None:
        item["parameter"] = error.parameter
    if isinstance(error, ParameterError) and error.expected_type is not None:
        item["type"] = error.expected_type
    if error.allowed_values is not None:
        item["allowedValues"] = error.allowed_values
    # Clients match items to tasks by these fields. Values that are not text cannot be matched.
    for key in ("taskUUID", "taskType"):
        value = task.get(key)
        if isinstance(value, str) and len(value) <= _MAX_ECHO_LENGTH:
            item[key] = value
    return item


def envelope(data: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Returns the response: ``data`` always, ``errors`` only if there are any."""
    response: dict[str, Any] = {"data": list(data)}
    if errors:
        response["errors"] = list(errors)
    return response


def serialised(response: Mapping[str, Any]) -> bytes:
    """Returns an envelope as JSON. Text that is not valid Unicode, such as odd file names, is escaped."""
    for error in response.get("errors", ()):
        error["message"] = for_json(error["message"])
    return json.dumps(response, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def raise_for_errors(response: Mapping[str, Any]) -> None:
    """Raises an exception if an envelope contains errors.

    Raises:
        TaskError: The envelope contains errors. Its ``errors`` are all of them.
    """
    if errors := response.get("errors"):
        raise TaskError(errors)
