"""Identifiers and file names of stored images."""

from __future__ import annotations

import hashlib
import re
import uuid

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

EXTENSIONS = ("jpg", "png", "webp", "gif", "tiff", "bmp", "avif", "heic")
"""Extensions of all images in a store."""

TEMPORARY = "temporary-"
"""Prefix of the names of temporary images."""


def is_uuid4(text: str) -> bool:
    """Returns whether a text is a UUID of version 4 with hyphens, in any letter case."""
    return _UUID4.fullmatch(text) is not None


def content_uuid(data: bytes) -> str:
    """Returns a UUID of version 4 that is the same for the same bytes: the start of their SHA-256."""
    return str(uuid.UUID(bytes=hashlib.sha256(data).digest()[:16], version=4))


def file_name(image_uuid: str, extension: str, *, temporary: bool) -> str:
    """Returns the name of an image's file."""
    return f"{TEMPORARY if temporary else ''}{image_uuid}.{extension}"


def file_names(image_uuid: str) -> list[str]:
    """Returns all names that an image's file may have.

    An image is looked up under each of them, because listing a folder of many images would be slow.

    Args:
        image_uuid: A UUID in any letter case.
    """
    return [
        file_name(image_uuid.lower(), extension, temporary=temporary)
        for extension in EXTENSIONS  # results are JPG by default, and each look-up may be a request
        for temporary in (False, True)
    ]


def is_temporary(name: str) -> bool:
    """Returns whether a file of this name is a temporary image."""
    return name.startswith(TEMPORARY)


def is_image(name: str) -> bool:
    """Returns whether a file of this name is an image of a store."""
    image_uuid, _, extension = name.removeprefix(TEMPORARY).partition(".")
    return extension in EXTENSIONS and is_uuid4(image_uuid)
