"""The wire format's cases, which are data, against this implementation; see ``contract/README.md``."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import time
import uuid
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from support.paths import TESTS
from tilewright import Settings, Upscaler, schema
from tilewright.errors import ERROR_CODES
from tilewright.testing import make_picture

CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in (TESTS / "contract").glob("*.json")}
TASK, ENVELOPE = (Draft202012Validator(schema.load(name)) for name in ("task", "envelope"))
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
NO_REQUEST_CAUSES = {
    "failedToTransferImage": "files are given in Python only, and web addresses are switched off",
    "internalServerError": "a fault of the machine or ours, not of a request",
}


def all_cases():
    parameters = []
    for stem, cases in sorted(CASES.items()):
        for case in cases:
            reason = case.get("xfail")
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            parameters.append(
                pytest.param(
                    case, id=f"{stem}: {case['name'].encode('ascii', 'backslashreplace').decode()}", marks=marks
                )
            )
    return parameters


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    # Of the user's environment only the cache: whoever has switched web addresses on would have them fetched here.
    cache_dir = os.environ["TILEWRIGHT_CACHE_DIR"]
    limits = {"TILEWRIGHT_MAX_INPUT_PIXELS": "10000", "TILEWRIGHT_MAX_OUTPUT_PIXELS": "80000"}
    settings = Settings.from_environment({"TILEWRIGHT_CACHE_DIR": cache_dir, **limits})
    with Upscaler(settings=settings, device="cpu", store=tmp_path_factory.mktemp("contract")) as upscaler:
        yield upscaler


@pytest.mark.parametrize("case", all_cases())
def test_case(case, server, monkeypatch):
    equip(server, case.get("server"), monkeypatch)
    filled = Filled(server)
    request = filled.value(case["request"])
    expected_validity = case.get("valid", "errors" not in case["expect"])
    if expected_validity is not None:
        assert TASK.is_valid(request) == expected_validity, "by the schema of requests"
    check_reply(server.run(request), request, case["expect"], filled)
    for step in case.get("then", ()):
        request = filled.value(step["request"])
        check_reply(answer_when_done(server, request), request, step["expect"], filled)


def equip(server, equipment, monkeypatch):
    """Gives the server a stand-in for the classifier, or takes an installed one away."""
    if equipment is not None:
        problem = {"classifier": None, "no classifier": "no classifier is installed; install one"}[equipment]
        monkeypatch.setattr("tilewright.nsfw.nsfw_problem", lambda: problem)
        monkeypatch.setattr(server._classifier, "is_nsfw", lambda _: False)


def check_reply(reply, request, expected, filled):
    envelope = json.loads(json.dumps(reply))
    assert not list(ENVELOPE.iter_errors(envelope)), "by the schema of replies"
    Expectation(request, filled.stored).check(envelope, expected, "envelope")


def answer_when_done(server, request):
    deadline = time.monotonic() + 60
    while True:
        reply = server.run(request)
        if not any(item.get("status") == "processing" for item in reply["data"]):
            return reply
        assert time.monotonic() < deadline, "still processing"
        time.sleep(0.01)


class Filled:
    """A request with its placeholders replaced."""

    def __init__(self, server):
        self.server = server
        self.stored = None

    def value(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"$join": parts}:
                return "".join(self.value(part) for part in parts)
            case {"$repeat": text, "times": times}:
                return text * times
            case {"$list": entry, "times": times}:
                return [entry] * times
            case {"$nested": depth}:
                nested = []
                for _ in range(depth - 1):
                    nested = [nested]
                return nested
            case {"$digits": digits}:
                return 10**digits - 1
        return {key: self.value(entry) for key, entry in value.items()}

    def text(self, text):
        match = re.fullmatch(r"\$(picture|dataURI|stored|STORED):([\w-]+):(\d+)x(\d+)", text)
        if match is None:
            assert not text.startswith("$"), f"no such placeholder: {text}"
            return text
        data = picture_file(match[2], int(match[3]), int(match[4]))
        encoded = base64.b64encode(data).decode()
        if match[1] == "picture":
            return encoded
        if match[1] == "dataURI":
            return f"data:{MEDIA_TYPES.get(match[2], f'image/{match[2]}')};base64,{encoded}"
        self.stored = self.stored or self.server.upload(data)["data"][0]["imageUUID"]
        return self.stored.upper() if match[1].isupper() else self.stored


@cache
def picture_file(kind, width, height):
    file_format, _, special = kind.partition("-")
    channels = {"grey": 1, "grey-alpha": 2, "rgba": 4}.get(special, 3)
    if special == "16bit":
        image = Image.fromarray(make_picture(height, width, 1, np.uint16)[:, :, 0])
    else:
        image = Image.fromarray(make_picture(height, width, channels).squeeze(axis=2 if channels == 1 else ()))
    if special in ("palette", "cmyk"):
        image = image.convert({"palette": "P", "cmyk": "CMYK"}[special])
    frames = {"save_all": True, "append_images": [image.rotate(180)]} if special == "animated" else {}
    buffer = io.BytesIO()
    image.save(buffer, {"jpg": "JPEG"}.get(file_format, file_format.upper()), **frames)
    data = buffer.getvalue()
    return data[: len(data) // 2] if special == "cut" else data


class Expectation:
    """Compares a reply with what a case expects; placeholders match what the page says."""

    def __init__(self, request, stored):
        self.tasks = request if isinstance(request, list) else [request]
        self.stored = stored

    def check(self, found, expected, key):
        if isinstance(expected, dict) and "$contains" in expected:
            self.check(found, "$text", key)
            for part in expected["$contains"]:
                assert part in found, key
        elif isinstance(expected, dict):
            assert isinstance(found, dict)
            assert list(found) == list(expected), key
            for name, value in expected.items():
                self.check(found[name], value, name)
        elif isinstance(expected, list):
            assert isinstance(found, list)
            assert len(found) == len(expected), (key, found)
            for entry, value in zip(found, expected, strict=True):
                self.check(entry, value, key)
        elif isinstance(expected, str) and expected.startswith("$"):
            self.placeholder(found, key, *expected[1:].split(":"))
        else:
            assert type(found) is type(expected)
            assert found == expected, key

    def placeholder(self, found, key, name, *arguments):
        match name:
            case "echo":
                # Python's own comparison, not the report's: a value may be a million letters long.
                assert (found == self.tasks[int(arguments[0]) if arguments else 0][key]) is True, key
            case "text":
                assert isinstance(found, str)
                assert 1 <= len(found) <= 1000, f"{key} has {len(found)} characters"
            case "texts":
                assert found
                assert all(isinstance(entry, str) for entry in found), key
            case "integers":
                first, last = map(int, arguments)
                assert found == list(range(first, last + 1)), key
            case "storedUUID":
                assert found == self.stored, key
            case "uuid4":
                assert (str(uuid.UUID(found)), uuid.UUID(found).version) == (found, 4)
            case "boolean":
                assert isinstance(found, bool), key
            case "url":
                check_file(Path(unquote(urlsplit(found).path)).read_bytes(), *arguments)
                assert found.endswith(f".{arguments[0]}")
            case "base64":
                check_file(base64.b64decode(found, validate=True), *arguments)
            case "dataURI":
                head, _, encoded = found.partition(",")
                assert head == f"data:{MEDIA_TYPES[arguments[0]]};base64"
                check_file(base64.b64decode(encoded, validate=True), *arguments)
            case _:
                raise ValueError(f"no such placeholder: ${name}")


def check_file(data, file_format, size):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, f"{image.width}x{image.height}") == (
            {"jpg": "JPEG"}.get(file_format, file_format.upper()),
            size,
        )


def test_every_code_is_produced_or_no_request_can():
    """By a case that is kept, as a case that is known to fail proves nothing; the others by the errors page's test."""
    cases = [case for cases in CASES.values() for case in cases if "xfail" not in case]
    replies = [step["expect"] for case in cases for step in (case, *case.get("then", ()))]
    produced = {item["code"] for reply in replies for item in reply.get("errors", [])}
    assert produced | set(NO_REQUEST_CAUSES) == ERROR_CODES
    assert not produced & set(NO_REQUEST_CAUSES)


def test_the_schemas_are_schemas_and_know_every_code():
    for name in ("task", "envelope"):
        Draft202012Validator.check_schema(schema.load(name))
    assert set(schema.load("envelope")["$defs"]["error"]["properties"]["code"]["enum"]) == ERROR_CODES


def test_there_is_no_other_schema():
    with pytest.raises(ValueError, match="choose from: task, envelope"):
        schema.load("../../secret")


def test_a_result_can_be_the_next_input(server):
    task = {"taskType": "imageUpscale", "inputImage": base64.b64encode(picture_file("png", 8, 6)).decode()}
    first = server.run({**task, "taskUUID": str(uuid.uuid4()), "upscaleFactor": 2})["data"][0]
    again = {**task, "taskUUID": str(uuid.uuid4()), "inputImage": first["imageUUID"], "upscaleFactor": 2}
    second = server.run(again)["data"][0]
    assert second["inputImageUUID"] == first["imageUUID"]
    check_file(Path(unquote(urlsplit(second["imageURL"]).path)).read_bytes(), "jpg", "32x24")
