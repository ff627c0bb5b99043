"""The image store: uploaded pictures and results by UUID."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import uuid
from typing import TYPE_CHECKING

from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.lazy import Lazy
from tilewright.store.backends import open_backend, without_credentials
from tilewright.store.identifiers import is_uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

_log = logging.getLogger("tilewright")

# Extensions of all files in a store. An image is looked up under each of them, because listing a folder
# of many images would be slow.
_EXTENSIONS = ("jpg", "png", "webp", "gif")

# Time between the expiry of an image and its removal. It covers a reader that found the image just
# before it expired, and clock differences between machines that share a store.
_GRACE_SECONDS = 60

# Age from which a partial file that no writer holds counts as one of a crashed writer.
_PARTIAL_SECONDS = 3600

# Minimum time between two cleanups by writers: a cleanup lists the whole store.
_CLEANUP_SECONDS = 3600

# Longest validity of a signed URL on S3 (signature version 4) and Google Cloud Storage: seven days.
_MAX_SIGNATURE_SECONDS = 604_800


class NewImage:
    """An image being written to a store; `ImageStore.writer` makes it.

    Attributes:
        uuid: The image's UUID (version 4, lower case).
    """

    def __init__(
        self, image_uuid: str, file: BinaryIO, mapped_errors: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        self.uuid = image_uuid
        self._file = file
        self._mapped_errors = mapped_errors

    def write(self, data: bytes) -> None:
        """Appends bytes to the image.

        Raises:
            StoreError: The bytes cannot be written.
        """
        with self._mapped_errors("written"):
            self._file.write(data)


class ImageStore:
    """Encoded images in a local folder, or in any file system that fsspec reaches by URL.

    An image appears under its UUID complete or not at all. Any number of threads and processes may
    share a store; they should use the same `ttl`.

    Args:
        location: A folder, created when first needed, or a URL such as ``s3://bucket/prefix`` or
            ``memory://images``.
        ttl: Time to live in seconds; None means images never expire. In a local folder it counts
            from the last time the image was written, read, or its URL requested. Other stores do
            not record reads, so there it counts from when the image was written.
        public_url: URL under which the store's files are served by name, such as
            ``https://img.example.org/results``.

    Raises:
        StoreError: fsspec does not know this kind of URL, its driver is not installed, or the file
            system cannot be reached.
        ValueError: `ttl` is not positive.
    """

    def __init__(
        self, location: str | os.PathLike[str], *, ttl: float | None = None, public_url: str | None = None
    ) -> None:
        if ttl is not None and not ttl > 0:
            raise ValueError(f"ttl must be a positive number of seconds, or None for no expiry, not {ttl!r}")
        self.location = os.fspath(location)
        self._public_location = without_credentials(self.location)
        self.ttl = ttl
        self.public_url = public_url.rstrip("/") if public_url else None
        self._signature_seconds = min(ttl or _MAX_SIGNATURE_SECONDS, _MAX_SIGNATURE_SECONDS)
        with self._mapped_errors("opened"):
            # Connections do not survive a fork.
            self._backend = Lazy(lambda: open_backend(self.location), per_process=True)
            self._backend.get()
        # Without a ttl, a cleanup removes only what crashed writers left: it need not come first.
        self._next_cleanup = time.monotonic() + (_CLEANUP_SECONDS if ttl is None else 0)

    def put(self, data: bytes, extension: str) -> str:
        """Stores an encoded image.

        Args:
            data: Content of the image file.
            extension: File extension: ``"jpg"``, ``"png"``, ``"webp"`` or ``"gif"``.

        Returns:
            The new image's UUID (version 4, lower case).

        Raises:
            StoreError: The image could not be written; nothing is left behind.
        """
        with self.writer(extension) as image:
            image.write(data)
        return image.uuid

    @contextlib.contextmanager
    def writer(self, extension: str) -> Iterator[NewImage]:
        """Stores an image that is written inside the block.

        The image is in the store when the block ends. If the block raises, nothing is stored. At
        most once an hour this also calls `expire`.

        Args:
            extension: File extension: ``"jpg"``, ``"png"``, ``"webp"`` or ``"gif"``.

        Yields:
            The new image, to be written to.

        Raises:
            StoreError: The image could not be written, for example because the disk is full;
                nothing is left behind.
            ValueError: The extension is another one.
        """
        if extension not in _EXTENSIONS:
            raise ValueError(f"extension must be one of {', '.join(_EXTENSIONS)}, not {extension!r}")
        self._expire_if_due()  # first, because it may free the space that this image needs
        image_uuid = str(uuid.uuid4())
        with self._mapped_errors("written"):
            writing = self._backend.get().open_writer(f"{image_uuid}.{extension}")
            file = writing.__enter__()
        try:
            yield NewImage(image_uuid, file, self._mapped_errors)
        except BaseException:  # raised by the caller's block, so not mapped
            writing.__exit__(*sys.exc_info())
            raise
        with self._mapped_errors("written"):
            writing.__exit__(None, None, None)

    def get(self, image_uuid: str) -> bytes:
        """Returns the bytes of an image.

        Args:
            image_uuid: The image's UUID, in any letter case.

        Raises:
            SourceError: There is no such image, or this is not a UUID of version 4
                (code ``invalidInputImage``).
            StoreError: The image cannot be read.
        """
        with self._mapped_errors("read"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    if self.ttl is None or self._touch_unexpired(name):
                        return self._backend.get().read(name)
        raise self._unknown(image_uuid)

    def url(self, image_uuid: str) -> str:
        """Returns a URL at which the image can be opened.

        It is under `public_url` if that is set. Otherwise it is a ``file://`` URL for a local
        folder, a signed URL if the file system can sign URLs (valid for `ttl` seconds, at most
        seven days), or the file system's own URL.

        Args:
            image_uuid: The image's UUID, in any letter case.

        Raises:
            SourceError: There is no such image (code ``invalidInputImage``).
            StoreError: The store cannot be read.
        """
        with self._mapped_errors("read"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    if self._touch_unexpired(name):
                        if self.public_url is not None:
                            return f"{self.public_url}/{name}"
                        return self._backend.get().url(name, self._signature_seconds)
        raise self._unknown(image_uuid)

    def delete(self, image_uuid: str) -> None:
        """Removes an image.

        Args:
            image_uuid: The image's UUID, in any letter case.

        Raises:
            SourceError: There is no such image (code ``invalidInputImage``).
            StoreError: The image cannot be removed.
        """
        with self._mapped_errors("changed"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    unexpired = self._touch_unexpired(name)
                    self._backend.get().remove(name)
                    if unexpired:
                        return
        raise self._unknown(image_uuid)

    def expire(self) -> int:
        """Removes expired images, and partial files of crashed writers.

        Partial files are removed from local folders once they are an hour old, unless their writer is
        still alive. Other files are not touched. Several processes may call this at once. An image is
        removed a minute after `get` stops finding it, so a concurrent reader can still finish.

        Returns:
            The number of images that this call removed.

        Raises:
            StoreError: The store cannot be listed, or an image cannot be removed.
        """
        removed = 0
        forbidden: PermissionError | None = None
        with self._mapped_errors("cleaned up"):
            self._backend.get().remove_partial_files(older_than=time.time() - _PARTIAL_SECONDS)
            if self.ttl is not None:
                oldest = time.time() - self.ttl - _GRACE_SECONDS
                for name, modified in self._backend.get().list_files():
                    image_uuid, _, extension = name.partition(".")
                    if extension in _EXTENSIONS and is_uuid4(image_uuid) and modified < oldest:
                        try:
                            self._backend.get().remove(name)
                            removed += 1
                        except FileNotFoundError:  # another process was faster
                            pass
                        except PermissionError as error:  # another user's, or open on Windows: reported at the end
                            forbidden = error
            if forbidden is not None:
                raise forbidden
        return removed

    def _expire_if_due(self) -> None:
        if time.monotonic() < self._next_cleanup:
            return
        # Not locked: it is harmless if two threads get here.
        self._next_cleanup = time.monotonic() + _CLEANUP_SECONDS
        try:
            self.expire()
        except StoreError as error:  # must not keep the caller's image from being stored
            _log.warning("expired images were not removed: %s", error)

    def _touch_unexpired(self, name: str) -> bool:
        """Touches the file; returns False if it has expired.

        Raises:
            FileNotFoundError: There is no such file.
        """
        if self.ttl is None:
            self._backend.get().check_exists(name)
            return True
        if self._backend.get().modified(name) < time.time() - self.ttl:
            return False
        self._backend.get().touch(name)
        return True

    def _names(self, image_uuid: str) -> list[str]:
        """Returns all file names that the image may have."""
        if not is_uuid4(image_uuid):  # this also keeps "../" and the like out of file names
            raise self._unknown(image_uuid)
        return [f"{image_uuid.lower()}.{extension}" for extension in _EXTENSIONS]

    def _unknown(self, image_uuid: str) -> SourceError:
        return SourceError(
            f"there is no image {image_uuid!r} in the store {self._public_location!r}; "
            "upload it, or pass the picture itself",
            code="invalidInputImage",
        )

    @contextlib.contextmanager
    def _mapped_errors(self, verb: str) -> Iterator[None]:
        """Maps file system errors to StoreError. Drivers of remote file systems raise anything."""
        try:
            yield
        except TilewrightError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise StoreError(f"the image store {self._public_location!r} cannot be {verb}: {reason}") from error
