"""From what a task gives as its picture to a `Picture`, kept in the store under a UUID."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tilewright.codecs.decode import decode_any
from tilewright.codecs.encode import encode, extension
from tilewright.codecs.in_memory import picture_from_array, picture_from_pillow
from tilewright.errors import DecodeError, SourceError, StoreError, TilewrightError
from tilewright.inputs.url import is_remote_url, shown_url
from tilewright.limits import UNLIMITED, Limits
from tilewright.picture import Animation
from tilewright.store.image_store import ImageStore, is_uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tilewright.literals import ImageParameter
    from tilewright.picture import Picture

_FORMS = "the UUID of a stored image, a data URI or base64 text; in Python also pathlib.Path, bytes, a file object opened in binary mode, a NumPy array or a Pillow image"  # fmt: skip  # noqa: E501

_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE | re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_FILE_NAME = re.compile(
    r"(?:~|\.{0,2}/|[A-Za-z]:[\\/]|\.{1,2}\\).*|.*[^.]\.[A-Za-z][A-Za-z0-9]{1,4}", re.ASCII | re.DOTALL
)

# Enough of a text to tell base64 from something else; the whole of it is checked when it is decoded.
_GLANCE = 1024


class LoadedPicture(NamedTuple):
    """A picture or animation, and the UUID under which its file is in the store."""

    picture: Picture | Animation
    image_uuid: str


def load_picture(
    value: object,
    store: ImageStore,
    *,
    limits: Limits = UNLIMITED,
    keep_metadata: bool = False,
    parameter: ImageParameter = "inputImage",
    fetcher: Callable[[str], bytes] | None = None,
    accept: Callable[[Picture | Animation], None] | None = None,
) -> LoadedPicture:
    """Read a picture in any of the accepted forms.

    A picture that is not in the store yet is kept there once it has been decoded: files as the bytes they are, arrays
    and Pillow images as PNG.

    Args:
        value: UUID of a stored image, data URI, base64 text, `pathlib.Path`, bytes-like object, binary file object
            (read from where it stands), NumPy array (see `picture_from_array`) or Pillow image; with a `fetcher` also
            an http or https address.
        store: where UUIDs are looked up and new pictures kept.
        limits: refuse more than this; of a file object, and of a file, no more is read than that takes.
        keep_metadata: whether Exif and XMP come along, see `tilewright.codecs.decode.decode`.
        parameter: the request parameter the value came in, for the error's ``parameter`` and ``code``.
        fetcher: returns the bytes at a URL, as `tilewright.inputs.fetch.fetch` does; None to refuse URLs.
        accept: called with the picture before it is kept; what it raises is passed on, and nothing is kept.

    Raises:
        SourceError: an unknown UUID, a form that is not accepted, a file or web address that cannot be read.
        DecodeError: not a picture, or a broken one.
        ImageTooLargeError: beyond a limit.
        StoreError: the store cannot be read or written.
    """
    with _blaming(parameter):
        if problem := form_problem(value, urls=fetcher is not None):
            raise SourceError(problem, code="invalidInputImage")
        stored = value.lower() if isinstance(value, str) and is_uuid4(value) else None
        data = None
        picture: Picture | Animation
        if isinstance(value, np.ndarray):
            picture = picture_from_array(value, limits=limits)
        elif _is_pillow_image(value):
            picture = picture_from_pillow(value, limits=limits, keep_metadata=keep_metadata)
        else:
            data = store.get(stored) if stored is not None else _fetched_or_read(value, fetcher, limits)
            picture = decode_any(data, limits=limits, keep_metadata=keep_metadata)
        if accept is not None:
            accept(picture)
        if stored is not None:
            return LoadedPicture(picture, stored)
        if data is None:
            assert not isinstance(picture, Animation), "animations come as files"
            return LoadedPicture(picture, store.put(encode(picture, "PNG"), extension("PNG")))
        return LoadedPicture(picture, store.put(data, picture.source_format.lower()))


def form_problem(value: object, *, urls: bool = False) -> str | None:
    """What keeps `value` from being an accepted form of picture; None when it is one, whatever its content.

    Args:
        value: anything.
        urls: whether web addresses are accepted.
    """
    if isinstance(value, str):
        return None if urls and is_remote_url(value) else _text_problem(value)
    if isinstance(value, (os.PathLike, bytes, bytearray, memoryview, np.ndarray)):
        return None
    if hasattr(value, "read") or _is_pillow_image(value):
        return None
    if isinstance(value, uuid.UUID):
        return "the UUID of a stored image is given as text: str() makes it of a UUID"
    return f"a picture cannot be given as {type(value).__name__}; give {_FORMS}"


def _text_problem(text: str) -> str | None:
    if is_uuid4(text) or _DATA_URI.match(text[:_GLANCE]):
        return None
    shown = repr(text if len(text) <= 60 else f"{text[:57]}...")
    if text[:5].lower() == "data:":
        return f"the data URI {shown} must begin with data:image/...;base64,"
    if re.match(r"(?!https?:|file:)[a-z][a-z0-9+.-]*://", text[:_GLANCE], re.IGNORECASE | re.ASCII):
        return f"{shown_url(text)!r} is an address of a kind that is not fetched; give {_FORMS}"
    if is_remote_url(text):
        return f"{shown_url(text)!r} is a web address, and fetching pictures is not enabled here (TILEWRIGHT_FETCH_URLS=public enables it); give {_FORMS}"  # fmt: skip  # noqa: E501
    if text[:7].lower() == "file://":
        return f"{shown} is a file URL; pass the image's UUID, or pathlib.Path for a file"
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return f"{shown} looks like a UUID, but not of version 4 as those of stored images are"
    if text and (trouble := _base64_trouble(text)) is None:
        return None
    if len(text) <= _GLANCE and _FILE_NAME.fullmatch(text):
        return f"{shown} looks like a file name; pass pathlib.Path({shown}) to have the file read"
    if text and len(text) > 60:
        return f"the text {shown} is no base64: {trouble}"
    return f"{shown} is no picture; give {_FORMS}"


def _base64_trouble(text: str) -> str | None:
    """Why a text cannot be base64, judged by its length and beginning; None when it can."""
    if re.search(r"\s", text[:_GLANCE]):
        return "it contains spaces or line breaks; remove them"
    if re.search(r"[-_]", text[:_GLANCE]):
        return "it uses the URL-safe alphabet; use the standard one with + and /"
    if not _BASE64.fullmatch(text if len(text) <= _GLANCE else text[:_GLANCE]):
        return "it contains characters outside A-Z a-z 0-9 + / ="
    if len(text) % 4:
        return f"its length {len(text)} is not a multiple of 4, so it is cut short or its padding (=) is missing"
    return None


def _is_pillow_image(value: object) -> bool:
    # Whoever holds a Pillow image has imported Pillow; nobody else should pay for the import.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _fetched_or_read(value: Any, fetcher: Callable[[str], bytes] | None, limits: Limits) -> bytes:
    return fetcher(value) if fetcher and is_remote_url(value) else _read_bytes(value, limits)


def _read_bytes(value: Any, limits: Limits) -> bytes:
    if isinstance(value, str):
        uri = _DATA_URI.match(value[:_GLANCE])
        return _decode_base64(value[uri.end() :] if uri else value, limits)
    if isinstance(value, os.PathLike):
        return _read_file(Path(os.fsdecode(value)), limits)
    if not hasattr(value, "read"):
        return bytes(value)
    try:
        return limits.read(value)
    except TilewrightError:
        raise
    except Exception as error:  # whoever wrote the object chose what it raises
        raise SourceError(f"the file object {value!r} cannot be read: {error}") from error


def _decode_base64(text: str, limits: Limits) -> bytes:
    limits.check_bytes(len(text) * 3 // 4 - text[-2:].count("="))
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        trouble = _base64_trouble(text) or str(error)
        raise DecodeError(f"the picture's text of {len(text)} characters is no base64: {trouble}") from error


def _read_file(path: Path, limits: Limits) -> bytes:
    try:
        with path.open("rb") as file:
            return limits.read(file)
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {str(path)!r}") from error
    except IsADirectoryError as error:
        raise SourceError(f"{str(path)!r} is a folder; give one picture file") from error
    except PermissionError as error:
        raise SourceError(f"the file {str(path)!r} may not be read: permission denied") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SourceError(f"the file {str(path)!r} cannot be read: {error}") from error


@contextlib.contextmanager
def _blaming(parameter: ImageParameter) -> Iterator[None]:
    """Give errors about the picture the name of the parameter it came in."""
    try:
        yield
    except StoreError:  # no fault of the picture's
        raise
    except TilewrightError as error:
        error.parameter = error.parameter or parameter
        if parameter == "image" and error.code == "invalidInputImage":
            error.code = "invalidImage"
        raise
