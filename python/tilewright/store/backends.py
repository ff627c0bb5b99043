"""Where a store's files are: a local folder, or a file system that fsspec reaches.

Both have the same methods, and raise FileNotFoundError for a file that is not there. Other errors are whatever the file
system raises: `ImageStore` maps them.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from tilewright.store.atomic import remove_left_overs, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger("tilewright")


def open_place(location: str) -> Folder | Remote:
    """The place that a store's location means.

    Args:
        location: a folder, a ``file://`` URL, or any other URL that fsspec understands.

    Raises:
        Exception: whatever a file system's driver raises when it is unknown, absent, or cannot connect.
    """
    if "://" not in location:
        return Folder(Path(location))
    if location.startswith("file://"):
        return Folder(Path(unquote(urlsplit(location).path)))
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    # What other processes put and delete has to be seen, so listings are not remembered.
    file_system, root = fsspec.core.url_to_fs(location, use_listings_cache=False)
    if isinstance(file_system, LocalFileSystem):
        return Folder(Path(root))
    return Remote(file_system, root, without_user(location))


def without_user(location: str) -> str:
    """A location for others to see: without a user name and password."""
    return re.sub(r"(?<=://)[^/@]*@", "", location)


class Folder:
    """Files of a local folder."""

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser().absolute()

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[BinaryIO]:
        """A file that is there when the block is left, and not if that is by an exception."""
        with whole_file(self._path / name) as file:
            yield file

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def check(self, name: str) -> None:
        (self._path / name).stat()

    def written(self, name: str) -> float:
        return (self._path / name).stat().st_mtime

    def touch(self, name: str) -> None:
        try:
            os.utime(self._path / name)
        except FileNotFoundError:
            raise
        except OSError as error:  # a folder that may only be read: its images can be read all the same
            _log.debug("the time of %s stays as it is: %s", name, error)

    def remove(self, name: str) -> None:
        (self._path / name).unlink()

    def url(self, name: str, _seconds: float) -> str:
        return (self._path / name).as_uri()

    def listing(self) -> Iterator[tuple[str, float]]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    yield entry.name, entry.stat().st_mtime

    def tidy(self, *, older_than: float) -> None:
        remove_left_overs(self._path, older_than=older_than)


class Remote:
    """Files of an fsspec file system."""

    def __init__(self, file_system: Any, root: str, address: str) -> None:
        """Takes what fsspec makes of a location, and what it is called in URLs."""
        self._fs = file_system
        self._root = root.rstrip("/")
        self._address = address.rstrip("/")

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[BinaryIO]:
        """As for a folder, but held in memory until then: half an upload cannot be taken back everywhere."""
        with io.BytesIO() as file:
            yield file
            self._write(name, file.getvalue())

    def _write(self, name: str, data: bytes) -> None:
        try:
            self._fs.pipe_file(self._path(name), data)
        except FileNotFoundError:
            # Only the last folder is made: drivers take the first for a bucket, and would open one for each slip of
            # the keyboard.
            if "/" not in self._root.strip("/"):
                raise
            with contextlib.suppress(FileExistsError):  # another process was faster
                self._fs.mkdir(self._root, create_parents=False)
            self._fs.pipe_file(self._path(name), data)

    def read(self, name: str) -> bytes:
        return bytes(self._fs.cat_file(self._path(name)))

    def check(self, name: str) -> None:
        # Not `exists`, which in most drivers takes a failed connection for a file that is not there.
        self._fs.info(self._path(name))

    def written(self, name: str) -> float:
        return self._time(self._fs.info(self._path(name)))

    def touch(self, name: str) -> None:
        """Nothing: to change the time of an object is to write it once more, which could undo another's delete."""

    def remove(self, name: str) -> None:
        self._fs.rm_file(self._path(name))

    def url(self, name: str, seconds: float) -> str:
        try:
            return str(self._fs.sign(self._path(name), expiration=max(1, int(seconds))))
        except NotImplementedError:
            return f"{self._address}/{name}"

    def listing(self) -> Iterator[tuple[str, float]]:
        with contextlib.suppress(FileNotFoundError):
            for info in self._fs.ls(self._root, detail=True):
                if info["type"] == "file":
                    yield info["name"].rpartition("/")[2], self._time(info)

    def tidy(self, *, older_than: float) -> None:
        """Nothing: an object store shows no object before all of it has arrived."""

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _time(self, info: dict[str, Any]) -> float:
        """When a file was written, in seconds since 1970.

        fsspec has no one name for it: these are those of s3fs, of gcsfs and sftp, of adlfs, and of memory.
        """
        for key in ("LastModified", "mtime", "last_modified", "created"):
            if (when := info.get(key)) is not None:
                break
        else:
            when = self._fs.modified(info["name"])
        if isinstance(when, datetime):
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        return float(when)
