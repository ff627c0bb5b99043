"""Kinds of network files, by the ending of their name."""

from __future__ import annotations

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

# Endings of networks of other programs. A name with one of them is a file, although it is not supported.
_OTHERS = frozenset(
    (".7z", ".caffemodel", ".engine", ".gguf", ".h5", ".hdf5", ".keras", ".mlmodel", ".mlpackage", ".mnn", ".npz")
) | {".pb", ".pdmodel", ".pickle", ".pkl", ".plan", ".prototxt", ".rknn", ".tar", ".tflite", ".trt", ".xml", ".zip"}


def is_file_name(name_or_path: str | Path) -> bool:
    """Returns whether a network is given as a file rather than by its name.

    A `Path` is a file; so is text that has a folder, or ends like a file that holds a network.
    """
    if isinstance(name_or_path, Path):
        return True
    suffix = Path(name_or_path).suffix.lower()
    return suffix in KINDS or suffix in _OTHERS or "/" in name_or_path or "\\" in name_or_path


def kind_of(path: Path) -> Kind:
    """Returns the kind of a file.

    Raises:
        ModelError: Files of this kind are not supported.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        ending = f"files that end in {short_repr(path.suffix)} are" if path.suffix else "a file without an ending is"
        raise ModelError(
            f"{path}: {ending} not supported; networks are read from {SUPPORTED}; "
            "convert the file to one of these, or look for it in another format",
            parameter="model",
        )
    return kind


def files_of(path: Path) -> tuple[Path, ...]:
    """Returns the files that make up a network: one, or ncnn's ``.param`` and ``.bin``.

    Raises:
        ModelError: The kind is not supported, or a file is missing.
    """
    if not path.is_file():
        raise ModelError(f"there is no network file at {path}", parameter="model")
    if kind_of(path) != "ncnn":
        return (path,)
    given = path.suffix.lower()
    other = {".param": ".bin", ".bin": ".param"}[given]
    names = [path.with_suffix(spelling) for spelling in (other, other.upper())]
    beside = next((name for name in names if name.is_file()), None)
    if beside is None:
        raise ModelError(
            f"{path} is one half of an ncnn network; the other half, {names[0].name}, must be beside it "
            "(if it is a PyTorch file, rename it to end in .pth)",
            parameter="model",
        )
    return (path, beside) if given == ".param" else (beside, path)
