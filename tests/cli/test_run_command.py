"""`tilewright run`: tasks as JSON in, envelope as JSON out."""

from __future__ import annotations

import base64
import io
import json
import uuid
from pathlib import Path

import pytest

import tilewright
from support.cli import format_and_size, write_picture
from tilewright.cli import main


def task(**fields):
    data = base64.b64encode(write_picture("task.png").read_bytes()).decode()
    return tilewright.new_task(f"data:image/png;base64,{data}", 2, outputFormat="PNG", **fields)


def test_run_prints_the_envelope(capsys):
    request = task()
    Path("task.json").write_text(json.dumps(request))
    assert main(["run", "task.json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith('{\n  "data": [\n')
    (item,) = json.loads(out)["data"]
    assert list(item) == ["taskType", "taskUUID", "imageUUID", "inputImageUUID", "imageURL"]
    assert item["taskUUID"] == request["taskUUID"]
    assert format_and_size(Path("store") / f"{item['imageUUID']}.png") == ("PNG", (48, 32))


def test_run_reads_tasks_from_stdin_and_reports_errors(monkeypatch, capsys):
    requests = [task(), {"taskType": "imageUpscale", "taskUUID": str(uuid.uuid4()), "upscaleFactor": 7}]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(requests).encode("utf-16"))))
    assert main(["run", "-"]) == 1
    response = json.loads(capsys.readouterr().out)
    assert len(response["data"]) == 1
    assert {error["code"] for error in response["errors"]} == {"missingInputImage", "unsupportedUpscaleFactor"}


def test_run_waits_for_async_tasks(capsys):
    Path("task.json").write_text(json.dumps(task(deliveryMethod="async")))
    assert main(["run", "task.json"]) == 0
    out, err = capsys.readouterr()
    (item,) = json.loads(out)["data"]
    assert format_and_size(Path("store") / f"{item['imageUUID']}.png") == ("PNG", (48, 32))
    assert err == "tilewright: waiting for the results of async tasks, which nobody could ask for later\n"


@pytest.mark.parametrize("picture", ["photo.jpg", "file:///photo.jpg", "ftp://host/photo.jpg", "?", 5])
def test_messages_give_no_advice_for_python(picture, capsys):
    request = {**task(), "inputImage": picture}
    Path("task.json").write_text(json.dumps(request))
    assert main(["run", "task.json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert "Path" not in error["message"]
    assert "Python" not in error["message"]
    assert "a data URI or base64" in error["message"]


@pytest.mark.parametrize("picture", ["nope", "photo123", "0123456789abcdef0123456789abcdef"])
def test_a_word_that_is_base64_by_chance_is_shown_as_sent(picture, capsys):
    Path("task.json").write_text(json.dumps({**task(), "inputImage": picture}))
    assert main(["run", "task.json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["message"].startswith(f"the text '{picture}' was read as base64 and is no picture; give the UUID")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"taskType": ', "task.json is not JSON: Expecting value: line 1 column 14"),
        (b"", "task.json is not JSON"),
        (b"\xff\xfe\xff", "task.json is not JSON"),
        (b"[" * 100_000, "task.json is not JSON"),
        (b"3", "must contain a task object or an array of task objects, not 3"),
        (b"null", "must contain a task object or an array of task objects, not null"),
        (b'"text"', "must contain a task object or an array of task objects, not a string"),
        (b'{"tasks": [{}]}', "unknown key 'tasks'; a task or an array of tasks is expected"),
        (b"[{}, []]", "item 1 must be a task object, not an array"),
    ],
)
def test_run_refuses_files_without_tasks(content, message, capsys):
    Path("task.json").write_bytes(content)
    assert main(["run", "task.json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_run_with_a_missing_file(capsys):
    assert main(["run", "missing.json"]) == 2
    assert capsys.readouterr().err == "tilewright: missing.json cannot be read: No such file or directory\n"
