"""Validation of tasks: accepted values, and the code of every fault."""

from __future__ import annotations

import io
import logging
import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tilewright.errors import ERROR_CODES, InvalidTaskError
from tilewright.service.parsing import parse_task
from tilewright.service.requests import UploadRequest, UpscaleRequest
from tilewright.service.tasks import new_task

TASK_UUID = "19abad0d-6ec5-40a6-b7af-203775fa5b7f"
IMAGE_UUID = "3f2b6c58-71d4-4e0b-b6d9-0a9c4e8f1d25"


def request(**fields):
    task = {"taskType": "imageUpscale", "taskUUID": TASK_UUID, "inputImage": IMAGE_UUID, "upscaleFactor": 2}
    return {key: value for key, value in {**task, **fields}.items() if value is not ...}


def upload(**fields):
    return {"taskType": "imageUpload", "taskUUID": TASK_UUID, "image": IMAGE_UUID, **fields}


def faults_of(task, **options):
    with pytest.raises(InvalidTaskError) as caught:
        parse_task(task, **options)
    assert {fault.code for fault in caught.value.faults} <= ERROR_CODES
    return caught.value.faults


def only_fault(task, **options):
    [fault] = faults_of(task, **options)
    return fault


def test_minimal_task_gets_the_documented_defaults():
    task = parse_task(request())
    assert isinstance(task, UpscaleRequest)
    assert (task.task_type, task.task_uuid, task.input_image) == ("imageUpscale", TASK_UUID, IMAGE_UUID)
    assert (task.upscale_factor, task.output_format, task.output_types) == (2, "JPG", ("URL",))
    assert (task.output_quality, task.include_cost, task.model) == (95, False, None)


def test_common_fields_are_read():
    task = parse_task(
        request(
            taskType="upscale",
            upscaleFactor=4,
            outputFormat="webp",
            outputType=["dataURI", "URL", "dataURI"],
            outputQuality=20,
            includeCost=True,
            model="runware:504@1",
            deliveryMethod="sync",
            checkNSFW=False,
        )
    )
    assert (task.task_type, task.upscale_factor, task.output_format, task.output_quality) == ("upscale", 4, "WEBP", 20)
    assert (task.output_types, task.include_cost, task.model) == (("URL", "dataURI"), True, "runware:504@1")


def test_upload_task_is_read():
    task = parse_task(upload())
    assert isinstance(task, UploadRequest)
    assert (task.task_type, task.task_uuid, task.image) == ("imageUpload", TASK_UUID, IMAGE_UUID)


@pytest.mark.parametrize("factor", [2, 3, 4, 2.0, 4.0, np.int64(3), np.float32(2)])
def test_integral_factors_become_ints(factor):
    task = parse_task(request(upscaleFactor=factor))
    assert task.upscale_factor == factor
    assert type(task.upscale_factor) is int


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"upscaleFactor": ...}, "missingUpscaleFactor"),
        ({"upscaleFactor": None}, "missingUpscaleFactor"),
        ({"upscaleFactor": True}, "invalidUpscaleFactor"),
        ({"upscaleFactor": "2"}, "invalidUpscaleFactor"),
        ({"upscaleFactor": math.nan}, "invalidUpscaleFactor"),
        ({"upscaleFactor": [2]}, "invalidUpscaleFactor"),
        ({"upscaleFactor": 5}, "unsupportedUpscaleFactor"),
        ({"upscaleFactor": 1}, "unsupportedUpscaleFactor"),
        ({"upscaleFactor": 2.5}, "unsupportedUpscaleFactor"),
        ({"taskType": ...}, "missingTaskType"),
        ({"taskType": 7}, "invalidTaskType"),
        ({"taskType": "imageInference"}, "unsupportedTaskType"),
        ({"taskUUID": ...}, "missingTaskUUID"),
        ({"taskUUID": 7}, "invalidTaskUUID"),
        ({"taskUUID": ""}, "invalidTaskUUID"),
        ({"taskUUID": "task-1"}, "invalidTaskUUID"),
        ({"taskUUID": str(uuid.uuid1())}, "invalidTaskUUID"),
        ({"taskUUID": TASK_UUID + "\n"}, "invalidTaskUUID"),
        ({"inputImage": ...}, "missingInputImage"),
        ({"inputImage": 7}, "invalidInputImage"),
        ({"inputImage": "https://example.com/a.png"}, "unsupportedInputImage"),
        ({"inputs": "photo"}, "invalidInputs"),
        ({"inputs": {"video": IMAGE_UUID}}, "unsupportedInputs"),
        ({"inputs": {"picture": IMAGE_UUID}}, "unknownParameter"),
        ({"inputs": {"image": IMAGE_UUID}}, "incompatibleParameters"),
        ({"inputMedia": IMAGE_UUID}, "unsupportedInputMedia"),
        ({"outputType": "URLs"}, "unsupportedOutputType"),
        ({"outputType": []}, "invalidOutputType"),
        ({"outputType": ["URL", 1]}, "invalidOutputType"),
        ({"outputFormat": "JPEG"}, "unsupportedOutputFormat"),
        ({"outputFormat": 1}, "invalidOutputFormat"),
        ({"outputQuality": 19}, "unsupportedOutputQuality"),
        ({"outputQuality": 100}, "unsupportedOutputQuality"),
        ({"outputQuality": "95"}, "invalidOutputQuality"),
        ({"includeCost": 1}, "invalidIncludeCost"),
        ({"model": 504}, "invalidModel"),
        ({"deliveryMethod": "stream"}, "unsupportedDeliveryMethod"),
        ({"deliveryMethod": 1}, "invalidDeliveryMethod"),
        ({"checkNSFW": "yes"}, "invalidCheckNSFW"),
        ({"targetMegapixels": 4}, "unsupportedTargetMegapixels"),
        ({"upscalefactor": 2}, "unknownParameter"),
    ],
)
def test_invalid_field_gives_one_fault_with_its_code(fields, code):
    assert only_fault(request(**fields)).code == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"image": None}, "missingImage"),
        ({"image": 7}, "invalidImage"),
        ({"image": "http://example.com/a.png"}, "unsupportedImage"),
        ({"upscaleFactor": 2}, "unknownParameter"),
    ],
)
def test_invalid_field_of_an_upload_gives_one_fault_with_its_code(fields, code):
    assert only_fault(upload(**fields)).code == code


def test_faults_contain_the_allowed_values_or_type():
    fault = only_fault(request(upscaleFactor=5))
    assert (fault.parameter, fault.allowed_values) == ("upscaleFactor", [2, 3, 4])
    assert "5" in fault.message
    assert only_fault(request(upscaleFactor="2")).expected_type == "integer"
    assert only_fault(request(deliveryMethod="later")).allowed_values == ["sync", "async"]
    assert only_fault(request(outputType="url")).allowed_values == ["URL", "base64Data", "dataURI"]


def test_all_faults_are_reported_together():
    found = faults_of(
        {"taskType": "upscale", "taskUUID": "x", "upscaleFactor": "2", "outputFormat": "TIFF", "outputQualty": 80}
    )
    assert [fault.code for fault in found] == [
        "invalidTaskUUID",
        "missingInputImage",
        "invalidUpscaleFactor",
        "unsupportedOutputFormat",
        "unknownParameter",
    ]


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [("outputQualty", "outputQuality"), ("UPSCALEFACTOR", "upscaleFactor"), ("input_image", "inputImage")],
)
def test_fault_of_an_unknown_key_suggests_the_most_similar_one(key, suggestion):
    fault = only_fault(request(**{key: 1}))
    assert fault.parameter == key
    assert fault.message.endswith(f"is {suggestion}")


@pytest.mark.parametrize("name", ["a.b.c", "", "\ud800", "x" * 5000])
def test_unusual_unknown_keys_are_faults(name):
    assert only_fault(request(**{name: 1})).code == "unknownParameter"


def test_keys_that_are_not_strings_are_unknown():
    assert only_fault({**request(), 7: 1}).code == "unknownParameter"


def test_task_uuid_may_be_in_upper_case_and_is_kept_as_sent():
    assert parse_task(request(taskUUID=TASK_UUID.upper())).task_uuid == TASK_UUID.upper()


def test_reserved_task_uuid_conflicts_in_any_letter_case():
    assert only_fault(request(taskUUID=TASK_UUID.upper()), taken={TASK_UUID}).code == "conflictTaskUUID"


def test_inputs_image_is_an_alternative_to_input_image():
    task = parse_task(request(inputImage=..., inputs={"image": IMAGE_UUID}))
    assert (task.input_image, task.image_parameter) == (IMAGE_UUID, "inputs.image")
    fault = only_fault(request(inputImage=..., inputs={"image": "photo.jpg"}))
    assert (fault.code, fault.parameter) == ("invalidInputImage", "inputs.image")


def test_ignored_fields_cause_one_warning(caplog):
    ignored = {"webhookURL": "https://x", "settings": {}, "ttl": 60, "seed": 1, "safety": {"checkContent": True}}
    with caplog.at_level(logging.WARNING, logger="tilewright"):
        parse_task(request(**ignored))
    [record] = caplog.records
    assert all(name in record.getMessage() for name in ignored)


def test_valid_task_logs_nothing(caplog):
    with caplog.at_level(logging.DEBUG, logger="tilewright"):
        parse_task(request())
    assert not caplog.records


@pytest.mark.parametrize("task", [None, "task", 7, [request()]])
def test_task_that_is_not_a_mapping_raises_type_error(task):
    with pytest.raises(TypeError, match="mapping"):
        parse_task(task)


@pytest.mark.parametrize(
    "image",
    [
        Path("photo.jpg"),
        b"bytes",
        bytearray(b"bytes"),
        memoryview(b"bytes"),
        io.BytesIO(b"bytes"),
        np.zeros((2, 2, 3), np.uint8),
        Image.new("RGB", (2, 2)),
        IMAGE_UUID.upper(),
        "data:image/png;base64,iVBORw0KGgo=",
        "iVBORw0KGgo=",
    ],
    ids=lambda image: type(image).__name__,
)
def test_pictures_in_all_forms_are_passed_on_unchanged(image):
    assert parse_task(request(inputImage=image)).input_image is image


def test_check_nsfw_requires_a_classifier():
    assert parse_task(request(checkNSFW=True)).check_nsfw
    fault = only_fault(request(checkNSFW=True), nsfw_problem="install this")
    assert (fault.code, fault.allowed_values) == ("unsupportedCheckNSFW", [False])
    assert "install this" in fault.message
    assert not parse_task(request(checkNSFW=False), nsfw_problem="install this").check_nsfw


def test_delivery_method_is_read():
    assert parse_task(request(deliveryMethod="async")).is_async
    assert not parse_task(request(deliveryMethod="sync")).is_async


def test_get_response_task_may_use_a_reserved_uuid():
    poll = parse_task({"taskType": "getResponse", "taskUUID": TASK_UUID}, taken={TASK_UUID})
    assert (poll.task_type, poll.task_uuid) == ("getResponse", TASK_UUID)


@pytest.mark.parametrize(
    "fields",
    [
        {f"key{i}": i for i in range(5000)},
        {"outputType": [f"type{i}" for i in range(5000)]},
        {"inputs": dict.fromkeys(map(str, range(5000)), 1)},
    ],
    ids=["keys", "output types", "inputs"],
)
def test_at_most_a_hundred_faults_are_reported(fields):
    assert len(faults_of(request(**fields))) == 100


def test_repeated_invalid_value_is_one_fault():
    assert only_fault(request(outputType=["URL", *["url"] * 1000])).code == "unsupportedOutputType"


def test_new_task_is_valid_and_has_a_new_uuid():
    first, second = new_task(IMAGE_UUID), new_task(IMAGE_UUID, 4, outputFormat="PNG")
    assert parse_task(first).upscale_factor == 2
    assert (parse_task(second).upscale_factor, parse_task(second).output_format) == (4, "PNG")
    assert first["taskUUID"] != second["taskUUID"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
known = sorted(request(inputs={}, image="", ttl=1, outputType="", outputFormat="", outputQuality=1, model="", seed=1))
names = st.sampled_from([*known, "includeCost", "deliveryMethod", "checkNSFW"])


@given(st.dictionaries(names | st.text(max_size=8), json_values | st.sampled_from(["imageUpscale", "imageUpload"])))
def test_any_json_object_is_parsed_or_has_faults_with_registered_codes(task):
    faults = []
    try:
        assert parse_task(task).task_uuid
    except InvalidTaskError as error:
        faults = error.faults
    assert {fault.code for fault in faults} <= ERROR_CODES
