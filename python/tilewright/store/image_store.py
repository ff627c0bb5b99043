"""The image store: uploaded pictures and results by UUID."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.lazy import Lazy
from tilewright.store.backends import open_backend, without_credentials
from tilewright.store.cleaning import clean
from tilewright.store.identifiers import (
    EXTENSIONS,
    TEMPORARY,
    content_uuid,
    file_name,
    file_names,
    is_image,
    is_temporary,
    is_uuid4,
)
from tilewright.store.new_image import NewImage
from tilewright.store.records import Records
from tilewright.store.usage import StoreUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_log = logging.getLogger("tilewright")

# Minimum time between two cleanups by writers: a cleanup lists the whole store.
_CLEANUP_SECONDS = 3600

# How long a temporary image is kept after its last use.
_TEMPORARY_SECONDS = 24 * 3600

# Longest validity of a signed URL on S3 (signature version 4) and Google Cloud Storage: seven days.
_MAX_SIGNATURE_SECONDS = 604_800


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
        shared: Whether other users of this machine may read the images in a local folder, as far as
            the process's umask allows. If not, they have mode 0600, and a folder that is created
            has mode 0700. None for True if there is a `public_url`, because a web server then reads
            them, else False.

    Attributes:
        location: As given.
        public_location: The location without user name and password, for messages.
        ttl: As given.
        public_url: As given, without a slash at its end.
        records: Small values that are kept beside the images.

    Raises:
        StoreError: fsspec does not know this kind of URL, its driver is not installed, or the file
            system cannot be reached.
        ValueError: `ttl` is not positive.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        ttl: float | None = None,
        public_url: str | None = None,
        shared: bool | None = None,
    ) -> None:
        if ttl is not None and not ttl > 0:
            raise ValueError(f"ttl must be a positive number of seconds, or None for no expiry, not {ttl!r}")
        self.location = os.fspath(location)
        self.public_location = without_credentials(self.location)
        self.ttl = ttl
        self.public_url = public_url.rstrip("/") if public_url else None
        self._shared = shared
        self._signature_seconds = min(ttl or _MAX_SIGNATURE_SECONDS, _MAX_SIGNATURE_SECONDS)
        with self._mapped_errors("opened"):
            # Connections do not survive a fork.
            readable = bool(public_url) if shared is None else shared
            self._backend = Lazy(lambda: open_backend(self.location, shared=readable), per_process=True)
            self._backend.get()
        self.records = Records(self._backend, self._mapped_errors)
        self._next_cleanup = time.monotonic()
        # The difference of two clocks. See `_now`.
        self._started = time.time() - time.monotonic()

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(ImageStore, ttl=self.ttl, public_url=self.public_url, shared=self._shared)
        return make, (self.location,)

    def put(self, data: bytes, extension: str) -> str:
        """Stores an encoded image.

        Args:
            data: Content of the image file.
            extension: File extension: ``"jpg"``, ``"png"``, ``"webp"``, ``"gif"``, ``"tiff"``,
                ``"bmp"``, ``"avif"`` or ``"heic"``.

        Returns:
            The new image's UUID (version 4, lower case).

        Raises:
            StoreError: The image could not be written; nothing is left behind.
        """
        with self.writer(extension) as image:
            image.write(data)
        return image.uuid

    def put_once(self, data: bytes, extension: str) -> tuple[str, bool]:
        """Stores an encoded image, unless an earlier call has stored the same bytes.

        Args:
            data: Content of the image file.
            extension: As for `put`.

        Returns:
            The image's UUID (version 4, lower case), which depends on the bytes only, and whether
            the image is new.

        Raises:
            StoreError: As for `put`.
        """
        image_uuid = content_uuid(data)
        with self._mapped_errors("read"), contextlib.suppress(FileNotFoundError):
            # Most stores cannot renew an image that is used again, except by writing it again.
            if self._touch_unexpired(name := f"{image_uuid}.{extension}") and self._is_fresh(name):
                return image_uuid, False
        with self._writer(image_uuid, extension) as image:
            image.write(data)
        return image_uuid, True

    @contextlib.contextmanager
    def writer(self, extension: str, *, temporary: bool = False) -> Iterator[NewImage]:
        """Stores an image that is written inside the block.

        The image is in the store when the block ends. If the block raises, nothing is stored. At
        most once an hour this also calls `expire`.

        Args:
            extension: As for `put`.
            temporary: Whether the image expires after a day, or after `ttl` if that is shorter.

        Yields:
            The new image, to be written to.

        Raises:
            StoreError: The image could not be written, for example because the disk is full;
                nothing is left behind.
            ValueError: The extension is another one.
        """
        with self._writer(str(uuid.uuid4()), extension, temporary=temporary) as image:
            yield image

    @contextlib.contextmanager
    def _writer(self, image_uuid: str, extension: str, *, temporary: bool = False) -> Iterator[NewImage]:
        if extension not in EXTENSIONS:
            raise ValueError(f"extension must be one of {', '.join(EXTENSIONS)}, not {extension!r}")
        self._expire_if_due()  # first, because it may free the space that this image needs
        name = file_name(image_uuid, extension, temporary=temporary)
        with self._mapped_errors("written"):
            writing = self._backend.get().open_writer(name)
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
                    if self._ttl_of(name) is None or self._touch_unexpired(name):
                        return self._backend.get().read(name)
        raise self._unknown(image_uuid)

    def find_file(self, name: str) -> Path | None:
        """Looks for the file of an image, which then counts as used now.

        Args:
            name: Name of the file, as at the end of `url`.

        Returns:
            Its path in a local folder; None if the store is no local folder.

        Raises:
            SourceError: There is no such file (code ``invalidInputImage``).
            StoreError: The store cannot be read.
        """
        with self._mapped_errors("read"), contextlib.suppress(FileNotFoundError):
            if is_image(name) and self._touch_unexpired(name):
                folder = self._backend.get().folder
                return None if folder is None else folder / name
        raise self._unknown(name)

    def read_file(self, name: str) -> bytes:
        """Returns the content of the file of an image. Name and errors are those of `find_file`."""
        with self._mapped_errors("read"), contextlib.suppress(FileNotFoundError):
            if is_image(name):
                return self._backend.get().read(name)
        raise self._unknown(name)

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
        name = self._fresh_name(image_uuid)
        if self.public_url is not None:
            return f"{self.public_url}/{name}"
        with self._mapped_errors("read"):
            return self._backend.get().url(name, self._signature_seconds)

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
        """Removes expired images, old records, and partial files of crashed writers.

        Partial files are removed from local folders once they are an hour old, unless their writer is
        still alive. Other files are not touched. Several processes may call this at once. An image is
        removed a minute after `get` stops finding it, so a concurrent reader can still finish.

        Returns:
            The number of images that this call removed.

        Raises:
            StoreError: The store cannot be listed, or an image cannot be removed.
        """
        # Without a ttl, only temporary images can expire, and the others need not be listed.
        return self._clean(prefix=TEMPORARY if self.ttl is None else "")

    def clean(self, *, unused_for: float = 0) -> int:
        """Removes images that have not been used for some time, whether they have expired or not.

        Also does what `expire` does, and removes records of that age. For the time of the last use, see `ttl`.

        Args:
            unused_for: Seconds; 0 to remove all images.

        Returns:
            The number of images that this call removed.

        Raises:
            StoreError: As for `expire`.
        """
        return self._clean(unused_for=unused_for)

    def usage(self) -> StoreUsage:
        """Returns how many images the store has and how much space they take. It lists the store.

        Raises:
            StoreError: The store cannot be listed.
        """
        with self._mapped_errors("listed"):
            images = [each for each in self._backend.get().list_files() if is_image(each.name)]
        temporary = sum(is_temporary(each.name) for each in images)
        return StoreUsage(len(images), sum(each.size for each in images), temporary)

    def _clean(self, *, prefix: str = "", unused_for: float | None = None) -> int:
        with self._mapped_errors("cleaned up"):
            return clean(self._backend.get(), self._now(), self._ttl_of, prefix=prefix, unused_for=unused_for)

    def _now(self) -> float:
        """Returns the time in seconds since 1970, on a clock that cannot jump ahead.

        If the system's clock is set ahead while the process runs, images must not expire at once.
        """
        return min(time.time(), self._started + time.monotonic())

    def _ttl_of(self, name: str) -> float | None:
        """Returns a file's time to live in seconds; None if it never expires."""
        if is_temporary(name):
            return min(self.ttl or _TEMPORARY_SECONDS, _TEMPORARY_SECONDS)
        return self.ttl

    def _is_fresh(self, name: str) -> bool:
        """Returns whether a file has at least half of its time to live left."""
        ttl = self._ttl_of(name)
        return ttl is None or self._backend.get().modified(name) > self._now() - ttl / 2

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
        ttl = self._ttl_of(name)
        if ttl is None:
            self._backend.get().check_exists(name)
            return True
        if self._backend.get().modified(name) < self._now() - ttl:
            return False
        self._backend.get().touch(name)
        return True

    def _fresh_name(self, image_uuid: str) -> str:
        """Returns the name of an image's file, which counts as used now."""
        with self._mapped_errors("read"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    if self._touch_unexpired(name):
                        return name
        raise self._unknown(image_uuid)

    def _names(self, image_uuid: str) -> list[str]:
        """Returns all file names that the image may have."""
        if not is_uuid4(image_uuid):  # this also keeps "../" and the like out of file names
            raise self._unknown(image_uuid)
        return file_names(image_uuid)

    def _unknown(self, image_uuid: str) -> SourceError:
        return SourceError(
            f"there is no image {image_uuid!r} in the store; upload it, or pass the picture itself",
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
            raise StoreError(f"the image store {self.public_location!r} cannot be {verb}: {reason}") from error
