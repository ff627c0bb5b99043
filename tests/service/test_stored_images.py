"""What tasks leave in the store: inputs once, and results as long as something refers to them."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright
from support.fake_networks import with_fake_networks
from support.faults import PICTURE
from support.store import HOUR, stored_files
from tilewright import ImageStore, Upscaler
from tilewright.errors import InferenceError
from tilewright.testing import make_picture


@pytest.fixture
def upscaler(tmp_path):
    return with_fake_networks(Upscaler(device="cpu", store=tmp_path / "images"))


def items_of(upscaler, *inputs, **fields):
    tasks = [tilewright.new_task(each, 2, outputFormat="PNG", **fields) for each in inputs]
    response = upscaler.run(tasks)
    tilewright.raise_for_errors(response)
    return response["data"]


@pytest.mark.parametrize("picture", [PICTURE, make_picture(12, 12)], ids=["file", "array"])
def test_the_same_input_is_stored_once(upscaler, picture):
    items = [*items_of(upscaler, *[picture] * 4), *items_of(upscaler, picture)]
    [uploaded] = upscaler.upload(picture)["data"]
    assert {item["inputImageUUID"] for item in items} == {uploaded["imageUUID"]}
    assert len({item["imageUUID"] for item in items}) == 5
    assert len(stored_files(upscaler.store)) == 6
    assert items_of(upscaler, uploaded["imageUUID"])[0]["inputImageUUID"] == uploaded["imageUUID"]


def test_a_task_that_fails_does_not_remove_the_input_of_another(upscaler, monkeypatch):
    [uploaded] = upscaler.upload(PICTURE)["data"]

    def fail(*_, **__):
        raise InferenceError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(upscaler._pictures, "write", fail)
        assert "errors" in upscaler.run(tilewright.new_task(PICTURE, 2))
    with monkeypatch.context() as patch:
        patch.setattr(upscaler._runner._handler, "answer", fail)
        assert "errors" in upscaler.run(tilewright.new_task(PICTURE, 2))
    assert upscaler.store.get(uploaded["imageUUID"]) == PICTURE
    assert len(stored_files(upscaler.store)) == 1


@pytest.mark.parametrize(
    ("output_type", "temporary"),
    [
        ("base64Data", True),
        ("dataURI", True),
        (["base64Data", "dataURI"], True),
        ("URL", False),
        (["URL", "base64Data"], False),
    ],
)
def test_results_without_url_are_kept_for_a_day(upscaler, pass_time, output_type, temporary):
    [item] = items_of(upscaler, PICTURE, outputType=output_type)
    [again] = items_of(upscaler, item["imageUUID"])
    assert again["inputImageUUID"] == item["imageUUID"], "it can be used as an input"
    assert upscaler.store.usage().temporary == temporary
    pass_time(24 * HOUR + 61)
    ImageStore(upscaler.store.location).put(b"x", "png")  # storing an image tidies the store
    gone = not any(item["imageUUID"] in name for name in stored_files(upscaler.store))
    assert gone == temporary
    assert any(item["inputImageUUID"] in name for name in stored_files(upscaler.store))


def test_results_of_async_tasks_are_kept_until_they_are_asked_for(upscaler):
    task = tilewright.new_task(np.zeros((4, 4), np.uint8), 2, outputType="base64Data", deliveryMethod="async")
    upscaler.run(task)
    upscaler.close()
    poll = {"taskType": "getResponse", "taskUUID": task["taskUUID"]}
    assert upscaler.run(poll)["data"][0]["imageBase64Data"] == upscaler.run(poll)["data"][0]["imageBase64Data"]
