"""Storage backends of the image store: a local folder, or a file system reached through fsspec."""

from __future__ import annotations

import contextlib
import glob
import io
import logging
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from tilewright.store.atomic import atomic_write, remove_partial_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

_log = logging.getLogger("tilewright")


class StoredFile(NamedTuple):
    """A file of a store: its name, when it was last modified (seconds since 1970), and its bytes."""

    name: str
    modified: float
    size: int


class Backend(Protocol):
    """Named files in one folder.

    Methods that take a name raise FileNotFoundError if there is no such file. Any other exception
    is the file system's own; `ImageStore` maps it.
    """

    @property
    def folder(self) -> Path | None:
        """The folder of this machine that has the files; None if they are elsewhere."""
        ...

    def open_writer(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Opens a file for writing; it appears when the block ends, unless the block raises."""

    def write_record(self, name: str, data: bytes) -> None:
        """Writes a small file that only this user may read. A failure of the machine may undo it."""

    def read(self, name: str) -> bytes:
        """Returns the content of a file."""

    def check_exists(self, name: str) -> None:
        """Raises FileNotFoundError if there is no such file."""

    def modified(self, name: str) -> float:
        """Returns when a file was last modified, in seconds since 1970."""

    def touch(self, name: str) -> None:
        """Sets a file's modification time to now, if the file system can do that cheaply."""

    def remove(self, name: str) -> None:
        """Removes a file."""

    def url(self, name: str, seconds: float) -> str:
        """Returns a URL of a file; a signed URL is valid for `seconds`."""

    def list_files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yields all files whose names begin with a prefix; nothing if the folder is missing."""

    def remove_partial_files(self, *, older_than: float) -> None:
        """Removes what crashed writers left before a time, in seconds since 1970."""


def open_backend(location: str, *, shared: bool) -> Backend:
    """Returns the backend for a store's location.

    Args:
        location: A folder, a ``file://`` URL, or any other URL that fsspec understands.
        shared: Whether other users of this machine may read the files of a folder.

    Raises:
        Exception: The driver of a file system is unknown, is not installed, or cannot connect.
    """
    if "://" not in location:
        return LocalFolder(Path(location), shared=shared)
    if location.startswith("file://"):
        return LocalFolder(Path(unquote(urlsplit(location).path)), shared=shared)
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    # Without a cache of listings, which would hide what other processes write and delete.
    file_system, root = fsspec.core.url_to_fs(location, use_listings_cache=False)
    if isinstance(file_system, LocalFileSystem):
        return LocalFolder(Path(root), shared=shared)
    return RemoteFileSystem(file_system, root, without_credentials(location))


def without_credentials(location: str) -> str:
    """Returns a store's location for messages and URLs, without user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", location)


class LocalFolder:
    """A folder of this machine, as a `Backend`."""

    def __init__(self, path: Path, *, shared: bool) -> None:
        self._path = path.expanduser().absolute()
        self._private = not shared

    @property
    def folder(self) -> Path | None:
        """The folder that has the files."""
        return self._path

    def open_writer(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Opens a file for writing; see `atomic_write`."""
        return atomic_write(self._path / name, private=self._private)

    def write_record(self, name: str, data: bytes) -> None:
        """Writes a file of mode 0600, without waiting for the disk."""
        with atomic_write(self._path / name, private=True, private_folder=self._private, durable=False) as file:
            file.write(data)

    def read(self, name: str) -> bytes:
        """Returns the content of a file."""
        return (self._path / name).read_bytes()

    def check_exists(self, name: str) -> None:
        """Raises FileNotFoundError if there is no such file."""
        (self._path / name).stat()

    def modified(self, name: str) -> float:
        """Returns when a file was last modified, in seconds since 1970."""
        return (self._path / name).stat().st_mtime

    def touch(self, name: str) -> None:
        """Sets a file's modification time to now; does nothing in a read-only folder."""
        try:
            os.utime(self._path / name)
        except FileNotFoundError:
            raise
        except OSError as error:
            _log.debug("cannot update the modification time of %s: %s", name, error)

    def remove(self, name: str) -> None:
        """Removes a file."""
        (self._path / name).unlink()

    def url(self, name: str, _seconds: float) -> str:
        """Returns the ``file://`` URL of a file; it does not expire."""
        return (self._path / name).as_uri()

    def list_files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yields all files whose names begin with a prefix; nothing if the folder is missing."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name.startswith(prefix):
                    with contextlib.suppress(FileNotFoundError):
                        found = entry.stat()
                        yield StoredFile(entry.name, found.st_mtime, found.st_size)

    def remove_partial_files(self, *, older_than: float) -> None:
        """Removes what crashed writers left before a time, in seconds since 1970."""
        remove_partial_files(self._path, older_than=older_than)


class RemoteFileSystem:
    """A folder of an fsspec file system, as a `Backend`."""

    def __init__(self, file_system: Any, root: str, public_location: str) -> None:
        """Wraps a file system.

        Args:
            file_system: An ``fsspec.AbstractFileSystem``.
            root: Path of the folder in it.
            public_location: URL of the folder without credentials.
        """
        self._fs = file_system
        self._root = root.rstrip("/")
        self._location = public_location.rstrip("/")

    folder: Path | None = None

    @contextlib.contextmanager
    def open_writer(self, name: str) -> Iterator[BinaryIO]:
        """Opens a file for writing, held in memory until it is complete.

        Not every file system can discard an incomplete upload.
        """
        with io.BytesIO() as file:
            yield file
            self.write_record(name, file.getvalue())

    def write_record(self, name: str, data: bytes) -> None:
        """Writes a file at once."""
        try:
            self._fs.pipe_file(self._path(name), data)
        except FileNotFoundError:
            # Only the last folder is created. Drivers take the first one for a bucket, and would
            # create a bucket for every mistyped name.
            if "/" not in self._root.strip("/"):
                raise
            with contextlib.suppress(FileExistsError):  # another process was faster
                self._fs.mkdir(self._root, create_parents=False)
            self._fs.pipe_file(self._path(name), data)

    def read(self, name: str) -> bytes:
        """Returns the content of a file."""
        return bytes(self._fs.cat_file(self._path(name)))

    def check_exists(self, name: str) -> None:
        """Raises FileNotFoundError if there is no such file."""
        # Not the driver's `exists`: most drivers return False when the connection fails.
        self._fs.info(self._path(name))

    def modified(self, name: str) -> float:
        """Returns when a file was last modified, in seconds since 1970."""
        return self._modified(self._fs.info(self._path(name)))

    def touch(self, name: str) -> None:
        """Does nothing: it would rewrite the object, which could undo a concurrent delete."""

    def remove(self, name: str) -> None:
        """Removes a file."""
        self._fs.rm_file(self._path(name))

    def url(self, name: str, seconds: float) -> str:
        """Returns a URL signed for `seconds` if the file system can sign URLs, else its own URL."""
        try:
            return str(self._fs.sign(self._path(name), expiration=max(1, int(seconds))))
        except NotImplementedError:
            return f"{self._location}/{name}"

    def list_files(self, prefix: str = "") -> Iterator[StoredFile]:
        """Yields all files whose names begin with a prefix; nothing if the folder is missing."""
        with contextlib.suppress(FileNotFoundError):
            if prefix:  # object stores list by prefix, which is fast however many others there are
                infos = self._fs.glob(f"{glob.escape(self._root)}/{prefix}*", detail=True).values()
            else:
                infos = self._fs.ls(self._root, detail=True)
            for info in infos:
                if info["type"] == "file":
                    yield StoredFile(info["name"].rpartition("/")[2], self._modified(info), info["size"] or 0)

    def remove_partial_files(self, *, older_than: float) -> None:
        """Does nothing: an object store shows no object before its upload is complete."""

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _modified(self, info: dict[str, Any]) -> float:
        """Returns a file's modification time in seconds since 1970.

        fsspec has no common key for it. These are the keys of s3fs, gcsfs and sftp, adlfs, and
        the memory file system, in this order.
        """
        for key in ("LastModified", "mtime", "last_modified", "created"):
            if (modified := info.get(key)) is not None:
                break
        else:
            modified = self._fs.modified(info["name"])
        if isinstance(modified, datetime):
            return (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).timestamp()
        return float(modified)
