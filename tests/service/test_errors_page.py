"""The documentation of errors: it lists every code, and its examples match the actual responses."""

from __future__ import annotations

import asyncio
import json
import os
import re
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from support.paths import DOCS
from support.tasks import held_places
from tilewright import Settings, Upscaler, schema
from tilewright.errors import ERROR_CODES
from tilewright.testing import make_picture

PAGE = (DOCS / "errors.md").read_text("utf-8")
[REQUEST] = [
    json.loads(text) for text in re.findall(r"^```json\n(\{\"taskType.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]
EXAMPLES = {
    code: (sent, json.loads(item))
    for code, sent, item in re.findall(r"^#### (\w+)\n\nSent: (.*)\n\n```json\n(.*)\n```$", PAGE, re.MULTILINE)
}


def test_table_lists_exactly_the_codes():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(ERROR_CODES)


def test_there_is_exactly_one_example_per_code():
    assert set(EXAMPLES) == ERROR_CODES


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.service.runner.nsfw_problem", lambda: NO_CLASSIFIER)
    monkeypatch.chdir(tmp_path)
    cache = {"TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"]}
    settings = Settings.from_environment({**cache, "TILEWRIGHT_MAX_OUTPUT_PIXELS": "80000"})
    return Upscaler(settings=settings, device="cpu", store=tmp_path / "store")


# The message without a classifier, on a machine that may have one.
NO_CLASSIFIER = EXAMPLES["unsupportedCheckNSFW"][1]["message"].removeprefix("checkNSFW: ")


@pytest.mark.parametrize("code", sorted(EXAMPLES))
def test_example_matches_the_response(code, server):
    sent, item = EXAMPLES[code]
    Draft202012Validator(schema.load("envelope")).validate({"data": [], "errors": [item]})
    if sent.startswith("`{") and code not in DESCRIBED:
        request = {key: value for key, value in {**REQUEST, **json.loads(sent.strip("`"))}.items() if value is not None}
        response = server.run(request)
    else:
        response = DESCRIBED[code](server)
    assert item in response["errors"]


def test_message_without_a_classifier(monkeypatch):
    from tilewright import nsfw

    monkeypatch.setattr(nsfw, "_weights", lambda: None)
    assert nsfw.nsfw_problem() == NO_CLASSIFIER


def send_a_folder(server):
    Path("holiday").mkdir()
    return server.run({**REQUEST, "inputImage": Path("holiday")})


def send_too_many(server):
    settings = replace(server.settings, max_tasks=2)
    return Upscaler(settings=settings, device="cpu", store="memory://errors").run([REQUEST] * 3)


def send_while_another_task_runs(server):
    settings = replace(server.settings, max_waiting_tasks=1)
    first = {**REQUEST, "inputImage": b"", "taskUUID": str(uuid.uuid4()), "deliveryMethod": "async"}
    with Upscaler(settings=settings, device="cpu", store="memory://errors") as limited, held_places(limited):
        limited.run(first)
        return limited.run({**REQUEST, "deliveryMethod": "async"})


def use_an_impossible_store(server):
    with Upscaler(settings=server.settings, device="cpu", store="/dev/null/images") as storeless:
        return storeless.run({**REQUEST, "inputImage": make_picture(4, 4)})


def send_results_to(server, **urls):
    settings = replace(server.settings, send_results="public")
    return Upscaler(settings=settings, device="cpu", store="memory://errors").run({**REQUEST, **urls})


# Requests that the page describes in words.
def refused_by_a_server(body=b"[]", *, stopping=False, origin=None, **options):
    """Returns the envelope with which a server refuses a request as a whole."""
    pytest.importorskip("starlette", reason="needs the extra server")
    from starlette.requests import Request

    from tilewright.server.application import create_app
    from tilewright.server.rest import serve_call
    from tilewright.server.state import ServerOptions

    app = create_app(Upscaler(device="cpu"), ServerOptions(**options))
    if stopping:
        app.state.server.calls.stop_accepting()

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [] if origin is None else [(b"origin", origin)]
    scope = {"type": "http", "method": "POST", "path": "/v1", "headers": headers, "query_string": b"", "app": app}
    return json.loads(asyncio.run(serve_call(Request(scope, receive))).body)


DESCRIBED = {
    "forbiddenOrigin": lambda _: refused_by_a_server(origin=b"https://evil.example.org"),
    "invalidApiKey": lambda _: refused_by_a_server(key_hashes=("0" * 64,)),
    "invalidRequest": lambda _: refused_by_a_server(b"3"),
    "requestTooLarge": lambda _: refused_by_a_server(b"[" * 101, max_body_bytes=100),
    "serverStopping": lambda _: refused_by_a_server(stopping=True),
    "conflictTaskUUID": lambda server: server.run([REQUEST, {**REQUEST, "inputImage": make_picture(4, 4)}]),
    "failedToTransferImage": send_a_folder,
    "rateLimitExceeded": send_while_another_task_runs,
    "invalidWebhookURL": lambda server: send_results_to(server, webhookURL="http://192.168.0.10/hook"),
    "invalidUploadEndpoint": lambda server: send_results_to(server, uploadEndpoint="files.example.org"),
    "imageTooLarge": lambda server: server.run({**REQUEST, "inputImage": make_picture(51, 100), "upscaleFactor": 4}),
    "tooManyTasks": send_too_many,
    "internalServerError": use_an_impossible_store,
}
