"""Tasks that fail, and functions that raise."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING, Any, NoReturn

from PIL import Image

import tilewright
from tilewright.testing import make_picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from tilewright import Upscaler

FORMATS = ("PNG", "JPG", "WEBP")


def _jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(make_picture(100, 100)).save(file, "JPEG", quality=60)
    return file.getvalue()


PICTURE = _jpeg()


def task(file_format: str = "PNG", **fields: Any) -> dict[str, Any]:
    """Returns a task for the sample picture."""
    return tilewright.new_task(PICTURE, 2, outputFormat=file_format, outputType="base64Data", **fields)


def done(upscaler: Upscaler, request: dict[str, Any]) -> str:
    """Runs a task that succeeds, deletes its images, and returns the base64 data of its result."""
    reply = upscaler.run(request)
    assert "errors" not in reply
    [item] = reply["data"]
    for name in ("imageUUID", "inputImageUUID"):
        upscaler.store.delete(item[name])
    return item["imageBase64Data"]


def fault_of(upscaler: Upscaler, request: dict[str, Any]) -> tuple[str, str | None, str]:
    """Runs a task that fails, synchronously and asynchronously, and checks that the errors agree.

    Returns:
        Code, parameter and message.
    """
    [error] = upscaler.run(request)["errors"]
    assert "errors" not in upscaler.run({**request, "deliveryMethod": "async"})
    upscaler._runner.wait()
    [again] = upscaler.run({"taskType": "getResponse", "taskUUID": request["taskUUID"]})["errors"]
    assert again == {**error, "status": "error"}
    return error["code"], error.get("parameter"), error["message"]


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """Returns a function that raises an error."""

    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


def failing_at(number: int, function: Callable[..., Any], fail: Callable[[], Any]) -> Callable[..., Any]:
    """Returns a function that calls `fail` before its call of that number, from 0, and then counts anew."""
    calls = itertools.count()

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls) % (number + 1) == number:
            fail()
        return function(*arguments, **options)

    return call


def followed_by(function: Callable[..., Any], action: Callable[[], None]) -> Callable[..., Any]:
    """Returns a function that calls another one and then runs an action."""

    def both(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        action()
        return result

    return both
