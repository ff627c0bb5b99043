"""Runs the test cases of the wire format, which are described in ``contract/README.md``."""

from __future__ import annotations

import base64
import uuid

import pytest
from jsonschema import Draft202012Validator

from support.contract import CASES, all_cases, check_case, check_file, contract_settings, picture_file, read_url
from tilewright import Upscaler, schema
from tilewright.errors import ERROR_CODES

NOT_CAUSED_BY_REQUESTS = {
    "failedToTransferImage": "only Python callers can pass files, and URLs are disabled",
    "forbiddenOrigin": "only the server knows origins",
    "invalidApiKey": "only the server has keys",
    "invalidRequest": "only the server gets requests that are not tasks",
    "invalidUploadEndpoint": "sending results is disabled",
    "invalidWebhookURL": "sending results is disabled",
    "rateLimitExceeded": "depends on how many earlier tasks are unfinished",
    "requestTooLarge": "only the server limits requests",
    "serverStopping": "only the server stops",
    "internalServerError": "a failure of the machine or of tilewright, not of the request",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Upscaler(settings=contract_settings(), device="cpu", store=tmp_path_factory.mktemp("contract")) as upscaler:
        yield upscaler


@pytest.mark.parametrize("case", all_cases())
def test_case(case, server, monkeypatch):
    check_case(case, server, server, monkeypatch)


def test_every_code_that_a_request_can_cause_has_a_case():
    """Cases that are expected to fail do not count. `test_errors_page.py` covers the other codes."""
    cases = [case for cases in CASES.values() for case in cases if "xfail" not in case]
    expected = [step["expect"] for case in cases for step in (case, *case.get("then", ()))]
    produced = {item["code"] for response in expected for item in response.get("errors", [])}
    assert produced | set(NOT_CAUSED_BY_REQUESTS) == ERROR_CODES
    assert not produced & set(NOT_CAUSED_BY_REQUESTS)


def test_schemas_are_valid_and_list_every_code():
    for name in ("task", "envelope"):
        Draft202012Validator.check_schema(schema.load(name))
    assert set(schema.load("envelope")["$defs"]["error"]["properties"]["code"]["enum"]) == ERROR_CODES


def test_unknown_schema_is_refused():
    with pytest.raises(ValueError, match="choose from: task, envelope"):
        schema.load("../../secret")


def test_result_can_be_the_next_input(server):
    task = {"taskType": "imageUpscale", "inputImage": base64.b64encode(picture_file("png", 8, 6)).decode()}
    first = server.run({**task, "taskUUID": str(uuid.uuid4()), "upscaleFactor": 2})["data"][0]
    second_task = {**task, "taskUUID": str(uuid.uuid4()), "inputImage": first["imageUUID"], "upscaleFactor": 2}
    second = server.run(second_task)["data"][0]
    assert second["inputImageUUID"] == first["imageUUID"]
    check_file(read_url(second["imageURL"]), "jpg", "32x24")
