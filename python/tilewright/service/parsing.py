"""Validates tasks. It reports every fault of a task, not only the first one."""

from __future__ import annotations

import difflib
import logging
import math
import numbers
import uuid
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from tilewright.errors import InvalidTaskError, ModelError, ParameterError, short_repr
from tilewright.inputs.forms import form_problem
from tilewright.literals import FORMATS, TASK_FACTORS, Format, ImageParameter, OutputType
from tilewright.models.loader import check_name
from tilewright.service.advice import TASK_ADVICE
from tilewright.service.requests import PollRequest, Request, UploadRequest, UpscaleRequest
from tilewright.service.tasks import CallbackFields, IgnoredFields
from tilewright.store import is_uuid4
from tilewright.web.url import is_remote_url

if TYPE_CHECKING:
    from pathlib import Path

_Kind = Literal["missing", "invalid", "unsupported"]

_log = logging.getLogger("tilewright")

_UPSCALE_TYPES = ("imageUpscale", "upscale")
_UPLOAD_TYPE = "imageUpload"
_POLL_TYPE = "getResponse"
_TYPES = (*_UPSCALE_TYPES, _UPLOAD_TYPE, _POLL_TYPE)
_DELIVERIES = ("sync", "async")
_QUALITIES = range(20, 100)
# Names of fields are cut to this length. No real field has a longer name.
_MAX_NAME_LENGTH = 100
# No more faults of a task than this are reported. A task with more of them has one cause for all.
_MAX_FAULTS = 100
_COMMON = ("taskType", "taskUUID")
_UPSCALE_FIELDS = (
    *_COMMON, "inputImage", "inputs", "upscaleFactor", "model", "outputType", "outputFormat", "outputQuality",
    "includeCost", "deliveryMethod", "checkNSFW", "targetMegapixels", "inputMedia",
)  # fmt: skip
_UPLOAD_FIELDS = (*_COMMON, "image")
_POLL_FIELDS = _COMMON
_CALLBACK_FIELDS = tuple(CallbackFields.__annotations__)
_IGNORED = (*_CALLBACK_FIELDS, *IgnoredFields.__annotations__)


def parse_task(
    task: Mapping[str, Any],
    *,
    taken: Container[str] = (),
    urls: bool = False,
    nsfw_problem: str | None = None,
    models_dir: Path | None = None,
    callback_problem: Callable[[str], str | None] | None = None,
    upscales_only: bool = False,
    max_faults: int = _MAX_FAULTS,
) -> Request:
    """Validates a task.

    A field that is None counts as absent. Fields of the service that have no meaning here are
    ignored, and named in one log warning.

    Args:
        task: The task.
        taken: taskUUIDs, in lower case, that must not be used again.
        urls: Whether a picture may be given as an http or https URL.
        nsfw_problem: Why ``checkNSFW`` is not supported; None if it is.
        models_dir: Folder of imported networks, which tasks may name; None for none.
        callback_problem: Returns why nothing can be sent to a URL, None if something can; None if
            the fields with such URLs are ignored.
        upscales_only: Whether tasks of other types are faults.
        max_faults: Most faults that are listed, at least 1.

    Raises:
        InvalidTaskError: The task is invalid. It lists every fault, up to `max_faults` or 100.
        TypeError: `task` is not a mapping.
    """
    require_mapping(task)
    fields = {key: value for key, value in task.items() if value is not None}
    reader = _TaskReader(
        fields,
        urls=urls,
        nsfw_problem=nsfw_problem,
        models_dir=models_dir,
        callback_problem=callback_problem,
        max_faults=min(max_faults, _MAX_FAULTS),
    )
    task_type = reader.task_type(_UPSCALE_TYPES if upscales_only else _TYPES)
    task_uuid = reader.task_uuid(() if is_poll(task) else taken)
    request: Request | None = None
    if upscales_only and task_type not in _UPSCALE_TYPES:
        raise InvalidTaskError(reader.faults)  # the other fields belong to another type of task
    if task_type in _UPSCALE_TYPES:
        request = reader.upscale(task_type, task_uuid)
    elif task_type == _UPLOAD_TYPE:
        request = reader.upload(task_type, task_uuid)
    elif task_type == _POLL_TYPE:
        request = reader.poll(task_type, task_uuid)
    if reader.faults or request is None:
        raise InvalidTaskError(reader.faults)
    used = _CALLBACK_FIELDS if callback_problem and isinstance(request, UpscaleRequest) else ()
    if ignored := [name for name in _IGNORED if name in reader.fields and name not in used]:
        _log.warning("task %s: ignored fields: %s", task_uuid, ", ".join(ignored))
    return request


def require_mapping(task: object) -> None:
    """Checks the type of a task.

    Raises:
        TypeError: `task` is not a mapping.
    """
    if not isinstance(task, Mapping):
        raise TypeError(f"a task must be a mapping such as a dict, not {type(task).__name__}; {TASK_ADVICE}")


def is_poll(task: Mapping[str, Any]) -> bool:
    """Returns whether a task is a ``getResponse`` task, whose taskUUID names another task.

    The task need not be valid.
    """
    task_type = task.get("taskType")
    return isinstance(task_type, str) and task_type == _POLL_TYPE


class _TaskReader:
    """Reads fields and collects faults.

    For a faulty field it returns a value of the right type, which is not used.
    """

    def __init__(
        self,
        fields: Mapping[Any, Any],
        *,
        urls: bool,
        nsfw_problem: str | None,
        models_dir: Path | None,
        callback_problem: Callable[[str], str | None] | None,
        max_faults: int,
    ) -> None:
        self.fields = fields
        self._urls = urls
        self._nsfw_problem = nsfw_problem
        self._models_dir = models_dir
        self._callback_problem = callback_problem
        self._max_faults = max_faults
        self.faults: list[ParameterError] = []

    def task_type(self, known: Sequence[str]) -> str:
        task_type = self._text("taskType", required=True)
        if task_type and task_type not in known:
            self._unsupported("taskType", task_type, known)
        return task_type or ""

    def task_uuid(self, taken: Container[str]) -> str:
        task_uuid = self._text("taskUUID", required=True)
        if task_uuid is not None and not is_uuid4(task_uuid):
            self._invalid("taskUUID", task_uuid, "a UUID of version 4 (tilewright.new_task makes one)", "string")
        elif task_uuid is not None and task_uuid.lower() in taken:
            message = f"taskUUID {task_uuid} is already used by another task; give every task its own"
            self._add(ParameterError(message, code="conflictTaskUUID", parameter="taskUUID"))
        return task_uuid or ""

    def poll(self, task_type: str, task_uuid: str) -> PollRequest:
        self._refuse_unknown(self.fields, _POLL_FIELDS)
        return PollRequest(task_type=task_type, task_uuid=task_uuid)

    def upload(self, task_type: str, task_uuid: str) -> UploadRequest:
        image = self._image("image", "image", self.fields.get("image"))
        self._refuse_unknown(self.fields, _UPLOAD_FIELDS)
        return UploadRequest(task_type=task_type, task_uuid=task_uuid, image=image)

    def upscale(self, task_type: str, task_uuid: str) -> UpscaleRequest:
        image_parameter, input_image = self._input_image()
        faults = len(self.faults)
        factor = self._upscale_factor()
        model = self._model(factor if len(self.faults) == faults else None)
        result = UpscaleRequest(
            task_type=task_type,
            task_uuid=task_uuid,
            input_image=input_image,
            image_parameter=image_parameter,
            upscale_factor=factor,
            model=model,
            output_types=self._output_types(),
            output_format=self._output_format(),
            output_quality=self._output_quality(),
            include_cost=self._flag("includeCost"),
            is_async=self._delivery_method() == "async",
            check_nsfw=self._check_nsfw(),
            webhook_url=self._callback_url("webhookURL"),
            upload_endpoint=self._callback_url("uploadEndpoint"),
        )
        self._refuse_unsupported()
        self._refuse_unknown(self.fields, (*_UPSCALE_FIELDS, *(_CALLBACK_FIELDS if self._callback_problem else ())))
        return result

    def _input_image(self) -> tuple[ImageParameter, object]:
        inputs = self.fields.get("inputs", {})
        if not isinstance(inputs, Mapping):
            self._invalid("inputs", inputs, 'an object such as {"image": ...}', "object")
            inputs = {}
            if "inputImage" not in self.fields:
                return "inputs.image", None
        inputs = {key: value for key, value in inputs.items() if value is not None}
        if "video" in inputs:
            self._fault(
                "unsupported", "inputs", "inputs.video is not supported, only pictures are upscaled", "inputs.video"
            )
        for key in inputs:
            if key not in ("image", "video"):
                self._unknown(f"inputs.{key}", ["inputs.image"])
        nested = inputs.get("image")
        if nested is None:
            return "inputImage", self._image("inputImage", "inputImage", self.fields.get("inputImage"))
        if "inputImage" in self.fields:
            message = "inputImage and inputs.image mean the same; give only one of them"
            self._add(ParameterError(message, code="incompatibleParameters", parameter="inputs.image"))
        return "inputs.image", self._image("inputImage", "inputs.image", nested)

    def _image(self, name: str, parameter: ImageParameter, value: object) -> object:
        if value is None:
            self._missing(name)
        elif problem := form_problem(value, urls=self._urls):
            self._fault(
                "unsupported" if is_remote_url(value) else "invalid",
                name,
                f"{parameter}: {problem}",
                parameter,
                expected_type=None if isinstance(value, str) else "string",
            )
        return value

    def _upscale_factor(self) -> int:
        if "upscaleFactor" not in self.fields:
            self._missing("upscaleFactor")
        return self._integer("upscaleFactor", TASK_FACTORS, 2)

    def _model(self, factor: int | None) -> str | None:
        name = self._text("model")
        if name is not None:
            try:
                check_name(name, factor, models_dir=self._models_dir)
            except ModelError as error:
                self._add(
                    ParameterError(
                        error.message,
                        code=error.code,
                        parameter=error.parameter or "model",
                        allowed_values=error.allowed_values,
                    )
                )
        return name

    def _output_quality(self) -> int:
        return self._integer("outputQuality", _QUALITIES, 95)

    def _integer(self, name: str, allowed: Sequence[int], default: int) -> int:
        value: Any = self.fields.get(name, default)
        # Only floats can be infinite or NaN, and math.isfinite fails for very large integers.
        finite = math.isfinite(value) if isinstance(value, float) else True
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not finite:
            self._invalid(name, value, f"an integer from {allowed[0]} to {allowed[-1]}", "integer")
        elif value not in allowed:
            self._unsupported(name, value, allowed)
        else:
            return allowed[allowed.index(value)]  # an int, whatever type of number was sent
        return default

    def _output_types(self) -> tuple[OutputType, ...]:
        value = self.fields.get("outputType", "URL")
        asked = list(value) if isinstance(value, (list, tuple)) else [value]
        known: tuple[OutputType, ...] = get_args(OutputType)
        if not asked or not all(isinstance(entry, str) for entry in asked):
            self._invalid("outputType", value, f"one of {', '.join(known)}, or a list of them", "string|string[]")
            return ("URL",)
        for entry in islice((entry for entry in dict.fromkeys(asked) if entry not in known), self._max_faults):
            self._unsupported("outputType", entry, known)
        return tuple(entry for entry in known if entry in asked)

    def _output_format(self) -> Format:
        text = self._text("outputFormat") or "JPG"
        for name in FORMATS:
            if text.upper() == name:
                return name
        self._unsupported("outputFormat", text, FORMATS)
        return "JPG"

    def _flag(self, name: str) -> bool:
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            self._invalid(name, value, "true or false", "boolean")
        return value is True

    def _text(self, name: str, *, required: bool = False) -> str | None:
        value = self.fields.get(name)
        if value is None:
            if required:
                self._missing(name)
        elif isinstance(value, uuid.UUID):
            self._invalid(name, value, "text; convert the UUID with str()", "string")
        elif not isinstance(value, str) or not value:
            self._invalid(name, value, "non-empty text", "string")
        else:
            return value
        return None

    def _delivery_method(self) -> str:
        method = self._text("deliveryMethod") or "sync"
        if method not in _DELIVERIES:
            self._unsupported("deliveryMethod", method, _DELIVERIES)
        return method

    def _check_nsfw(self) -> bool:
        wanted = self._flag("checkNSFW")
        if wanted and self._nsfw_problem is not None:  # ignoring the field would look like a negative result
            self._fault("unsupported", "checkNSFW", f"checkNSFW: {self._nsfw_problem}", allowed_values=[False])
        return wanted

    def _callback_url(self, name: str) -> str | None:
        if self._callback_problem is None:
            return None
        url = self._text(name)
        if url is not None and (problem := self._callback_problem(url)) is not None:
            self._fault("invalid", name, f"{name}: {problem}")
        return url

    def _refuse_unsupported(self) -> None:
        """Refuses known fields that would change the result and are not supported."""
        if "targetMegapixels" in self.fields:
            self._fault("unsupported", "targetMegapixels", "targetMegapixels is not supported; use upscaleFactor")
        if "inputMedia" in self.fields:
            self._fault("unsupported", "inputMedia", "inputMedia is not supported; give the picture as inputImage")

    def _refuse_unknown(self, fields: Mapping[Any, Any], known: Sequence[str]) -> None:
        for key in fields:
            if key not in known and key not in _IGNORED:
                self._unknown(str(key), known)

    def _unknown(self, parameter: str, known: Sequence[str]) -> None:
        if len(self.faults) == self._max_faults:  # saves the search for a similar name: there may be a million keys
            return
        lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(parameter[:_MAX_NAME_LENGTH].lower(), lower, n=1, cutoff=0.0)
        message = f"there is no parameter {short_repr(parameter)}; the nearest known one is {lower[near[0]]}"
        self._add(ParameterError(message, code="unknownParameter", parameter=parameter[:_MAX_NAME_LENGTH]))

    def _missing(self, name: str) -> None:
        self._fault("missing", name, f"{name} is required")

    def _invalid(self, name: str, value: object, wanted: str, expected_type: str) -> None:
        self._fault("invalid", name, f"{name} must be {wanted}, not {short_repr(value)}", expected_type=expected_type)

    def _unsupported(self, name: str, value: object, allowed: Sequence[Any]) -> None:
        if isinstance(allowed, range):
            choices = f"an integer from {allowed[0]} to {allowed[-1]}"
        else:
            choices = f"{'' if len(allowed) == 1 else 'from: '}{', '.join(map(str, allowed))}"
        message = f"{name} {short_repr(value)} is not supported; choose {choices}"
        self._fault("unsupported", name, message, allowed_values=allowed)

    def _fault(
        self,
        kind: _Kind,
        name: str,
        message: str,
        parameter: str | None = None,
        *,
        expected_type: str | None = None,
        allowed_values: Sequence[Any] | None = None,
    ) -> None:
        self._add(
            ParameterError(
                message,
                code=f"{kind}{name[0].upper()}{name[1:]}",
                parameter=parameter or name,
                expected_type=expected_type,
                allowed_values=allowed_values,
            )
        )

    def _add(self, fault: ParameterError) -> None:
        if len(self.faults) < self._max_faults:
            self.faults.append(fault)
