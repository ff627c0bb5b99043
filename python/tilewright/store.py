"""Images by UUID: what was uploaded, and what was made of it."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tilewright.errors import SourceError, StoreError
from tilewright.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

# The kinds of file that are ever put: looked up one by one, as listing a folder of many images would be slow.
_EXTENSIONS = ("jpg", "png", "webp", "gif")


def is_uuid4(text: str) -> bool:
    """Whether `text` is a UUID of version 4 in its usual form with hyphens, in any letter case."""
    return _UUID4.fullmatch(text) is not None


class ImageStore:
    """Encoded images in a local folder, or in anything fsspec reaches by URL.

    An image appears under its UUID complete or not at all. Any number of threads and processes may share a store.

    Args:
        location: a folder (made when first needed), or a URL such as ``memory://images``.

    Raises:
        StoreError: a URL of a kind that fsspec does not know, whose driver is not installed, or that cannot be reached.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        self.location = os.fspath(location)
        self._folder: Path | None = None
        self._remote: Any = None
        if "://" in self.location and not self.location.startswith("file://"):
            import fsspec

            try:
                self._remote, self._root = fsspec.core.url_to_fs(self.location)
            except Exception as error:  # whatever a file system's driver raises when it cannot connect
                raise StoreError(f"the image store {self.location!r} cannot be opened: {error}") from error
        else:
            path = unquote(urlsplit(self.location).path) if self.location.startswith("file://") else self.location
            try:
                self._folder = Path(path).expanduser().absolute()
            except RuntimeError as error:  # the home folder of nobody
                raise StoreError(f"the image store {self.location!r} cannot be opened: {error}") from error

    def put(self, data: bytes, extension: str) -> str:
        """Keep an encoded image.

        Args:
            data: the file's bytes.
            extension: its kind: ``"jpg"``, ``"png"``, ``"webp"`` or ``"gif"``.

        Returns:
            The new image's UUID (version 4, lower case).

        Raises:
            StoreError: it could not be written, for instance because the disk is full; nothing is left behind.
        """
        if extension not in _EXTENSIONS:
            raise ValueError(f"extension must be one of {', '.join(_EXTENSIONS)}, not {extension!r}")
        image_uuid = str(uuid.uuid4())
        name = f"{image_uuid}.{extension}"
        with self._mapped_errors("written"):
            if self._folder is not None:
                write_whole(self._folder / name, data)
            else:
                self._remote.makedirs(self._root, exist_ok=True)
                self._remote.pipe_file(f"{self._root}/{name}", data)
        return image_uuid

    def get(self, image_uuid: str) -> bytes:
        """The bytes of an image.

        Args:
            image_uuid: its UUID in any letter case.

        Raises:
            SourceError: no such image, or no UUID of version 4 (code ``invalidInputImage``).
            StoreError: it is there and cannot be read.
        """
        with self._mapped_errors("read"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    if self._folder is not None:
                        return (self._folder / name).read_bytes()
                    return bytes(self._remote.cat_file(f"{self._root}/{name}"))
        raise self._unknown(image_uuid)

    def url(self, image_uuid: str) -> str:
        """Where the image can be opened: a ``file://`` URL for a local folder, else the store's own URL.

        Raises:
            SourceError: no such image (code ``invalidInputImage``).
            StoreError: the store cannot be read.
        """
        with self._mapped_errors("read"):
            for name in self._names(image_uuid):
                if self._folder is not None:
                    if (self._folder / name).exists():
                        return (self._folder / name).as_uri()
                elif self._remote.exists(f"{self._root}/{name}"):
                    return str(self._remote.unstrip_protocol(f"{self._root}/{name}"))
        raise self._unknown(image_uuid)

    def _names(self, image_uuid: str) -> list[str]:
        if not is_uuid4(image_uuid):  # also keeps "../" and the like out of file names
            raise self._unknown(image_uuid)
        return [f"{image_uuid.lower()}.{extension}" for extension in _EXTENSIONS]

    def _unknown(self, image_uuid: str) -> SourceError:
        return SourceError(
            f"there is no image {image_uuid!r} in the store {self.location!r}; upload it, or pass the picture itself",
            code="invalidInputImage",
        )

    @contextlib.contextmanager
    def _mapped_errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"the image store {self.location!r} cannot be {verb}: {error}") from error
