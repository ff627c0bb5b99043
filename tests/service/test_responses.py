"""Responses: their keys, the order of keys, and that they can always be written as JSON."""

from __future__ import annotations

import base64
import json

import pytest

from tilewright import errors
from tilewright.errors import ERROR_CODES, ImageTooLargeError, InvalidTaskError, TaskError, TilewrightError
from tilewright.service.parsing import parse_task
from tilewright.service.responses import (
    Upscaled,
    envelope,
    error_items,
    raise_for_errors,
    upload_result,
    upscale_result,
)

TASK_UUID = "19ABAD0D-6ec5-40a6-b7af-203775fa5b7f"
IMAGE_UUID = "3f2b6c58-71d4-4e0b-b6d9-0a9c4e8f1d25"
RESULT_UUID = "a8c0f4d2-55be-4f0d-9b3e-7e21c6d90f14"
URL = "file:///images/a.jpg"


def request(**fields):
    return {
        "taskType": "imageUpscale",
        "taskUUID": TASK_UUID,
        "inputImage": IMAGE_UUID,
        "upscaleFactor": 2,
        **fields,
    }


def result(*, nsfw=None, status=None, **fields):
    task = parse_task(request(**fields))
    upscaled = Upscaled(request=task, image_uuid=RESULT_UUID, input_image_uuid=IMAGE_UUID, nsfw=nsfw, cost=0.25)
    return upscale_result(upscaled, image_url=URL, data=b"picture", status=status)


def test_result_has_the_documented_keys_in_order():
    assert list(result().items()) == [
        ("taskType", "imageUpscale"),
        ("taskUUID", TASK_UUID),
        ("imageUUID", RESULT_UUID),
        ("inputImageUUID", IMAGE_UUID),
        ("imageURL", URL),
    ]


def test_output_types_have_the_documented_order_for_any_requested_order():
    item = result(outputType=["dataURI", "base64Data", "URL"], includeCost=True, taskType="upscale")
    assert list(item)[4:] == ["imageURL", "imageBase64Data", "imageDataURI", "cost"]
    assert item["taskType"] == "upscale"
    assert item["cost"] == 0.25
    assert base64.b64decode(item["imageBase64Data"], validate=True) == b"picture"
    assert item["imageDataURI"] == "data:image/jpeg;base64," + item["imageBase64Data"]


def test_status_comes_after_the_task_and_nsfw_before_the_cost():
    item = result(nsfw=True, status="success", includeCost=True)
    assert list(item) == [
        "taskType", "taskUUID", "status", "imageUUID", "inputImageUUID", "imageURL", "NSFWContent", "cost"
    ]  # fmt: skip
    assert item["NSFWContent"] is True


@pytest.mark.parametrize(
    ("output_format", "media_type"), [("png", "image/png"), ("JPG", "image/jpeg"), ("Webp", "image/webp")]
)
def test_data_uri_contains_the_media_type(output_format, media_type):
    item = result(outputFormat=output_format, outputType="dataURI")
    assert "imageURL" not in item
    assert item["imageDataURI"].startswith(f"data:{media_type};base64,")


def test_upload_result():
    task = parse_task({"taskType": "imageUpload", "taskUUID": TASK_UUID, "image": IMAGE_UUID})
    item = upload_result(task, image_uuid=RESULT_UUID, image_url=URL)
    assert list(item.items()) == [
        ("taskType", "imageUpload"),
        ("taskUUID", TASK_UUID),
        ("imageUUID", RESULT_UUID),
        ("imageURL", URL),
    ]


def test_envelope_has_the_key_errors_only_if_there_are_errors():
    assert envelope([{"a": 1}]) == {"data": [{"a": 1}]}
    assert envelope([], [{"code": "x"}]) == {"data": [], "errors": [{"code": "x"}]}


def test_every_fault_becomes_an_error_item_with_keys_in_order():
    invalid = request(upscaleFactor=5, outputFormat=1)
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(invalid)
    factor, file_format = error_items(caught.value, invalid)
    assert list(factor) == ["code", "message", "parameter", "allowedValues", "taskUUID", "taskType"]
    assert (factor["code"], factor["allowedValues"]) == ("unsupportedUpscaleFactor", [2, 3, 4])
    assert (factor["taskUUID"], factor["taskType"]) == (TASK_UUID, "imageUpscale")
    assert list(file_format) == ["code", "message", "parameter", "type", "taskUUID", "taskType"]
    assert (file_format["parameter"], file_format["type"]) == ("outputFormat", "string")


def test_other_error_becomes_one_item():
    [item] = error_items(ImageTooLargeError("too large", parameter="inputImage"), request())
    assert (item["code"], item["message"], item["parameter"]) == ("imageTooLarge", "too large", "inputImage")


def test_foreign_exception_becomes_an_internal_server_error_with_its_text():
    [item] = error_items(ZeroDivisionError("by zero"), request())
    assert item["code"] == "internalServerError"
    assert "ZeroDivisionError: by zero" in item["message"]
    assert "parameter" not in item
    assert item["taskUUID"] == TASK_UUID


@pytest.mark.parametrize("task_uuid", [object(), b"bytes", 7, None])
def test_error_items_can_always_be_written_as_json(task_uuid):
    invalid = {"taskUUID": task_uuid, "taskType": object(), "outputFormat": object(), object(): 1}
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(invalid)
    items = error_items(caught.value, invalid)
    assert json.loads(json.dumps(envelope([], items)))["errors"] == items


def test_raise_for_errors_raises_an_error_with_all_items():
    items = error_items(TilewrightError("first"), request()) + error_items(TilewrightError("second"), request())
    with pytest.raises(TaskError, match=r"first \(and 1 more\)") as caught:
        raise_for_errors(envelope([], items))
    assert caught.value.errors == items


def test_raise_for_errors_returns_if_there_are_no_errors():
    raise_for_errors(envelope([{"a": 1}]))


def test_codes_of_all_error_classes_are_registered():
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) > 10
    assert {cls.code for cls in classes} <= ERROR_CODES
