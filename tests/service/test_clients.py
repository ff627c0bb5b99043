"""The service's official Python clients take our items for the service's own, and send tasks that we understand.

Each runs in an environment of its own, which ``.ci/run clients`` makes, with a socket in memory, or for REST a
session, in place of its connection: every task it sends is run here, and its own parsing has the envelope.
Not covered, as it is a server's part: the real connection with its limits, and HTTP statuses.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import subprocess
import tomllib
import uuid
from pathlib import Path

import pytest
from PIL import Image

from support.paths import ROOT
from support.served_client import ServedClient
from tilewright.testing import make_picture

SCRIPTS = ROOT / "tests" / "clients"
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]


def python_of(name):
    """The interpreter of a client's environment."""
    python = ROOT / "build" / "clients" / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"needs the client {name} in an environment of its own: .ci/run clients")
    return python


@pytest.fixture(scope="module")
def runware(upscaler):
    with ServedClient(python_of("runware"), SCRIPTS / "runware_client.py", upscaler) as client:
        yield client


@pytest.fixture(scope="module")
def sdk(upscaler):
    with ServedClient(python_of("runware-sdk"), SCRIPTS / "runware_sdk_client.py", upscaler) as client:
        yield client


@pytest.fixture(params=["websocket", "rest"])
def transport(request):
    return request.param


@pytest.fixture
def picture_path(tmp_path):
    Image.fromarray(make_picture(6, 8)).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


@pytest.fixture
def data_uri(picture_path):
    return f"data:image/png;base64,{base64.b64encode(Path(picture_path).read_bytes()).decode()}"


@pytest.fixture
def broken_uri():
    """Known to be no picture only once it is decoded."""
    return f"data:image/png;base64,{base64.b64encode(b'no picture').decode()}"


@pytest.fixture(params=[True, False])
def checked(upscaler, monkeypatch, request):
    """Every result is checked for being not safe for work, and this is found."""
    monkeypatch.setattr(upscaler, "settings", dataclasses.replace(upscaler.settings, check_nsfw=True))
    monkeypatch.setattr(upscaler._classifier, "is_nsfw", lambda _: request.param)
    return request.param


def check_picture(upscaler, item, output_types, file_format="JPEG", size=(16, 12)):
    """The item has the picture in these forms and no other, and all are the stored one."""
    data = upscaler.store.get(item["imageUUID"])
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == (file_format, size)
    encoded = base64.b64encode(data).decode()
    forms = {
        "imageURL": upscaler.store.url(item["imageUUID"]),
        "imageBase64Data": encoded,
        "imageDataURI": f"data:image/{file_format.lower()};base64,{encoded}",
    }
    keys = {
        {"URL": "imageURL", "base64Data": "imageBase64Data", "dataURI": "imageDataURI"}[kind] for kind in output_types
    }
    assert {key: item[key] for key in forms if item.get(key) is not None} == {key: forms[key] for key in keys}


@pytest.mark.parametrize("name", ["runware", "runware-sdk"])
def test_the_clients_are_those_that_are_pinned_and_the_page_names(name):
    [pinned] = GROUPS[f"client-{name}"]
    version = pinned.removeprefix(f"{name}==")
    program = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    done = subprocess.run([python_of(name), "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version
    assert f"`{name}` {version}" in (ROOT / "docs" / "api.md").read_text("utf-8")


def test_an_attempt_to_reach_a_host_is_noticed(sdk):
    """Without a taskType this client looks models up on the service."""
    with pytest.raises(AssertionError, match=r"socket\.getaddrinfo"):
        sdk.call("run", transport="websocket", model="none@1")


# --- runware ---------------------------------------------------------------------------------------------------------


def image_of(outcome):
    """The fields of the one IImage that was returned, all of the types it declares."""
    [image] = outcome["returned"]
    assert (image["kind"], image["misfits"]) == ("IImage", [])
    return image["fields"]


def check_image(fields, item):
    """Nothing of the item is lost, nothing is changed, and what it does not have is None."""
    assert fields == dict.fromkeys(fields) | item


@pytest.mark.parametrize(
    "output_type", ["URL", "base64Data", "dataURI", ["URL", "base64Data", "dataURI"]], ids=lambda value: "".join(value)
)
@pytest.mark.parametrize("file_format", ["JPG", "PNG", "WEBP"])
def test_runware_upscales(runware, upscaler, data_uri, output_type, file_format):
    fields = image_of(
        runware.call(
            "imageUpscale", inputImage=data_uri, upscaleFactor=2.0, outputType=output_type, outputFormat=file_format
        )
    )
    check_image(fields, runware.item())
    forms = [output_type] if isinstance(output_type, str) else output_type
    check_picture(upscaler, fields, forms, {"JPG": "JPEG"}.get(file_format, file_format))
    [([task], _)] = runware.exchanges
    assert (fields["taskType"], fields["taskUUID"]) == ("imageUpscale", task["taskUUID"])
    assert uuid.UUID(fields["inputImageUUID"]).version == 4
    absent = ("status", "seed", "NSFWContent", "cost", "structuredPrompt", "outputs")
    assert [fields[name] for name in absent] == [None] * len(absent)


def test_runware_is_told_the_cost(runware, data_uri):
    fields = image_of(runware.call("imageUpscale", inputImage=data_uri, upscaleFactor=2, includeCost=True))
    check_image(fields, runware.item())
    assert fields["cost"] == 0


def test_runware_is_told_what_is_not_safe_for_work(runware, data_uri, checked):
    fields = image_of(runware.call("imageUpscale", inputImage=data_uri, upscaleFactor=2))
    check_image(fields, runware.item())
    assert fields["NSFWContent"] is checked


def test_runware_takes_a_result_as_the_next_input(runware, upscaler, data_uri):
    first = image_of(runware.call("imageUpscale", inputs={"image": data_uri}, upscaleFactor=2))
    second = image_of(runware.call("imageUpscale", inputs={"image": first["imageUUID"]}, upscaleFactor=2))
    assert second["inputImageUUID"] == first["imageUUID"]
    check_picture(upscaler, second, ["URL"], size=(32, 24))


def test_runware_uploads(runware, upscaler, picture_path):
    uploaded = runware.call("uploadImage", file=picture_path)["returned"]
    assert (uploaded["kind"], uploaded["misfits"]) == ("UploadImageType", [])
    item = runware.item()
    assert uploaded["fields"] == {key: item[key] for key in ("imageUUID", "imageURL", "taskUUID")}
    assert upscaler.store.get(item["imageUUID"]) == Path(picture_path).read_bytes()


def test_runware_upscales_a_file(runware, picture_path):
    """It is uploaded first."""
    fields = image_of(runware.call("imageUpscale", inputImage=picture_path, upscaleFactor=2))
    (_, uploaded), ([task], _) = runware.exchanges
    assert fields["inputImageUUID"] == task["inputImage"] == uploaded["data"][0]["imageUUID"]


@pytest.mark.parametrize("letters", [str.lower, str.upper])
def test_runware_asks_later(runware, upscaler, data_uri, held_back, letters):
    asked = {"inputImage": data_uri, "upscaleFactor": 2, "outputType": "base64Data", "includeCost": True}
    accepted = runware.call("imageUpscale", **asked, deliveryMethod="async")["returned"]
    assert accepted == {"kind": "IAsyncTaskResponse", "fields": runware.item(), "misfits": []}
    task_uuid = letters(accepted["fields"]["taskUUID"])
    fields = image_of(runware.call("getResponse", taskUUID=task_uuid, on_processing=held_back.set))
    statuses = runware.statuses()
    assert (statuses[0], statuses[-1], set(statuses)) == ("processing", "success", {"processing", "success"})
    check_image(fields, runware.item())
    check_picture(upscaler, fields, ["base64Data"])
    assert (fields["status"], fields["taskUUID"], fields["cost"]) == ("success", task_uuid, 0)


def test_runware_is_told_later_of_a_failure(runware, broken_uri):
    accepted = runware.call("imageUpscale", inputImage=broken_uri, upscaleFactor=2, deliveryMethod="async")["returned"]
    task_uuid = accepted["fields"]["taskUUID"]
    data = error_of(runware, runware.call("getResponse", taskUUID=task_uuid))
    assert (data["code"], data["status"], data["taskType"]) == ("invalidInputImage", "error", "imageUpscale")
    assert data["taskUUID"] == task_uuid


def error_of(runware, outcome):
    """The data of the RunwareAPIError that was raised: our first error item, whole."""
    raised = outcome["raised"]
    assert raised["kind"] == "RunwareAPIError", raised
    assert raised["data"] == runware.exchanges[-1][1]["errors"][0]
    assert raised["code"] == raised["data"]["code"]
    return raised["data"]


@pytest.mark.parametrize("delivery", ["sync", "async"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"upscaleFactor": 5}, {"code": "unsupportedUpscaleFactor", "allowedValues": [2, 3, 4]}),
        ({"upscaleFactor": None}, {"code": "missingUpscaleFactor"}),
        ({"outputType": [5]}, {"code": "invalidOutputType", "type": "string|string[]"}),
        ({"inputImage": "nope.png"}, {"code": "invalidInputImage"}),
        ({"inputs": {"image": "nope.png"}, "inputImage": None}, {"code": "invalidInputImage"}),
        ({"model": "runware:500@1", "upscaleFactor": 7}, {"code": "unsupportedUpscaleFactor"}),
    ],
    ids=lambda value: value.get("code") or "".join(value),
)
def test_runware_is_told_of_a_fault(runware, data_uri, fault, expected, delivery):
    asked = {"inputImage": data_uri, "upscaleFactor": 2, "deliveryMethod": delivery, **fault}
    data = error_of(runware, runware.call("imageUpscale", **asked))
    [([task], _)] = runware.exchanges
    assert expected.items() <= data.items()
    assert (data["taskUUID"], data["taskType"]) == (task["taskUUID"], "imageUpscale")
    assert data["message"]
    assert data["parameter"] in ("upscaleFactor", "outputType", "inputImage", "inputs.image")


def test_runware_is_told_of_an_upload_that_is_no_picture(runware, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    data = error_of(runware, runware.call("uploadImage", file=str(tmp_path / "text.png")))
    assert (data["code"], data["parameter"], data["taskType"]) == ("invalidImage", "image", "imageUpload")


def test_runware_asks_for_a_task_that_never_was(runware):
    data = error_of(runware, runware.call("getResponse", taskUUID=str(uuid.uuid4())))
    assert data["code"] == "taskNotFound"


# --- runware-sdk -----------------------------------------------------------------------------------------------------

# Fields that its type of results does not have, and that it hands on: two are of the format's earlier forms, the status
# is in another type of its own.
UNTYPED = {"inputImageUUID", "NSFWContent", "status"}


def fields_of(sdk, outcome):
    """The fields of the one result, all of the types it declares: our item, key by key."""
    [result] = outcome["returned"]
    assert result["fields"] == sdk.item()
    assert list(result["fields"]) == list(sdk.item())
    assert set(result["misfits"]) == UNTYPED & set(result["fields"])
    return result["fields"]


@pytest.mark.parametrize("output_type", ["URL", "base64Data", "dataURI"])
def test_sdk_upscales(sdk, upscaler, data_uri, transport, output_type):
    """The taskUUID is the caller's, in whatever letter case: replies are found by it, byte for byte."""
    task = {"taskType": "upscale", "taskUUID": str(uuid.uuid4()).upper(), "inputs": {"image": data_uri}}
    asked = {**task, "upscaleFactor": 2, "outputType": output_type, "includeCost": True, "deliveryMethod": "sync"}
    fields = fields_of(sdk, sdk.call("run", transport=transport, **asked))
    assert len(sdk.exchanges) == 1
    assert (fields["taskType"], fields["taskUUID"], fields["cost"]) == ("upscale", task["taskUUID"], 0)
    check_picture(upscaler, fields, [output_type])


def test_sdk_asks_later_unless_told_otherwise(sdk, upscaler, data_uri, transport, held_back):
    task_uuid = str(uuid.uuid4())
    asked = {"taskType": "upscale", "taskUUID": task_uuid, "inputs": {"image": data_uri}}
    outcome = sdk.call("run", transport=transport, **asked, upscaleFactor=4, on_processing=held_back.set)
    fields = fields_of(sdk, outcome)
    statuses = sdk.statuses()
    assert statuses[:2] == [None, "processing"], "acknowledged, then not done yet"
    assert (statuses[-1], fields["status"], fields["taskUUID"]) == ("success", "success", task_uuid)
    assert sdk.exchanges[0][0][0]["deliveryMethod"] == "async"
    check_picture(upscaler, fields, ["URL"], size=(32, 24))


def test_sdk_is_told_what_is_not_safe_for_work(sdk, data_uri, transport, checked):
    asked = {"taskType": "imageUpscale", "inputImage": data_uri, "upscaleFactor": 2, "deliveryMethod": "sync"}
    [result] = sdk.call("run", transport=transport, **asked)["returned"]
    assert result["fields"] == sdk.item()
    assert result["fields"]["NSFWContent"] is checked


def test_sdk_uploads(sdk, upscaler, picture_path, data_uri, transport):
    fields = fields_of(sdk, sdk.call("image_upload", transport=transport, image=data_uri))
    assert list(fields) == ["taskType", "taskUUID", "imageUUID", "imageURL"]
    assert upscaler.store.get(fields["imageUUID"]) == Path(picture_path).read_bytes()


@pytest.mark.usefixtures("held_back")
def test_sdk_is_told_the_status(sdk, upscaler, data_uri, transport):
    """When the caller asks, rather than ``run``."""
    named = {"taskType": "upscale", "taskUUID": str(uuid.uuid4())}
    upscaler.run({**named, "inputImage": data_uri, "upscaleFactor": 2, "deliveryMethod": "async"})
    [result] = sdk.call("get_response", transport=transport, taskUUID=named["taskUUID"])["returned"]
    assert result == {"fields": {**named, "status": "processing"}, "misfits": []}


def sdk_error_of(sdk, outcome):
    """The RunwareError that was raised, with what it takes from our first error item."""
    raised, item = outcome["raised"], sdk.exchanges[-1][1]["errors"][0]
    assert raised.pop("kind") == "RunwareError", raised
    assert raised.pop("message") == item["message"]
    assert raised.pop("parameter") == item.get("parameter")
    assert (raised.pop("task_type"), raised.pop("task_uuid")) == (item["taskType"], item["taskUUID"])
    return raised


@pytest.mark.parametrize("delivery", ["sync", "async"])
@pytest.mark.parametrize("fault", [{"upscaleFactor": 5}, {"inputs": {"image": "nope.png"}}, {"outputFormat": "GIF"}])
def test_sdk_is_told_of_a_fault(sdk, data_uri, transport, fault, delivery):
    asked = {"taskType": "upscale", "inputs": {"image": data_uri}, "upscaleFactor": 2, "deliveryMethod": delivery}
    outcome = sdk.call("run", transport=transport, **asked | fault)
    assert sdk_error_of(sdk, outcome) == {"code": "validation", "retryable": False}


def test_sdk_is_told_later_of_a_failure(sdk, broken_uri, transport):
    asked = {"taskType": "upscale", "inputs": {"image": broken_uri}, "upscaleFactor": 2}
    outcome = sdk.call("run", transport=transport, **asked)
    assert sdk_error_of(sdk, outcome) == {"code": "validation", "retryable": False}
    assert sdk.statuses()[-1] == "error"


def test_sdk_asks_for_a_task_that_never_was(sdk, transport):
    outcome = sdk.call("get_response", transport=transport, taskUUID=str(uuid.uuid4()))
    assert sdk_error_of(sdk, outcome) == {"code": "notFound", "retryable": False}
