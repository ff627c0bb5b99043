"""Opens network files of the user's own: ONNX files as they are, others converted once into the cache."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError, StoreError
from tilewright.folders import fallback_folder, make_fallback
from tilewright.models import stored
from tilewright.models.file_kinds import files_of, kind_of
from tilewright.models.inspection import file_version, inspect_file
from tilewright.models.isolated import Work, run
from tilewright.models.spec import ModelSpec, overridden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tilewright.models.stored import StoredNetwork

# Increase this with every change to a converter that changes the converted files. It is part of
# their names in the cache, so that files of an older version are not used.
_CONVERTER_VERSION = 1

_OLDEST_TORCH = (2, 6)

# Seconds that a conversion may take. The largest transformers take two minutes.
_DEADLINE = 900.0

_log = logging.getLogger("tilewright")


@dataclass(frozen=True, slots=True)
class UserFile:
    """A network file, opened.

    Attributes:
        path: An ONNX file with the network: the user's, or one in the cache.
        spec: Its spec at its native factor.
        details: Further facts for people, as JSON values by name, such as ``architecture``.
    """

    path: Path
    spec: ModelSpec
    details: dict[str, Any]


def open_user_file(path: Path, cache_dir: Path, overrides: Mapping[str, object]) -> UserFile:
    """Finds an ONNX file of a network and the facts about it.

    Args:
        path: A file of one of the kinds of `tilewright.models.file_kinds`.
        cache_dir: Folder for converted networks.
        overrides: `ModelSpec` fields of the file that replace detected values.

    Raises:
        ModelError: The file is missing, damaged, of an unsupported kind, or needs a package that is
            not installed.
        StoreError: The cache folder cannot be created or written.
    """
    files = files_of(path)
    if kind_of(path) == "onnx":
        return UserFile(path, inspect_file(path, overrides), {})
    found = _converted(files, tuple(file_version(file) for file in files), cache_dir)
    if not found.path.is_file():  # the cache was emptied while this process runs
        _converted.cache_clear()
        found = _converted(files, tuple(file_version(file) for file in files), cache_dir)
    spec = replace(found.spec, name=path.stem, source=str(path))
    return UserFile(found.path, overridden(spec, overrides), found.details)


@functools.lru_cache(maxsize=64)
def _converted(files: Sequence[Path], _versions: object, cache_dir: Path) -> StoredNetwork:
    """Returns the converted network from the cache; converts it if it is not there."""
    checksums = _checksums(files)
    key = hashlib.sha256("".join(checksums).encode()).hexdigest()[:32]
    stem = f"{kind_of(files[0])}-{key}-v{_CONVERTER_VERSION}"
    folder = _folder(cache_dir)
    found = stored.read(folder, stem)
    if found is not None and found.is_intact:
        return found
    content, spec, details = _convert(files)
    if _checksums(files) != checksums:  # or the network of one file would be found by the content of another
        raise ModelError(f"{files[0]} was changed while it was converted; try again", parameter="model")
    spec = replace(spec, sha256=checksums[-1])
    try:
        return stored.write(folder, stem, content, spec, details)
    except OSError as error:
        raise StoreError(
            f"cannot write the converted network to the cache folder {folder}: {error}; "
            "choose another folder with TILEWRIGHT_CACHE_DIR"
        ) from error


def _checksums(files: Sequence[Path]) -> list[str]:
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def _folder(cache_dir: Path) -> Path:
    """Returns a folder for conversions that only this user can write; it need not exist."""
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    folder = cache_dir / f"converted{user}"
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        if stored.is_private(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
        problem = "it belongs to another user, or is open to others"
    except OSError as error:
        problem = str(error)
    fallback = fallback_folder("cache")
    try:
        inner = make_fallback("cache") / "converted"
        inner.mkdir(0o700, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write to the cache folder {folder}: {problem}, nor to {fallback}: {error}; "
            "choose a folder with TILEWRIGHT_CACHE_DIR"
        ) from error
    _log.warning("cannot write to the cache folder %s: %s; using %s", folder, problem, inner)
    return inner


def _convert(files: Sequence[Path]) -> tuple[bytes, ModelSpec, dict[str, Any]]:
    path = files[0]
    if kind_of(path) == "pytorch":
        check_torch(path.name)
        module = "tilewright.models.pytorch.convert"
        _log.warning("converting %s, once; this takes seconds, or minutes for large networks", path.name)
    else:
        module = "tilewright.models.ncnn.convert"
    with tempfile.TemporaryDirectory(prefix="tilewright-") as folder:
        target = Path(folder) / "network.onnx"
        work = Work(module, "convert", f"converting {path}", _DEADLINE)
        reply = run(work, {"path": str(path), "files": [str(file) for file in files], "target": str(target)})
        spec = replace(inspect_file(target, reply["overrides"]), name=path.stem, source=str(path))
        return target.read_bytes(), spec, reply["details"]


def check_torch(name: str) -> None:
    """Checks that PyTorch files can be converted.

    Args:
        name: Name of the file, for the message.

    Raises:
        ModelError: torch or spandrel is missing, or torch is too old: older unpicklers for weights
            can be made to run code (CVE-2025-32434).
    """
    missing = [each for each in ("torch", "spandrel") if importlib.util.find_spec(each) is None]
    if missing:
        problem = f"needs {' and '.join(missing)}"
    elif _version_of("torch") < _OLDEST_TORCH:
        problem = f"needs torch {'.'.join(map(str, _OLDEST_TORCH))} or later"
    else:
        return
    raise ModelError(
        f"{name} is a PyTorch file, and its conversion {problem}; "
        "run: pip install --upgrade torch spandrel (the converted network needs neither)",
        parameter="model",
    )


def _version_of(package: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version(package))[:2])
