"""The service's official Python clients send tasks that tilewright understands, and understand its responses.

Each client runs in its own environment, which ``.ci/run clients`` makes. A socket in memory, or a session for REST,
replaces its connection: this process runs every task that the client sends, and the client parses the envelope. The
real connection with its limits and HTTP statuses is not covered, because it depends on the server.
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
    """Returns the interpreter of a client's environment. Skips the test if there is none."""
    python = ROOT / "build" / "clients" / name / "bin" / "python"
    if not python.exists():
        pytest.skip(f"needs the environment of the client {name}, which .ci/run clients makes")
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
    """A data URI that fails when it is decoded."""
    return f"data:image/png;base64,{base64.b64encode(b'no picture').decode()}"


@pytest.fixture(params=[True, False])
def is_nsfw(upscaler, monkeypatch, request):
    """Checks every result with a fake NSFW classifier, and returns what the classifier returns."""
    checking = dataclasses.replace(upscaler.settings, check_nsfw=True)
    monkeypatch.setattr(upscaler._runner._handler, "_settings", checking)
    monkeypatch.setattr(upscaler._classifier, "is_nsfw", lambda _: request.param)
    return request.param


def check_picture(upscaler, item, output_types, file_format="JPEG", size=(16, 12)):
    """Checks that the item has the stored picture in these forms and no others."""
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
def test_versions_of_the_clients_are_pinned_and_documented(name):
    [pinned] = GROUPS[f"client-{name}"]
    version = pinned.removeprefix(f"{name}==")
    program = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    result = subprocess.run([python_of(name), "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == version
    assert f"`{name}` {version}" in (ROOT / "docs" / "api.md").read_text("utf-8")


def test_attempt_to_reach_a_host_is_reported(sdk):
    """Without a taskType, this client looks up models on the service."""
    with pytest.raises(AssertionError, match=r"socket\.getaddrinfo"):
        sdk.call("run", transport="websocket", model="none@1")


# --- runware ---------------------------------------------------------------------------------------------------------


def image_of(outcome):
    """Returns the fields of the only IImage, and checks that they have the declared types."""
    [image] = outcome["returned"]
    assert (image["kind"], image["misfits"]) == ("IImage", [])
    return image["fields"]


def check_image(fields, item):
    """Checks that the fields equal the item, and that fields without a value are None."""
    assert fields == dict.fromkeys(fields) | item


@pytest.mark.parametrize(
    "output_type", ["URL", "base64Data", "dataURI", ["URL", "base64Data", "dataURI"]], ids=lambda value: "".join(value)
)
@pytest.mark.parametrize("file_format", ["JPG", "PNG", "WEBP"])
def test_runware_upscale(runware, upscaler, data_uri, output_type, file_format):
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


def test_runware_gets_the_cost(runware, data_uri):
    fields = image_of(runware.call("imageUpscale", inputImage=data_uri, upscaleFactor=2, includeCost=True))
    check_image(fields, runware.item())
    assert fields["cost"] == 0


def test_runware_gets_the_nsfw_classification(runware, data_uri, is_nsfw):
    fields = image_of(runware.call("imageUpscale", inputImage=data_uri, upscaleFactor=2))
    check_image(fields, runware.item())
    assert fields["NSFWContent"] is is_nsfw


def test_runware_sends_a_result_as_the_next_input(runware, upscaler, data_uri):
    first = image_of(runware.call("imageUpscale", inputs={"image": data_uri}, upscaleFactor=2))
    second = image_of(runware.call("imageUpscale", inputs={"image": first["imageUUID"]}, upscaleFactor=2))
    assert second["inputImageUUID"] == first["imageUUID"]
    check_picture(upscaler, second, ["URL"], size=(32, 24))


def test_runware_upload(runware, upscaler, picture_path):
    uploaded = runware.call("uploadImage", file=picture_path)["returned"]
    assert (uploaded["kind"], uploaded["misfits"]) == ("UploadImageType", [])
    item = runware.item()
    assert uploaded["fields"] == {key: item[key] for key in ("imageUUID", "imageURL", "taskUUID")}
    assert upscaler.store.get(item["imageUUID"]) == Path(picture_path).read_bytes()


def test_runware_uploads_a_file_before_it_is_upscaled(runware, picture_path):
    fields = image_of(runware.call("imageUpscale", inputImage=picture_path, upscaleFactor=2))
    (_, uploaded), ([task], _) = runware.exchanges
    assert fields["inputImageUUID"] == task["inputImage"] == uploaded["data"][0]["imageUUID"]


@pytest.mark.parametrize("letter_case", [str.lower, str.upper])
def test_runware_async_task(runware, upscaler, data_uri, held_back, letter_case):
    arguments = {"inputImage": data_uri, "upscaleFactor": 2, "outputType": "base64Data", "includeCost": True}
    accepted = runware.call("imageUpscale", **arguments, deliveryMethod="async")["returned"]
    assert accepted == {"kind": "IAsyncTaskResponse", "fields": runware.item(), "misfits": []}
    task_uuid = letter_case(accepted["fields"]["taskUUID"])
    fields = image_of(runware.call("getResponse", taskUUID=task_uuid, on_processing=held_back.set))
    statuses = runware.statuses()
    assert (statuses[0], statuses[-1], set(statuses)) == ("processing", "success", {"processing", "success"})
    check_image(fields, runware.item())
    check_picture(upscaler, fields, ["base64Data"])
    assert (fields["status"], fields["taskUUID"], fields["cost"]) == ("success", task_uuid, 0)


def test_runware_gets_the_error_of_an_async_task(runware, broken_uri):
    accepted = runware.call("imageUpscale", inputImage=broken_uri, upscaleFactor=2, deliveryMethod="async")["returned"]
    task_uuid = accepted["fields"]["taskUUID"]
    data = error_of(runware, runware.call("getResponse", taskUUID=task_uuid))
    assert (data["code"], data["status"], data["taskType"]) == ("invalidInputImage", "error", "imageUpscale")
    assert data["taskUUID"] == task_uuid


def error_of(runware, outcome):
    """Returns the data of the RunwareAPIError, and checks that it equals the first error item."""
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
def test_runware_gets_the_error_of_an_invalid_task(runware, data_uri, fault, expected, delivery):
    arguments = {"inputImage": data_uri, "upscaleFactor": 2, "deliveryMethod": delivery, **fault}
    data = error_of(runware, runware.call("imageUpscale", **arguments))
    [([task], _)] = runware.exchanges
    assert expected.items() <= data.items()
    assert (data["taskUUID"], data["taskType"]) == (task["taskUUID"], "imageUpscale")
    assert data["message"]
    assert data["parameter"] in ("upscaleFactor", "outputType", "inputImage", "inputs.image")


def test_runware_gets_the_error_of_an_upload_that_is_not_a_picture(runware, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    data = error_of(runware, runware.call("uploadImage", file=str(tmp_path / "text.png")))
    assert (data["code"], data["parameter"], data["taskType"]) == ("invalidImage", "image", "imageUpload")


def test_runware_polls_an_unknown_task(runware):
    data = error_of(runware, runware.call("getResponse", taskUUID=str(uuid.uuid4())))
    assert data["code"] == "taskNotFound"


# --- runware-sdk -----------------------------------------------------------------------------------------------------

# Fields that the client passes on although its result type does not declare them: two come from earlier versions of the
# format, and it declares the status in another type.
UNTYPED = {"inputImageUUID", "NSFWContent", "status"}


def fields_of(sdk, outcome):
    """Returns the fields of the only result, and checks that they equal the item and have the declared types."""
    [result] = outcome["returned"]
    assert result["fields"] == sdk.item()
    assert list(result["fields"]) == list(sdk.item())
    assert set(result["misfits"]) == UNTYPED & set(result["fields"])
    return result["fields"]


@pytest.mark.parametrize("output_type", ["URL", "base64Data", "dataURI"])
def test_sdk_upscale(sdk, upscaler, data_uri, transport, output_type):
    """The client finds its response by the exact taskUUID, here in upper case."""
    task = {"taskType": "upscale", "taskUUID": str(uuid.uuid4()).upper(), "inputs": {"image": data_uri}}
    arguments = {**task, "upscaleFactor": 2, "outputType": output_type, "includeCost": True, "deliveryMethod": "sync"}
    fields = fields_of(sdk, sdk.call("run", transport=transport, **arguments))
    assert len(sdk.exchanges) == 1
    assert (fields["taskType"], fields["taskUUID"], fields["cost"]) == ("upscale", task["taskUUID"], 0)
    check_picture(upscaler, fields, [output_type])


def test_sdk_tasks_are_async_by_default(sdk, upscaler, data_uri, transport, held_back):
    task_uuid = str(uuid.uuid4())
    arguments = {"taskType": "upscale", "taskUUID": task_uuid, "inputs": {"image": data_uri}}
    outcome = sdk.call("run", transport=transport, **arguments, upscaleFactor=4, on_processing=held_back.set)
    fields = fields_of(sdk, outcome)
    statuses = sdk.statuses()
    assert statuses[:2] == [None, "processing"], "acknowledged, then processing"
    assert (statuses[-1], fields["status"], fields["taskUUID"]) == ("success", "success", task_uuid)
    assert sdk.exchanges[0][0][0]["deliveryMethod"] == "async"
    check_picture(upscaler, fields, ["URL"], size=(32, 24))


def test_sdk_gets_the_nsfw_classification(sdk, data_uri, transport, is_nsfw):
    arguments = {"taskType": "imageUpscale", "inputImage": data_uri, "upscaleFactor": 2, "deliveryMethod": "sync"}
    [result] = sdk.call("run", transport=transport, **arguments)["returned"]
    assert result["fields"] == sdk.item()
    assert result["fields"]["NSFWContent"] is is_nsfw


def test_sdk_upload(sdk, upscaler, picture_path, data_uri, transport):
    fields = fields_of(sdk, sdk.call("image_upload", transport=transport, image=data_uri))
    assert list(fields) == ["taskType", "taskUUID", "imageUUID", "imageURL"]
    assert upscaler.store.get(fields["imageUUID"]) == Path(picture_path).read_bytes()


@pytest.mark.usefixtures("held_back")
def test_sdk_polls_a_running_task(sdk, upscaler, data_uri, transport):
    task = {"taskType": "upscale", "taskUUID": str(uuid.uuid4())}
    upscaler.run({**task, "inputImage": data_uri, "upscaleFactor": 2, "deliveryMethod": "async"})
    [result] = sdk.call("get_response", transport=transport, taskUUID=task["taskUUID"])["returned"]
    assert result == {"fields": {**task, "status": "processing"}, "misfits": []}


def sdk_error_of(sdk, outcome):
    """Checks the fields of the RunwareError that come from the first error item, and returns the others."""
    raised, item = outcome["raised"], sdk.exchanges[-1][1]["errors"][0]
    assert raised.pop("kind") == "RunwareError", raised
    assert raised.pop("message") == item["message"]
    assert raised.pop("parameter") == item.get("parameter")
    assert (raised.pop("task_type"), raised.pop("task_uuid")) == (item["taskType"], item["taskUUID"])
    return raised


@pytest.mark.parametrize("delivery", ["sync", "async"])
@pytest.mark.parametrize("fault", [{"upscaleFactor": 5}, {"inputs": {"image": "nope.png"}}, {"outputFormat": "GIF"}])
def test_sdk_gets_the_error_of_an_invalid_task(sdk, data_uri, transport, fault, delivery):
    arguments = {"taskType": "upscale", "inputs": {"image": data_uri}, "upscaleFactor": 2, "deliveryMethod": delivery}
    outcome = sdk.call("run", transport=transport, **arguments | fault)
    assert sdk_error_of(sdk, outcome) == {"code": "validation", "retryable": False}


def test_sdk_gets_the_error_of_an_async_task(sdk, broken_uri, transport):
    arguments = {"taskType": "upscale", "inputs": {"image": broken_uri}, "upscaleFactor": 2}
    outcome = sdk.call("run", transport=transport, **arguments)
    assert sdk_error_of(sdk, outcome) == {"code": "validation", "retryable": False}
    assert sdk.statuses()[-1] == "error"


def test_sdk_polls_an_unknown_task(sdk, transport):
    outcome = sdk.call("get_response", transport=transport, taskUUID=str(uuid.uuid4()))
    assert sdk_error_of(sdk, outcome) == {"code": "notFound", "retryable": False}
