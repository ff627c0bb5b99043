"""The user's own networks: files that were imported under a name, in a folder of their own."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError, StoreError, short_repr
from tilewright.models import stored
from tilewright.models.catalog import ALIASES, CATALOG
from tilewright.models.file_kinds import files_of, is_file_name
from tilewright.models.user_file import open_user_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tilewright.models.stored import StoredNetwork

_log = logging.getLogger("tilewright")

# A longer one would leave no room for descriptions on a terminal of 80 columns.
_LONGEST_NAME = 40

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


def find_own(name: str, folder: Path) -> StoredNetwork | None:
    """Returns an imported network; None if there is none of this name."""
    return stored.read(folder, name) if _NAME.fullmatch(name) else None


def check_intact(name: str, network: StoredNetwork) -> None:
    """Checks the file of an imported network.

    Raises:
        ModelError: It is damaged.
    """
    if not network.is_intact:
        raise ModelError(
            f"the imported network {name!r} is damaged: {network.path} is not the file that was written; remove it "
            f"with `tilewright models remove {name}` and import it again",
            parameter="model",
        )


def own_networks(folder: Path) -> dict[str, StoredNetwork]:
    """Returns all imported networks by name. Whether their files are intact is not checked."""
    if folder.is_dir() and not stored.is_private(folder):
        _log.warning("imported networks are not used: other users can write to %s; run: chmod go-w on it", folder)
    found = {name: stored.read(folder, name) for name in stored.stems(folder)}
    return {name: network for name, network in found.items() if network is not None}


def import_network(
    path: Path,
    name: str | None,
    folder: Path,
    *,
    cache_dir: Path,
    overrides: Mapping[str, object] | None = None,
    details: Mapping[str, Any] | None = None,
) -> tuple[str, StoredNetwork]:
    """Keeps a copy of a network file under a name.

    Args:
        path: A file of one of the kinds of `tilewright.models.file_kinds`.
        name: Letters, digits, ``.``, ``_``, ``+`` and ``-``, at most 40; None for the file's name.
        folder: Folder of the imported networks; it is created if it does not exist.
        cache_dir: Folder for converted networks.
        overrides: `ModelSpec` fields that replace detected values.
        details: Further facts to keep, as JSON values by name.

    Returns:
        The name and the network.

    Raises:
        ModelError: The name is taken or not allowed, or the file cannot be used, see
            `open_user_file`.
        StoreError: A folder cannot be written.
    """
    name = _name_of(path) if name is None else name
    files_of(path)  # what is wrong with the file comes before what is wrong with its name
    check_new_name(name, folder)
    _make_folder(folder)
    opened = open_user_file(path, cache_dir, overrides or {})
    content = _in_one_file(opened.path)
    spec = replace(opened.spec, name=name, source=opened.spec.source or str(path))
    facts = {**opened.details, "file": path.name, **(details or {})}
    try:
        return name, stored.write(folder, name, content, spec, facts)
    except OSError as error:
        raise _not_writable(folder, error) from error


def _name_of(path: Path) -> str:
    """Returns a name that resembles that of a file."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", path.stem).strip("-.")
    return name[:_LONGEST_NAME].rstrip("-.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    if not stored.is_private(folder):
        raise StoreError(
            f"other users can write to the folder of imported networks, {folder}, so its networks would not be used; "
            f"run: chmod go-w {folder}, or choose another folder with TILEWRIGHT_MODELS_DIR"
        )


def _not_writable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to the folder of imported networks, {folder}: {error}; choose another folder with "
        "TILEWRIGHT_MODELS_DIR"
    )


def remove_network(name: str, folder: Path) -> None:
    """Removes an imported network.

    Raises:
        ModelError: There is none of this name.
        StoreError: It cannot be removed.
    """
    try:
        removed = bool(_NAME.fullmatch(name)) and stored.remove(folder, name)
    except OSError as error:
        raise StoreError(f"cannot remove the network {name!r} from {folder}: {error}") from error
    if not removed:
        own = ", ".join(own_networks(folder)) or "none"
        what = "is part of the catalog and" if name in CATALOG else "is not an imported network, so it"
        raise ModelError(
            f"the network {short_repr(name)} {what} cannot be removed; imported networks: {own}", parameter="model"
        )


def check_new_name(name: str, folder: Path) -> None:
    """Checks that a network can be imported under a name.

    Raises:
        ModelError: The name is taken or not allowed.
    """
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{short_repr(name)} cannot be the name of a network; use up to 40 letters, digits and . _ + -, and begin "
            "with a letter or a digit; choose one with --name",
            parameter="name",
        )
    if is_file_name(name):
        raise ModelError(
            f"{name!r} looks like the name of a file; choose one without an ending with --name", parameter="name"
        )
    # Some file systems do not tell capitals from small letters.
    if name.casefold() in {each.casefold() for each in (*CATALOG, *ALIASES, "auto")}:
        raise ModelError(f"the catalog has a network named {name!r}; choose another with --name", parameter="name")
    if (taken := next((each for each in stored.stems(folder) if each.casefold() == name.casefold()), None)) is not None:
        raise ModelError(
            f"a network named {taken!r} has been imported before; remove it (`tilewright models remove {taken}`), or "
            "choose another name with --name",
            parameter="name",
        )


def _in_one_file(path: Path) -> bytes:
    """Returns the content of an ONNX file, with its external data inside."""
    from tilewright.models.inspect import load_onnx

    try:
        return bytes(load_onnx(path).SerializeToString(deterministic=True))
    except ValueError as error:  # protobuf cannot write more than 2 GiB
        raise ModelError(f"{path} is larger than the 2 GiB that one ONNX file can hold", parameter="model") from error
