"""All errors that the library raises on purpose.

    TilewrightError
    ├── SourceError          a picture is missing, or its bytes cannot be fetched
    ├── DecodeError          bytes that are not a picture, are corrupt, or have an unsupported format
    ├── ImageTooLargeError   a picture exceeds a limit
    ├── EncodeError          the output format cannot hold the result
    ├── StoreError           the image store or the network cache cannot be read or written
    ├── ModelError           an unknown network, missing weights, or an unsupported graph
    ├── DeviceError          the requested device cannot run
    ├── InferenceError       the network failed while running
    ├── CancelledError       the caller cancelled
    ├── SettingsError        an environment variable has an invalid value
    ├── ParameterError       one parameter of a task is missing, malformed or unsupported
    ├── InvalidTaskError     a task is invalid; holds all its ParameterErrors
    └── TaskError            an envelope has errors; raised by `raise_for_errors`

Each class has a stable ``code``, the error code of the wire format. Each instance names the
``parameter`` at fault, if there is one. Foreign exceptions (codec, runtime, file system) are mapped
where they arise, with ``raise … from``.
"""

from __future__ import annotations

import copy
import reprlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self


_MAX_REPR_LENGTH = 60
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 2 * _MAX_REPR_LENGTH


def short_repr(value: object) -> str:
    """Returns the repr of any value for a message: one line of at most 60 characters."""
    try:
        text = _REPR.repr(value)
    except ValueError:  # an integer with more digits than Python converts to text
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_REPR_LENGTH else f"{text[: _MAX_REPR_LENGTH - 3]}..."


def first_line(error: Exception, length: int = 200) -> str:
    """Returns the first line of an exception's message, cut to a length; its type if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:length]


class TilewrightError(Exception):
    """Base class of all errors raised on purpose.

    Args:
        message: What is wrong, with the offending value, and what to do about it.
        code: Error code of the wire format; None for the class's code.
        parameter: Name of the request parameter at fault, if there is one.
        allowed_values: Accepted values, if they can be listed.
    """

    code = "internalServerError"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        parameter: str | None = None,
        allowed_values: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.parameter = parameter
        self.allowed_values = list(allowed_values) if allowed_values is not None else None

    def for_parameter(self, parameter: str, code: str | None = None) -> Self:
        """Returns a copy of this error that names a request parameter.

        Class, message, cause, traceback and all other attributes are kept.

        Args:
            parameter: Name of the request parameter at fault.
            code: Error code of the copy; None to keep this error's code.
        """
        copied = copy.copy(self)
        copied.parameter, copied.code = parameter, code or self.code
        copied.__cause__ = self.__cause__
        return copied.with_traceback(self.__traceback__)

    def __reduce__(self) -> tuple[object, ...]:
        # Copying and unpickling an exception calls its constructor with `args`, which fails for
        # subclasses that take other arguments. A process pool would then wait forever.
        return _new_error, (type(self), self.args), vars(self)


def _new_error(error_class: type[TilewrightError], args: tuple[object, ...]) -> TilewrightError:
    """Makes an error without calling its constructor."""
    return error_class.__new__(error_class, *args)


class SourceError(TilewrightError):
    """A picture is missing, or its bytes cannot be fetched."""

    code = "failedToTransferImage"


class DecodeError(TilewrightError):
    """Bytes that are not a picture, are corrupt, or have an unsupported format."""

    code = "invalidInputImage"


class ImageTooLargeError(TilewrightError):
    """A picture exceeds a limit; the message gives both numbers."""

    code = "imageTooLarge"


class EncodeError(TilewrightError):
    """The output format cannot hold the result."""

    code = "unsupportedOutputFormat"


class StoreError(TilewrightError):
    """The image store or the cache of converted networks cannot be read or written."""


class ModelError(TilewrightError):
    """An unknown network, missing weights, or an unsupported graph."""

    code = "invalidModel"


class DeviceError(TilewrightError):
    """The requested device cannot run; the message says why."""


class InferenceError(TilewrightError):
    """The network failed while running, or its result has non-finite values even in float32."""


class CancelledError(TilewrightError):
    """The caller cancelled; no result of the running task was stored."""


class SettingsError(TilewrightError):
    """An environment variable has an invalid value; the message names the variable."""


class ParameterError(TilewrightError):
    """One parameter of a task is missing, malformed or unsupported.

    Attributes:
        expected_type: Type that the wire format expects, such as ``"integer"``; None if the type was
            right.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        parameter: str,
        expected_type: str | None = None,
        allowed_values: Sequence[Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, parameter=parameter, allowed_values=allowed_values)
        self.expected_type = expected_type


class InvalidTaskError(TilewrightError):
    """A task cannot be run.

    Attributes:
        faults: All its errors, in the order of the wire format's fields; at least one.
    """

    def __init__(self, faults: Sequence[ParameterError]) -> None:
        super().__init__(
            "; ".join(fault.message for fault in faults), code=faults[0].code, parameter=faults[0].parameter
        )
        self.faults = list(faults)


class TaskError(TilewrightError):
    """One or more tasks of an envelope failed.

    Attributes:
        errors: The error items, exactly as in the envelope.
    """

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        first = errors[0]
        rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(
            f"{first['code']}: {first['message']}{rest}",
            code=str(first["code"]),
            parameter=first.get("parameter"),
            allowed_values=first.get("allowedValues"),
        )
        self.errors = [dict(error) for error in errors]


ERROR_CODES = frozenset(
    {
        "conflictTaskUUID",
        "failedToTransferImage",
        "forbiddenOrigin",
        "imageTooLarge",
        "incompatibleParameters",
        "internalServerError",
        "invalidApiKey",
        "invalidCheckNSFW",
        "invalidDeliveryMethod",
        "invalidImage",
        "invalidIncludeCost",
        "invalidInputImage",
        "invalidInputs",
        "invalidModel",
        "invalidOutputFormat",
        "invalidOutputQuality",
        "invalidOutputType",
        "invalidRequest",
        "invalidTaskType",
        "invalidTaskUUID",
        "invalidUploadEndpoint",
        "invalidUpscaleFactor",
        "invalidWebhookURL",
        "missingImage",
        "missingInputImage",
        "missingTaskType",
        "missingTaskUUID",
        "missingUpscaleFactor",
        "rateLimitExceeded",
        "requestTooLarge",
        "serverStopping",
        "taskNotFound",
        "tooManyTasks",
        "unknownParameter",
        "unsupportedCheckNSFW",
        "unsupportedDeliveryMethod",
        "unsupportedImage",
        "unsupportedInputImage",
        "unsupportedInputs",
        "unsupportedInputMedia",
        "unsupportedOutputFormat",
        "unsupportedOutputQuality",
        "unsupportedOutputType",
        "unsupportedTargetMegapixels",
        "unsupportedTaskType",
        "unsupportedUpscaleFactor",
    }
)
"""All error codes; ``docs/errors.md`` explains each."""
