"""Every error the library raises on purpose.

    TilewrightError
    ├── SourceError          a picture cannot be found, or its bytes cannot be fetched
    ├── DecodeError          bytes that are no picture, are corrupt, or of a kind we do not read
    ├── ImageTooLargeError   a picture beyond a limit
    ├── EncodeError          a result the chosen file format cannot hold
    ├── StoreError           the image store, or the cache of networks, cannot be read or written
    ├── ModelError           an unknown network, absent weights, or a graph we do not understand
    ├── DeviceError          the requested device cannot run
    ├── InferenceError       the network failed while running
    ├── CancelledError       the caller asked to stop
    ├── SettingsError        an environment variable with a value that is not understood
    ├── ParameterError       one parameter of a task that is missing, malformed, or not offered
    ├── InvalidTaskError     a task with one or more such faults, all of them
    └── TaskError            an envelope with errors, raised by `raise_for_errors`

Each class carries a stable ``code`` (the wire format's error code), and each instance the ``parameter`` it is about
where there is one. Foreign exceptions (codec, runtime, file system) are mapped where they arise, with ``raise … from``.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def shown(value: object) -> str:
    """A value for a message: one line, never long, whatever it is."""
    try:
        text = _REPR.repr(value)
    except ValueError:  # an integer of more digits than Python turns to text
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


_SHOWN = 60
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 2 * _SHOWN


class TilewrightError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what is wrong, with the offending value, and what to do about it.
        code: overrides the class's stable code.
        parameter: the request parameter at fault, where one is.
        allowed_values: the values that would have been accepted, where they can be listed.
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


class SourceError(TilewrightError):
    """A picture cannot be found, or its bytes cannot be fetched."""

    code = "failedToTransferImage"


class DecodeError(TilewrightError):
    """Bytes that are no picture, are corrupt, or are of a kind that is not read."""

    code = "invalidInputImage"


class ImageTooLargeError(TilewrightError):
    """A picture beyond a limit; the message gives both numbers."""

    code = "imageTooLarge"


class EncodeError(TilewrightError):
    """A result the chosen file format cannot hold."""

    code = "unsupportedOutputFormat"


class StoreError(TilewrightError):
    """The image store, or the cache of converted networks, cannot be read or written."""


class ModelError(TilewrightError):
    """An unknown network, absent weights, or a graph that is not understood."""

    code = "invalidModel"


class DeviceError(TilewrightError):
    """The requested device cannot run; the message says why."""


class InferenceError(TilewrightError):
    """The network failed while running, or gave values that are not finite even in float32."""


class CancelledError(TilewrightError):
    """The caller asked to stop; no result of the task that was at work was stored."""


class SettingsError(TilewrightError):
    """An environment variable with a value that is not understood; the message names it."""


class ParameterError(TilewrightError):
    """One parameter of a task that is missing, malformed, or not offered.

    Attributes:
        expected_type: what the wire format wants there, such as ``"integer"``; None where the type was right.
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
    """A task that cannot be run.

    Attributes:
        faults: everything that is wrong with it, in the order of the wire format's fields; at least one.
    """

    def __init__(self, faults: Sequence[ParameterError]) -> None:
        super().__init__(
            "; ".join(fault.message for fault in faults), code=faults[0].code, parameter=faults[0].parameter
        )
        self.faults = list(faults)


class TaskError(TilewrightError):
    """One or more tasks of an envelope failed.

    Attributes:
        errors: the error items, exactly as in the envelope.
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
        "imageTooLarge",
        "incompatibleParameters",
        "internalServerError",
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
        "invalidTaskType",
        "invalidTaskUUID",
        "invalidUpscaleFactor",
        "missingImage",
        "missingInputImage",
        "missingTaskType",
        "missingTaskUUID",
        "missingUpscaleFactor",
        "taskNotFound",
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
"""Every code an error item can carry; each is explained in ``docs/errors.md``."""
