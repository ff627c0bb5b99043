"""Types of the wire format: tasks and envelopes; and `new_task`, which makes a task."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Generic, Literal, NotRequired, TypedDict, TypeVar, Unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tilewright.literals import Format, OutputType

_Result = TypeVar("_Result")


class InputsField(TypedDict, total=False):
    """The value of ``inputs``, an alternative to ``inputImage``."""

    image: object


class IgnoredFields(TypedDict, total=False):
    """Fields of the service that have no meaning here and do not affect the picture."""

    ttl: object
    settings: object
    providerSettings: object
    safety: object
    acceleratorOptions: object
    routing: object
    positivePrompt: object
    negativePrompt: object
    steps: object
    seed: object
    CFGScale: object


class CallbackFields(TypedDict, total=False):
    """Fields that have a meaning in upscale tasks only, and are ignored in others."""

    webhookURL: object
    uploadEndpoint: object


class UpscaleFields(IgnoredFields, total=False):
    """Optional fields of an upscale task.

    A field that is None counts as absent. ``docs/api.md`` describes values and defaults.
    """

    inputImage: object
    inputs: InputsField | None
    model: str | None
    outputType: OutputType | Sequence[OutputType] | None
    outputFormat: Format | Literal["png", "jpg", "webp"] | None
    outputQuality: int | None
    includeCost: bool | None
    deliveryMethod: Literal["sync", "async"] | None
    checkNSFW: bool | None
    webhookURL: str | None
    uploadEndpoint: str | None


class UpscaleTask(UpscaleFields):
    """A task that upscales a picture.

    ``inputImage`` is the UUID of a stored image, a data URI or base64 text; in Python also a
    `pathlib.Path`, bytes, a binary file object, a NumPy array or a Pillow image.
    """

    taskType: Literal["imageUpscale", "upscale"]
    taskUUID: str
    upscaleFactor: int


class NewTaskFields(UpscaleFields, total=False):
    """Optional fields of `new_task`: those of an upscale task, and a taskUUID."""

    taskUUID: str


class UploadTask(IgnoredFields, CallbackFields):
    """A task that stores a picture. ``image`` takes the same forms as ``inputImage``."""

    taskType: Literal["imageUpload"]
    taskUUID: str
    image: object


class GetResponseTask(IgnoredFields, CallbackFields):
    """A task that asks for the result of an earlier task with ``deliveryMethod`` ``"async"``.

    ``taskUUID`` names the earlier task.
    """

    taskType: Literal["getResponse"]
    taskUUID: str


Task = UpscaleTask | UploadTask | GetResponseTask


class UpscaleResult(TypedDict):
    """Result of an upscale task.

    A response contains only the image fields that ``outputType`` asks for. All of them are declared
    as present, so that callers can read the one they asked for without a check.
    """

    taskType: str
    taskUUID: str
    imageUUID: str
    inputImageUUID: str
    imageURL: str
    imageBase64Data: str
    imageDataURI: str
    status: NotRequired[str]
    NSFWContent: NotRequired[bool]
    cost: NotRequired[float]


class UploadResult(TypedDict):
    """Result of an upload task."""

    taskType: str
    taskUUID: str
    imageUUID: str
    imageURL: str


class TaskResult(UpscaleResult):
    """Result of a task of any type. Which fields are present depends on the type.

    The acknowledgement of an asynchronous task has ``taskType`` and ``taskUUID`` only.
    """


class ErrorItem(TypedDict):
    """One fault of a task."""

    code: str
    message: str
    parameter: NotRequired[str]
    type: NotRequired[str]
    allowedValues: NotRequired[list[Any]]
    taskUUID: NotRequired[str]
    taskType: NotRequired[str]
    status: NotRequired[str]


class Envelope(TypedDict, Generic[_Result]):
    """The response to a call. ``errors`` is absent if no task failed."""

    data: list[_Result]
    errors: NotRequired[list[ErrorItem]]


def new_task(input_image: object, upscale_factor: int = 2, **fields: Unpack[NewTaskFields]) -> UpscaleTask:
    """Returns an upscale task, with a new taskUUID unless one is given.

    Args:
        input_image: The picture, in any form that ``inputImage`` takes.
        upscale_factor: 2, 3 or 4.
        **fields: Further fields by their wire names, such as ``outputFormat="PNG"``.
    """
    task: UpscaleTask = {
        "taskType": "imageUpscale",
        "taskUUID": str(uuid.uuid4()),
        "inputImage": input_image,
        "upscaleFactor": upscale_factor,
    }
    task.update(fields)  # type: ignore[typeddict-item]
    return task
