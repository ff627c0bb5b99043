"""Requests: tasks that have been validated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tilewright.web.url import is_remote_url

if TYPE_CHECKING:
    from tilewright.literals import Format, ImageParameter, OutputType


ANONYMOUS = "anonymous"
"""The client of calls that name none."""


class TaskKey(NamedTuple):
    """What identifies a task. Clients do not know each other's tasks.

    Attributes:
        client: Name of the client: letters and digits.
        task_uuid: The taskUUID in lower case.
    """

    client: str
    task_uuid: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpscaleRequest:
    """A valid ``imageUpscale`` or ``upscale`` task.

    Attributes:
        task_type: As sent.
        task_uuid: As sent, byte for byte.
        input_image: The picture, in one of the forms that `tilewright.inputs.resolve` takes.
        image_parameter: The parameter that `input_image` came in.
        upscale_factor: 2, 3 or 4.
        output_format: File format of the result.
        output_types: Image fields of the response, without duplicates, in the response's order.
        output_quality: 20 to 99, for JPG and WEBP.
        include_cost: Whether the response contains the cost.
        check_nsfw: Whether the response states if the result is likely not safe for work.
        is_async: Whether the task is only acknowledged and its result is fetched with
            ``getResponse``.
        model: Name of the network; None for the default.
        webhook_url: http(s) URL that the outcome is sent to; None for none.
        upload_endpoint: http(s) URL that the result's file is sent to; None for none.
    """

    task_type: str
    task_uuid: str
    input_image: object
    image_parameter: ImageParameter
    upscale_factor: int
    output_format: Format
    output_types: tuple[OutputType, ...]
    output_quality: int
    include_cost: bool
    check_nsfw: bool
    is_async: bool
    model: str | None
    webhook_url: str | None = None
    upload_endpoint: str | None = None

    @property
    def has_callbacks(self) -> bool:
        """Whether something is sent when the request is finished."""
        return self.webhook_url is not None or self.upload_endpoint is not None

    @property
    def needs_fetch(self) -> bool:
        """Whether the picture is at an http or https URL."""
        return is_remote_url(self.input_image)

    def without_picture(self) -> UpscaleRequest:
        """Returns the request for its outcome: without the picture, and fields that may be long."""
        return replace(self, input_image=None, model=None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UploadRequest:
    """A valid ``imageUpload`` task; fields as in `UpscaleRequest`."""

    task_type: str
    task_uuid: str
    image: object

    @property
    def needs_fetch(self) -> bool:
        """Whether the picture is at an http or https URL."""
        return is_remote_url(self.image)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PollRequest:
    """A valid ``getResponse`` task; `task_uuid` names the task that it asks about."""

    task_type: str
    task_uuid: str


Request = UpscaleRequest | UploadRequest | PollRequest
