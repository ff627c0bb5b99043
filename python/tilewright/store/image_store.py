"""Images by UUID: what was uploaded, and what was made of it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
import uuid
from typing import TYPE_CHECKING

from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.store.backends import open_place, without_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

_log = logging.getLogger("tilewright")

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)

# The kinds of file that are ever put: looked up one by one, as listing a folder of many images would be slow.
_EXTENSIONS = ("jpg", "png", "webp", "gif")

# Between an image's counting as gone and its removal: a reader that found it in time has renewed it by then, and
# clocks of machines that share a store may differ by as much.
_GRACE_SECONDS = 60

_LEFT_OVER_SECONDS = 3600

# Writing tidies up at most this often, as it lists the whole store.
_TIDY_SECONDS = 3600

# The longest that S3 (signature version 4) and Google Cloud Storage sign a URL for: seven days.
_LONGEST_SIGNATURE_SECONDS = 604_800


def is_uuid4(text: str) -> bool:
    """Whether `text` is a UUID of version 4 in its usual form with hyphens, in any letter case."""
    return _UUID4.fullmatch(text) is not None


class NewImage:
    """An image that is being written.

    Attributes:
        uuid: under which it will be found (version 4, lower case).
    """

    def __init__(
        self, image_uuid: str, file: BinaryIO, mapped_errors: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        """Made by `ImageStore.writer`."""
        self.uuid = image_uuid
        self._file = file
        self._mapped_errors = mapped_errors

    def write(self, data: bytes) -> None:
        """Writes the next bytes.

        Raises:
            StoreError: they cannot be written.
        """
        with self._mapped_errors("written"):
            self._file.write(data)


class ImageStore:
    """Encoded images in a local folder, or in anything fsspec reaches by URL.

    An image appears under its UUID complete or not at all. Any number of threads and processes may share a store;
    they should agree on `ttl`.

    Args:
        location: a folder (made when first needed), or a URL such as ``s3://bucket/prefix`` or ``memory://images``.
        ttl: seconds after which an image counts as gone, None for never. A local folder counts them from the last time
            the image was written, read, or its URL asked for; other stores, which keep no time of reading, from when
            it was written.
        public_url: where the store's files are served under their names, such as ``https://img.example.org/results``.

    Raises:
        StoreError: a URL of a kind that fsspec does not know, whose driver is not installed, or that cannot be reached.
        ValueError: a `ttl` that is not positive.
    """

    def __init__(
        self, location: str | os.PathLike[str], *, ttl: float | None = None, public_url: str | None = None
    ) -> None:
        if ttl is not None and not ttl > 0:
            raise ValueError(f"ttl must be a positive number of seconds, or None for ever, not {ttl!r}")
        self.location = os.fspath(location)
        self._shown = without_user(self.location)
        self.ttl = ttl
        self.public_url = public_url.rstrip("/") if public_url else None
        self._signed_for = min(ttl or _LONGEST_SIGNATURE_SECONDS, _LONGEST_SIGNATURE_SECONDS)
        with self._mapped_errors("opened"):
            self._place = open_place(self.location)
        # A folder whose images never expire has only a crash's left-overs to tidy: not the first thing to do.
        self._tidy_at = time.monotonic() + (_TIDY_SECONDS if ttl is None else 0)

    def put(self, data: bytes, extension: str) -> str:
        """Keep an encoded image.

        Args:
            data: the file's bytes.
            extension: its kind: ``"jpg"``, ``"png"``, ``"webp"`` or ``"gif"``.

        Returns:
            The new image's UUID (version 4, lower case).

        Raises:
            StoreError: as `writer`.
        """
        with self.writer(extension) as image:
            image.write(data)
        return image.uuid

    @contextlib.contextmanager
    def writer(self, extension: str) -> Iterator[NewImage]:
        """Keep an image that is written while the block runs; now and then this also calls `expire`.

        It is in the store when the block is left; if that is by an exception, nothing is.

        Args:
            extension: its kind: ``"jpg"``, ``"png"``, ``"webp"`` or ``"gif"``.

        Raises:
            StoreError: it could not be written, for instance because the disk is full; nothing is left behind.
        """
        if extension not in _EXTENSIONS:
            raise ValueError(f"extension must be one of {', '.join(_EXTENSIONS)}, not {extension!r}")
        self._expire_now_and_then()  # before the image: it may make the room that this one needs
        image_uuid = str(uuid.uuid4())
        with self._mapped_errors("written"):
            place = self._place.writer(f"{image_uuid}.{extension}")
            file = place.__enter__()
        try:
            yield NewImage(image_uuid, file, self._mapped_errors)
        except BaseException:  # not the file system's, so not mapped
            place.__exit__(*sys.exc_info())
            raise
        with self._mapped_errors("written"):
            place.__exit__(None, None, None)

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
                    if self.ttl is None or self._renewed(name):
                        return self._place.read(name)
        raise self._unknown(image_uuid)

    def url(self, image_uuid: str) -> str:
        """Where the image can be opened.

        Under `public_url` where one is given; else a ``file://`` URL for a local folder, a signed URL where the file
        system offers one (valid for `ttl` seconds, at most seven days), and the file system's own URL elsewhere.

        Raises:
            SourceError: no such image (code ``invalidInputImage``).
            StoreError: the store cannot be read.
        """
        with self._mapped_errors("read"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    if self._renewed(name):
                        if self.public_url is not None:
                            return f"{self.public_url}/{name}"
                        return self._place.url(name, self._signed_for)
        raise self._unknown(image_uuid)

    def delete(self, image_uuid: str) -> None:
        """Remove an image at once.

        Args:
            image_uuid: its UUID in any letter case.

        Raises:
            SourceError: no such image (code ``invalidInputImage``).
            StoreError: it is there and cannot be removed.
        """
        with self._mapped_errors("changed"):
            for name in self._names(image_uuid):
                with contextlib.suppress(FileNotFoundError):
                    alive = self._renewed(name)
                    self._place.remove(name)
                    if alive:
                        return
        raise self._unknown(image_uuid)

    def expire(self) -> int:
        """Remove images whose `ttl` has passed, and what crashed writers left in a local folder over an hour ago.

        Nothing else in the folder is touched. Several processes may do this at once. An image goes a minute later than
        `get` stops finding it, so that none goes that was just found.

        Returns:
            How many images this call removed.

        Raises:
            StoreError: the store cannot be listed, or an image cannot be removed.
        """
        removed = 0
        forbidden: PermissionError | None = None
        with self._mapped_errors("tidied"):
            self._place.tidy(older_than=time.time() - _LEFT_OVER_SECONDS)
            if self.ttl is not None:
                oldest = time.time() - self.ttl - _GRACE_SECONDS
                for name, written in self._place.listing():
                    image_uuid, _, extension = name.partition(".")
                    if extension in _EXTENSIONS and is_uuid4(image_uuid) and written < oldest:
                        try:
                            self._place.remove(name)
                            removed += 1
                        except FileNotFoundError:  # another process was faster
                            pass
                        except PermissionError as error:  # somebody else's, or open on Windows: the others go first
                            forbidden = error
            if forbidden is not None:
                raise forbidden
        return removed

    def _expire_now_and_then(self) -> None:
        if time.monotonic() < self._tidy_at:
            return
        # Without a lock: two threads that both come this far do no harm.
        self._tidy_at = time.monotonic() + _TIDY_SECONDS
        try:
            self.expire()
        except StoreError as error:  # no reason to refuse the image that is to be put
            _log.warning("expired images stay for now: %s", error)

    def _renewed(self, name: str) -> bool:
        """Whether a file still counts; if it does, its time starts anew where the place can do that.

        Raises:
            FileNotFoundError: it is not there.
        """
        if self.ttl is None:
            self._place.check(name)
            return True
        if self._place.written(name) < time.time() - self.ttl:
            return False
        self._place.touch(name)
        return True

    def _names(self, image_uuid: str) -> list[str]:
        if not is_uuid4(image_uuid):  # also keeps "../" and the like out of file names
            raise self._unknown(image_uuid)
        return [f"{image_uuid.lower()}.{extension}" for extension in _EXTENSIONS]

    def _unknown(self, image_uuid: str) -> SourceError:
        return SourceError(
            f"there is no image {image_uuid!r} in the store {self._shown!r}; upload it, or pass the picture itself",
            code="invalidInputImage",
        )

    @contextlib.contextmanager
    def _mapped_errors(self, verb: str) -> Iterator[None]:
        """The one place where what file systems raise becomes ours; drivers of remote ones raise anything at all."""
        try:
            yield
        except TilewrightError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise StoreError(f"the image store {self._shown!r} cannot be {verb}: {reason}") from error
