"""Requests and their responses, with real networks."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import tracemalloc
import uuid
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from PIL import Image

import tilewright
from support.picture_files import saved
from tilewright import Settings, Upscaler, new_task, raise_for_errors
from tilewright.errors import InferenceError
from tilewright.testing import make_picture

RESULT_KEYS = ["taskType", "taskUUID", "imageUUID", "inputImageUUID", "imageURL"]


def png(pixels):
    return saved(Image.fromarray(pixels), "PNG")


def open_url(url):
    return Image.open(io.BytesIO(Path(unquote(urlparse(url).path)).read_bytes()))


def error_of(upscaler, task):
    response = upscaler.upscale(task)
    assert response["data"] == []
    (error,) = response["errors"]
    return error


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo of mine.png"
    path.write_bytes(png(make_picture(40, 56)))
    return path


def test_request_in_the_format_of_the_service_gets_its_response(photo):
    uploaded = tilewright.upload(photo)["data"][0]
    assert list(uploaded) == ["taskType", "taskUUID", "imageUUID", "imageURL"]
    assert open_url(uploaded["imageURL"]).size == (56, 40)

    request = {
        "taskType": "imageUpscale",
        "taskUUID": "19ABAD0D-6ec5-40a6-b7af-203775fa5b7f",
        "inputImage": uploaded["imageUUID"],
        "outputType": "URL",
        "outputFormat": "JPG",
        "upscaleFactor": 2,
    }
    response = tilewright.upscale(request)
    assert json.loads(json.dumps(response)) == response
    assert list(response) == ["data"]
    (item,) = response["data"]
    assert list(item) == RESULT_KEYS
    assert item["taskUUID"] == request["taskUUID"], "the taskUUID must be returned unchanged"
    assert item["inputImageUUID"] == uploaded["imageUUID"]
    assert uuid.UUID(item["imageUUID"]).version == 4
    picture = open_url(item["imageURL"])
    assert (picture.format, picture.size) == ("JPEG", (112, 80))

    again = tilewright.upscale(new_task(item["imageUUID"], 2))
    assert open_url(again["data"][0]["imageURL"]).size == (224, 160)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("name", "pillow_name"), [("PNG", "PNG"), ("jpg", "JPEG"), ("WEBP", "WEBP")])
def test_every_factor_and_format(upscaler, photo, factor, name, pillow_name):
    task = new_task(photo, factor, outputFormat=name, outputType=["base64Data", "dataURI"], includeCost=True)
    (item,) = upscaler.upscale(task)["data"]
    assert list(item) == [*RESULT_KEYS[:-1], "imageBase64Data", "imageDataURI", "cost"]
    assert item["imageDataURI"].endswith(item["imageBase64Data"])
    picture = Image.open(io.BytesIO(base64.b64decode(item["imageBase64Data"])))
    assert (picture.format, picture.size) == (pillow_name, (56 * factor, 40 * factor))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "RGB", "P", "I;16"])
@pytest.mark.parametrize("size", [(56, 40), (1, 1), (1, 30)])
def test_mode_of_the_picture_is_kept(upscaler, mode, size):
    width, height = size
    if mode == "I;16":
        picture = Image.fromarray(make_picture(height, width, 1, np.uint16)[:, :, 0])
    else:
        picture = Image.fromarray(make_picture(height, width, 4)).convert(mode)
    response = upscaler.upscale(new_task(picture, 3, outputFormat="PNG", outputType="base64Data"))
    raise_for_errors(response)
    result = Image.open(io.BytesIO(base64.b64decode(response["data"][0]["imageBase64Data"])))
    assert result.size == (3 * width, 3 * height)
    assert result.mode == {"P": "RGB"}.get(mode, mode)
    if "A" in mode and min(size) > 1:
        small = result.getchannel("A").resize(size, Image.Resampling.BOX)
        assert np.abs(np.asarray(small, int) - np.asarray(picture.getchannel("A"))).mean() < 8


def test_failed_tasks_do_not_affect_other_tasks_of_the_call(upscaler, photo):
    good = new_task(photo, 2)
    twin = dict(good)
    tasks = [new_task(photo, 5), good, new_task(Path("nowhere.png"), 2), twin]
    response = upscaler.upscale(tasks)
    assert [item["taskUUID"] for item in response["data"]] == [good["taskUUID"]]
    assert [(item["code"], item["taskUUID"]) for item in response["errors"]] == [
        ("unsupportedUpscaleFactor", tasks[0]["taskUUID"]),
        ("failedToTransferImage", tasks[2]["taskUUID"]),
        ("conflictTaskUUID", twin["taskUUID"]),
    ]
    with pytest.raises(tilewright.TaskError, match="unsupportedUpscaleFactor"):
        raise_for_errors(response)


def test_invalid_tasks_get_clear_errors(upscaler, photo, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("this is not a picture")
    error = error_of(upscaler, new_task(text, 2))
    assert (error["code"], error["parameter"]) == ("invalidInputImage", "inputImage")

    error = error_of(upscaler, new_task(photo, 2, model="realesr-animevideo"))
    assert error["code"] == "invalidModel"
    assert "realesr-animevideov3" in error["message"]

    error = error_of(upscaler, new_task(photo, 2, model="/etc/own.onnx"))
    assert (error["code"], error["parameter"]) == ("invalidModel", "model")

    error = error_of(upscaler, new_task(photo, 5))
    assert error["allowedValues"] == [2, 3, 4]

    upload = {"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": photo}
    assert error_of(upscaler, upload)["code"] == "unsupportedTaskType"

    error = error_of(upscaler, new_task(photo, 10**400))
    assert error["code"] == "unsupportedUpscaleFactor"

    wide = png(np.zeros((1, 5000, 3), np.uint8))
    error = error_of(upscaler, new_task(wide, 4, outputFormat="WEBP"))
    assert error["code"] == "unsupportedOutputFormat"


@pytest.mark.parametrize("task", [["task"], "task", Path("task.json"), None], ids=repr)
def test_task_that_is_not_a_mapping_raises_type_error(upscaler, task):
    with pytest.raises(TypeError, match="a task must be a mapping"):
        upscaler.upscale(task)


@pytest.mark.parametrize(
    ("arguments", "options"), [((Path("a.jpg"),), {}), ((Path("a.jpg"), 2), {}), ((Path("a.jpg"),), {"factor": 2})]
)
def test_a_picture_instead_of_a_task_is_answered_with_how_to_make_one(upscaler, arguments, options):
    for upscale in (upscaler.upscale, tilewright.upscale):
        with pytest.raises(TypeError) as caught:
            upscale(*arguments, **options)
        for name in ("upscale(new_task(image, 2))", "upscale_array", "upscale_to_file"):
            assert name in str(caught.value)


def test_run_accepts_tasks_of_every_type(photo):
    upload = {"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": photo}
    response = tilewright.run([upload, new_task(photo, 2)])
    assert [item["taskType"] for item in response["data"]] == ["imageUpload", "imageUpscale"]
    again = tilewright.run(new_task(response["data"][0]["imageUUID"], 2))
    assert "errors" not in again


def test_unexpected_exception_becomes_an_error_item(upscaler, photo, monkeypatch, caplog):
    monkeypatch.setattr("tilewright.engine.execute.execute", lambda *_, **__: 1 / 0)
    error = error_of(upscaler, new_task(photo, 2))
    assert error["code"] == "internalServerError"
    assert "division by zero" in error["message"]
    assert "Traceback" in caplog.text


def test_failing_network_leaves_nothing_in_the_store(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise InferenceError("broken")

    with Upscaler(device="cpu", store=tmp_path) as upscaler:
        for file_format in ("PNG", "JPG"):
            uploaded = upscaler.upload(make_picture(8, 8))["data"][0]["imageUUID"]
            with monkeypatch.context() as patch:
                patch.setattr("tilewright.engine.execute.execute", fail)
                [error] = upscaler.run(new_task(uploaded, 2, outputFormat=file_format))["errors"]
            assert (error["code"], error["message"]) == ("internalServerError", "broken")
            upscaler.store.delete(uploaded)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fields", [{}, {"outputFormat": "WEBP"}])
def test_task_refused_because_of_its_size_stores_nothing(tmp_path, fields):
    limit = None if fields else 1000
    settings = dataclasses.replace(Settings.from_environment(), max_output_pixels=limit)
    with Upscaler(device="cpu", store=tmp_path / "images", settings=settings) as upscaler:
        [error] = upscaler.run(new_task(make_picture(1, 8000), 3, **fields))["errors"]
    assert error["code"] == ("unsupportedOutputFormat" if fields else "imageTooLarge")
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", ["key", "model"])
def test_very_long_names_take_little_memory(upscaler, name):
    long = "x" * 5_000_000
    task = new_task(make_picture(4, 4), 2, **({long: 1} if name == "key" else {"model": long}))
    tracemalloc.start()
    try:
        assert len(upscaler.run(task)["errors"]) == 1
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_result_in_base64_only_needs_no_url(upscaler, monkeypatch):
    monkeypatch.setattr(upscaler.store, "url", lambda _: pytest.fail("asked for a URL"))
    raise_for_errors(upscaler.run(new_task(make_picture(8, 8), 2, outputType="base64Data")))
