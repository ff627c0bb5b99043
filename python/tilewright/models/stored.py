"""Networks that tilewright has written: an ONNX file, and a record with its spec beside it.

The record holds the checksum of the ONNX file, so a damaged file is detected. Both are used only in
folders that no other user can write.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError
from tilewright.models.spec import ModelSpec, spec_from_json
from tilewright.store.atomic import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """A network with its facts.

    Attributes:
        path: The ONNX file.
        spec: Its spec at its native factor.
        details: Further facts for people, as JSON values by name, such as ``architecture``.
        sha256: Checksum of the ONNX file.
    """

    path: Path
    spec: ModelSpec
    details: dict[str, Any]
    sha256: str

    @property
    def is_intact(self) -> bool:
        """Whether the ONNX file is the one that was written."""
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256
        except OSError:
            return False


def write(folder: Path, stem: str, content: bytes, spec: ModelSpec, details: dict[str, Any]) -> StoredNetwork:
    """Writes a network; the record of one of the same name is replaced.

    Args:
        folder: The folder, which is created if it does not exist.
        stem: Name of the files without their endings.
        content: The ONNX file.
        spec: Its spec at its native factor.
        details: Further facts, as JSON values.

    Raises:
        OSError: The folder cannot be written.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    # The name has the checksum, so that the file of an earlier record stays as it is: another process
    # may have found it.
    path = folder / f"{stem}-{sha256[:_DIGITS]}.onnx"
    with atomic_write(path, private=True) as file:
        file.write(content)
    record = {"file": path.name, "sha256": sha256, "spec": dataclasses.asdict(spec), "details": details}
    with atomic_write(_record(folder, stem), private=True) as file:
        file.write(json.dumps(record, indent=2).encode())
    return StoredNetwork(path, spec, details, sha256)


def read(folder: Path, stem: str) -> StoredNetwork | None:
    """Returns the network of a name; None if there is none, or its record cannot be trusted or read.

    Whether its ONNX file is intact is not checked.
    """
    if not is_private(folder):
        return None
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, ModelError):
        record = json.loads(_record(folder, stem).read_bytes())
        spec = spec_from_json(record["spec"])
        record["details"].items()  # a dict
        # A name, not a path: a record cannot lead out of its folder.
        return StoredNetwork(folder / os.path.basename(record["file"]), spec, record["details"], record["sha256"])  # noqa: PTH119
    return None


def remove(folder: Path, stem: str) -> bool:
    """Removes a network, also one whose record cannot be read; returns whether there was one."""
    if not _record(folder, stem).is_file():
        return False
    _record(folder, stem).unlink(missing_ok=True)
    for path in folder.glob(f"{stem}-*.onnx"):
        if re.fullmatch(rf"[0-9a-f]{{{_DIGITS}}}", path.stem.removeprefix(f"{stem}-")):
            path.unlink(missing_ok=True)
    return True


def stems(folder: Path) -> list[str]:
    """Returns the names of all networks in a folder, sorted."""
    if not is_private(folder):
        return []
    return sorted(path.stem for path in folder.glob("*.json"))


def is_private(folder: Path) -> bool:
    """Returns whether a folder exists and no other user, root excepted, can write to it."""
    try:
        status = folder.resolve().lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # on Windows, the user's folders are the user's own
        return stat.S_ISDIR(status.st_mode)
    return stat.S_ISDIR(status.st_mode) and status.st_uid in (0, os.getuid()) and not status.st_mode & 0o022


def _record(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.json"
