"""Resolves the picture of a task, in any accepted form, to a `Picture` or an `Animation`."""

from __future__ import annotations

import base64
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.decode import decode_any, sniff
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import extension
from tilewright.codecs.in_memory import picture_from_array, picture_from_pillow
from tilewright.codecs.messages import error_text
from tilewright.errors import CancelledError, DecodeError, SourceError, StoreError, TilewrightError
from tilewright.inputs.forms import base64_problem, data_uri_payload, form_problem, is_pillow_image, word_problem
from tilewright.limits import UNLIMITED, InputLimits
from tilewright.picture import Animation, Picture
from tilewright.store import ImageStore, is_uuid4

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from typing import Protocol

    from tilewright.literals import ImageParameter

    class Fetcher(Protocol):
        """Returns the bytes at a URL, see `tilewright.inputs.fetch.fetch`."""

        def __call__(self, url: str, *, limits: InputLimits, stop: threading.Event) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True, eq=False)
class InputPicture:
    """A picture or animation from a task.

    Attributes:
        picture: The decoded picture, or an animation whose frames are decoded one by one.
        data: The file it was decoded from; None if it was an array or a Pillow image.
        image_uuid: Its UUID if it came from the store; None if it is not stored yet.
    """

    picture: Picture | Animation
    data: bytes | None
    image_uuid: str | None


def read_picture(
    value: object,
    store: ImageStore,
    *,
    limits: InputLimits = UNLIMITED,
    keep_metadata: bool = False,
    parameter: ImageParameter = "inputImage",
    stop: threading.Event | None = None,
) -> InputPicture:
    """Reads a picture in any of the accepted forms.

    Args:
        value: UUID of a stored image, data URI, base64 text, `pathlib.Path`, bytes-like object,
            binary file object (read from its current position), NumPy array (see
            `picture_from_array`) or Pillow image. The bytes at a URL come from `fetched`.
        store: Store that UUIDs are looked up in.
        limits: Limits of the picture and its file. No more of a file is read than they allow.
        keep_metadata: Whether metadata is kept, see `tilewright.codecs.decode.decode`.
        parameter: Request parameter that the value came in, for errors.
        stop: Event that cancels the decoding.

    Raises:
        CancelledError: `stop` was set.
        SourceError: An unknown UUID, a form that is not accepted, or a file that cannot be read.
        DecodeError: The bytes are not a picture, or are corrupt.
        ImageTooLargeError: A limit is exceeded.
        StoreError: The store cannot be read.
    """
    with error_context(parameter):
        if problem := form_problem(value):
            raise SourceError(problem, code="invalidInputImage")
        if isinstance(value, np.ndarray):
            return InputPicture(picture_from_array(value, limits=limits), None, None)
        if is_pillow_image(value):
            picture = picture_from_pillow(value, limits=limits, keep_metadata=keep_metadata)
            return InputPicture(picture, None, None)
        image_uuid = value.lower() if isinstance(value, str) and is_uuid4(value) else None
        data = store.get(image_uuid) if image_uuid is not None else _read(value, limits)
        if image_uuid is None and isinstance(value, str) and sniff(data) is None and (why := word_problem(value)):
            raise DecodeError(why)
        decoded = decode_any(data, limits=limits, keep_metadata=keep_metadata, stop=stop)
        return InputPicture(decoded, data, image_uuid)


def fetched(
    url: str, fetcher: Fetcher, *, limits: InputLimits, parameter: ImageParameter, stop: threading.Event
) -> bytes:
    """Fetches the bytes at a URL.

    Args:
        url: An http or https URL.
        fetcher: Fetches them, as `tilewright.inputs.fetch.fetch` does.
        limits: See `read_picture`.
        parameter: See `read_picture`.
        stop: Cancels the fetch once it is set.

    Raises:
        SourceError: The bytes cannot be fetched.
        ImageTooLargeError: There are too many.
        CancelledError: `stop` was set.
    """
    with error_context(parameter):
        return fetcher(url, limits=limits, stop=stop)


def store_input(source: InputPicture, store: ImageStore) -> tuple[str, bool]:
    """Stores a picture that is not in the store yet.

    Files are stored unchanged, arrays and Pillow images as PNG. The same bytes are stored once.

    Returns:
        The picture's UUID, and whether it was not stored before.

    Raises:
        StoreError: The store cannot be written.
    """
    if source.image_uuid is not None:
        return source.image_uuid, False
    if source.data is not None:
        return store.put_once(source.data, source.picture.source_format.lower())
    assert isinstance(source.picture, Picture), "animations are always files"
    return store.put_once(encode(source.picture, "PNG"), extension("PNG"))


@contextlib.contextmanager
def error_context(parameter: ImageParameter) -> Iterator[None]:
    """Adds to errors about a picture the request parameter that it came in."""
    try:
        yield
    except (CancelledError, StoreError):  # not about the picture
        raise
    except TilewrightError as error:
        code = "invalidImage" if parameter == "image" and error.code == "invalidInputImage" else None
        raise error.for_parameter(error.parameter or parameter, code) from error.__cause__


def read_file(path: Path, limits: InputLimits) -> bytes:
    """Reads a file.

    Raises:
        SourceError: The file cannot be read. The message names it.
        ImageTooLargeError: The file has too many bytes.
    """
    try:
        with path.open("rb") as file:
            return limits.read(file)
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {str(path)!r}") from error
    except IsADirectoryError as error:
        raise SourceError(f"{str(path)!r} is a folder; give one picture file") from error
    except PermissionError as error:
        raise SourceError(f"the file {str(path)!r} cannot be read: permission denied") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SourceError(f"the file {str(path)!r} cannot be read: {error}") from error


def _read(value: Any, limits: InputLimits) -> bytes:
    if isinstance(value, str):
        return _decode_base64(data_uri_payload(value), limits)
    if isinstance(value, os.PathLike):
        return read_file(Path(os.fsdecode(value)), limits)
    if not hasattr(value, "read"):
        return bytes(value)
    return _read_file_object(value, limits)


def _read_file_object(file: Any, limits: InputLimits) -> bytes:
    """Reads a file object from its current position.

    Raises:
        SourceError: It cannot be read, or it has been read before and no picture begins at its
            position.
        ImageTooLargeError: It has too many bytes.
    """
    start = _position(file)
    try:
        data = limits.read(file)
    except TilewrightError:
        raise
    except Exception as error:  # a caller's object may raise anything
        raise SourceError(f"the file object ({type(file).__name__}) cannot be read: {error_text(error)}") from error
    if start and sniff(data) is None:
        found = "no picture begins" if data else "it ends"
        raise SourceError(
            f"the file object is at byte {start}, where {found}; call seek(0) first", code="invalidInputImage"
        )
    return data


def _position(file: Any) -> int:
    """Returns the position of a file object; 0 if it has none."""
    try:
        return int(file.tell())
    except Exception:  # a caller's object may raise anything
        return 0


def _decode_base64(text: str, limits: InputLimits) -> bytes:
    limits.check_bytes(len(text) * 3 // 4 - text[-2:].count("="))
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        problem = base64_problem(text) or str(error)
        raise DecodeError(f"the picture's text of {len(text)} characters is not base64: {problem}") from error
