"""Kinds of network files, by the ending of their name."""

from __future__ import annotations

import difflib
import zipfile
from itertools import islice
from pathlib import Path
from typing import Literal

from tilewright.errors import ModelError, short_repr

Kind = Literal["onnx", "ncnn", "pytorch"]

KINDS: dict[str, Kind] = {
    ".onnx": "onnx",
    ".param": "ncnn",
    ".bin": "ncnn",
    ".pth": "pytorch",
    ".pt": "pytorch",
    ".ckpt": "pytorch",
    ".safetensors": "pytorch",
}
"""Endings, in lower case, of the files that networks are read from."""

SUPPORTED = "ONNX (.onnx), PyTorch (.pth, .pt, .ckpt, .safetensors) and ncnn (.param with its .bin beside it)"

_ARCHIVES = frozenset((".7z", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip"))

# Files of a folder that are compared with a name that was not found.
_MOST_COMPARED = 1000

# Endings of networks of other programs. A name with one of them is a file, although it is not supported.
_OTHERS = frozenset(
    (".caffemodel", ".engine", ".gguf", ".h5", ".hdf5", ".keras", ".mlmodel", ".mlpackage", ".mnn", ".npz")
) | {".pb", ".pdmodel", ".pickle", ".pkl", ".plan", ".prototxt", ".rknn", ".tflite", ".trt", ".xml"}


def is_file_name(name_or_path: str | Path) -> bool:
    """Returns whether a network is given as a file rather than by its name.

    A `Path` is a file; so is text that has a folder, or ends like a file that holds a network.
    """
    if isinstance(name_or_path, Path):
        return True
    suffix = Path(name_or_path).suffix.lower()
    return suffix in KINDS or suffix in _OTHERS or suffix in _ARCHIVES or "/" in name_or_path or "\\" in name_or_path


def kind_of(path: Path) -> Kind:
    """Returns the kind of a file.

    Raises:
        ModelError: Files of this kind are not supported.
    """
    suffix = path.suffix.lower()
    kind = KINDS.get(suffix)
    if kind is not None:
        return kind
    if suffix in _ARCHIVES:
        raise ModelError(f"{path} is an archive; unpack it and use the network file inside", parameter="model")
    ending = f"files that end in {short_repr(path.suffix)} are" if suffix else "a file without an ending is"
    raise ModelError(
        f"{path}: {ending} not supported; networks are read from {SUPPORTED}; look for the network in one of these "
        "formats",
        parameter="model",
    )


def files_of(path: Path) -> tuple[Path, ...]:
    """Returns the files that make up a network: one, or ncnn's ``.param`` and ``.bin``.

    Raises:
        ModelError: The kind is not supported, a file is missing, or its first bytes show that it is
            something else.
    """
    if not path.is_file():
        raise _missing(path)
    if kind_of(path) != "ncnn":
        _check_content(path)
        return (path,)
    given = path.suffix.lower()
    other = {".param": ".bin", ".bin": ".param"}[given]
    wanted = path.with_suffix(other)
    beside = next((each for each in path.parent.iterdir() if each.name.lower() == wanted.name.lower()), None)
    if beside is None:
        raise ModelError(
            f"{path} is one half of an ncnn network; the other half, {wanted.name}, must be beside it "
            "(if it is a PyTorch file, rename it to end in .pth)",
            parameter="model",
        )
    return (path, beside) if given == ".param" else (beside, path)


def _missing(path: Path) -> ModelError:
    if path.is_dir():
        return ModelError(f"{path} is a folder, not a network file", parameter="model")
    # Someone may have left out the ending, or misspelt the name.
    try:
        beside = [name.name for name in islice(path.parent.iterdir(), _MOST_COMPARED) if name.suffix.lower() in KINDS]
    except OSError:
        beside = []
    same = [name for name in beside if Path(name).stem == path.name]
    similar = same or difflib.get_close_matches(path.name, beside, n=1)
    hint = f"; did you mean {path.with_name(similar[0])}?" if similar else ""
    return ModelError(f"there is no network file at {path}{hint}", parameter="model")


def _check_content(path: Path) -> None:
    """Recognises what is often saved under the name of a network."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}", parameter="model") from error
    if not start:
        raise ModelError(f"{path} is empty; download it again", parameter="model")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ModelError(f"{path} is a web page, not a network; download the file itself", parameter="model")
    if start.startswith(b"PK") and (inner := _network_inside(path)) is not None:
        raise ModelError(f"{path} is a ZIP archive that contains {inner}; unpack it first", parameter="model")


def _network_inside(path: Path) -> str | None:
    """Returns the name of a network file in an archive; None if there is none, as in files of torch.save."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    return next((name for name in names if Path(name).suffix.lower() in KINDS), None)
