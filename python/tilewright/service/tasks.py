"""What is asked for: requests that were checked, and how to make one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilewright.literals import Format, ImageParameter, OutputType


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpscaleTask:
    """A checked ``imageUpscale`` or ``upscale`` request.

    Attributes:
        task_type: as sent.
        task_uuid: as sent, byte for byte.
        input_image: one of the forms that `tilewright.inputs.resolve.load_picture` takes.
        image_parameter: the parameter it came in.
        upscale_factor: 2, 3 or 4.
        output_format: of the result's file.
        output_types: what the response carries, each once, in the response's order.
        output_quality: 20 to 99, for JPG and WEBP.
        include_cost: whether the response tells the cost.
        check_nsfw: whether the response tells if the result is likely not safe for work.
        later: whether the request is only acknowledged, and its result asked for with ``getResponse``.
        model: a network's name, or None for the default.
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
    later: bool
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UploadTask:
    """A checked ``imageUpload`` request; fields as in `UpscaleTask`."""

    task_type: str
    task_uuid: str
    image: object


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PollTask:
    """A checked ``getResponse`` request: `task_uuid` is that of the request asked about."""

    task_type: str
    task_uuid: str


Task = UpscaleTask | UploadTask | PollTask


def new_task(input_image: object, upscale_factor: int = 2, **fields: Any) -> dict[str, Any]:
    """A request dict with a fresh taskUUID.

    Args:
        input_image: any accepted form of picture.
        upscale_factor: 2, 3 or 4.
        fields: further fields by their wire names, such as ``outputFormat="PNG"``.
    """
    return {
        "taskType": "imageUpscale",
        "taskUUID": str(uuid.uuid4()),
        "inputImage": input_image,
        "upscaleFactor": upscale_factor,
        **fields,
    }
