"""Reads the weights of a PyTorch file without running anything that is in it."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from spandrel import canonicalize_state_dict

from tilewright.errors import ModelError, first_line

if TYPE_CHECKING:
    from pathlib import Path


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Reads weights by name.

    Pickled files are read by torch's unpickler for weights, which makes tensors and plain containers
    only.

    Args:
        path: A ``.safetensors`` file, or one that ``torch.save`` has written.

    Returns:
        The weights, floating-point ones as float32; and the file's own metadata, which only
        ``.safetensors`` files have.

    Raises:
        ModelError: The file is damaged, holds more than weights, or a weight is not finite.
    """
    metadata: dict[str, str] = {}
    if path.suffix.lower() == ".safetensors":
        content, metadata = _read_safetensors(path)
    else:
        content = _read_pickle(path)
    state = canonicalize_state_dict(content)
    weights = {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not weights:
        raise ModelError(f"{path} holds no weights", parameter="model")
    return {name: _checked(path, name, value) for name, value in weights.items()}, metadata


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
        return dict(safetensors.torch.load_file(path)), metadata
    except safetensors.SafetensorError as error:
        raise ModelError(f"{path} is not a readable .safetensors file: {error}", parameter="model") from error


def _read_pickle(path: Path) -> dict[str, Any]:
    if zipfile.is_zipfile(path):
        _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} holds Python objects besides weights, or is damaged; such objects are not loaded, because they "
            "could run code; look for a .safetensors or .onnx file, or save the network's state_dict alone",
            parameter="model",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(
            f"{path} is not a readable PyTorch file, or is incomplete: {first_line(error, 300)}", parameter="model"
        ) from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds a {type(content).__name__} instead of weights by name", parameter="model")
    return content


def _check_archive(path: Path) -> None:
    """Refuses TorchScript, which is a program, and archives that would grow when they are read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(f"{path} is not a readable PyTorch file: {error}", parameter="model") from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise ModelError(
            f"{path} is a TorchScript program, which is not run; save the network's state_dict instead, as in "
            "torch.save(network.state_dict(), 'weights.pth')",
            parameter="model",
        )
    # torch.save never compresses.
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ModelError(f"{path} is damaged: it claims more data than it holds", parameter="model")


def _checked(path: Path, name: str, value: torch.Tensor) -> torch.Tensor:
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        raise ModelError(f"{path}: the weight {name} is sparse or quantised, which is not supported", parameter="model")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():  # it repeats its values
        raise ModelError(f"{path}: the weight {name} claims more values than the file holds", parameter="model")
    if not value.is_floating_point():
        return value
    value = value.float()
    if not bool(torch.isfinite(value).all()):
        raise ModelError(f"{path}: the weight {name} has values that are not finite", parameter="model")
    return value
