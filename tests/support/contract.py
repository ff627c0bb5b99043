"""The test cases of the wire format, for every way in which tasks can be sent: see ``contract/README.md``."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import time
import urllib.request
import uuid
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from support.paths import TESTS
from tilewright import Settings, schema
from tilewright.testing import make_picture

CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in (TESTS / "contract").glob("*.json")}
TASK, ENVELOPE = (Draft202012Validator(schema.load(name)) for name in ("task", "envelope"))
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}


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


def contract_settings():
    """Returns the settings that the cases assume."""
    # Only the cache comes from the environment: with URLs enabled there, the tests would fetch some.
    cache_dir = os.environ["TILEWRIGHT_CACHE_DIR"]
    limits = {"MAX_INPUT_PIXELS": "10000", "MAX_OUTPUT_PIXELS": "80000", "MAX_TASKS": "100"}
    limits = {f"TILEWRIGHT_{name}": value for name, value in limits.items()}
    return Settings.from_environment({"TILEWRIGHT_CACHE_DIR": cache_dir, **limits})


def check_case(case, server, upscaler, monkeypatch, *, for_python=True):
    """Sends the tasks of a case and compares the answers.

    Args:
        case: The case.
        server: Has a method ``run``, which answers tasks, and ``upload``.
        upscaler: The Upscaler behind it.
        monkeypatch: Pytest's.
        for_python: Whether messages have advice for Python programs. Over a socket they have none.
    """
    set_classifier(upscaler, case.get("server"), monkeypatch)
    filler = PlaceholderFiller(server)
    if not for_python:
        case = json.loads(json.dumps(case).replace('{"$contains": ["pathlib.Path"]}', '"$text"'))
    request = filler.fill(case["request"])
    expected_validity = case.get("valid", "errors" not in case["expect"])
    if expected_validity is not None:
        assert TASK.is_valid(request) == expected_validity, "the schema must agree"
    check_response(server.run(request), request, case["expect"], filler)
    for step in case.get("then", ()):
        request = filler.fill(step["request"])
        check_response(run_until_finished(server, request), request, step["expect"], filler)


def set_classifier(server, classifier, monkeypatch):
    """Installs a fake NSFW classifier or hides an installed one; None changes nothing."""
    if classifier is not None:
        problem = {"classifier": None, "no classifier": "no classifier is installed; install one"}[classifier]
        monkeypatch.setattr("tilewright.service.runner.nsfw_problem", lambda: problem)
        monkeypatch.setattr(server._classifier, "is_nsfw", lambda _: False)


def check_response(response, request, expected, filler):
    envelope = json.loads(json.dumps(response))
    assert not list(ENVELOPE.iter_errors(envelope)), "the schema of envelopes must be satisfied"
    Expectation(request, filler.stored_uuid).check(envelope, expected, "envelope")


def run_until_finished(server, request):
    deadline = time.monotonic() + 60
    while True:
        response = server.run(request)
        if not any(item.get("status") == "processing" for item in response["data"]):
            return response
        assert time.monotonic() < deadline, "still processing"
        time.sleep(0.01)


class PlaceholderFiller:
    """Replaces the placeholders of requests.

    Attributes:
        stored_uuid: UUID of the picture that a placeholder uploaded; None if there is none.
    """

    def __init__(self, server):
        self.server = server
        self.stored_uuid = None

    def fill(self, value):
        if isinstance(value, str):
            return self._fill_text(value)
        if isinstance(value, list):
            return [self.fill(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"$join": parts}:
                return "".join(self.fill(part) for part in parts)
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
        return {key: self.fill(entry) for key, entry in value.items()}

    def _fill_text(self, text):
        match = re.fullmatch(r"\$(picture|dataURI|stored|STORED):([\w-]+):(\d+)x(\d+)", text)
        if match is None:
            assert not text.startswith("$"), f"unknown placeholder: {text}"
            return text
        data = picture_file(match[2], int(match[3]), int(match[4]))
        encoded = base64.b64encode(data).decode()
        if match[1] == "picture":
            return encoded
        if match[1] == "dataURI":
            return f"data:{MEDIA_TYPES.get(match[2], f'image/{match[2]}')};base64,{encoded}"
        self.stored_uuid = self.stored_uuid or self.server.upload(data)["data"][0]["imageUUID"]
        return self.stored_uuid.upper() if match[1].isupper() else self.stored_uuid


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
    """Compares an envelope with the expectation of a case, which may contain placeholders."""

    def __init__(self, request, stored_uuid):
        self.tasks = request if isinstance(request, list) else [request]
        self.stored_uuid = stored_uuid

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
            self._check_placeholder(found, key, *expected[1:].split(":"))
        else:
            assert type(found) is type(expected)
            assert found == expected, key

    def _check_placeholder(self, found, key, name, *arguments):
        match name:
            case "echo":
                # Compared outside of the assertion, whose report would be slow for a string of a million characters.
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
                assert found == self.stored_uuid, key
            case "uuid4":
                assert (str(uuid.UUID(found)), uuid.UUID(found).version) == (found, 4)
            case "boolean":
                assert isinstance(found, bool), key
            case "url":
                check_file(read_url(found), *arguments)
                assert found.endswith(f".{arguments[0]}")
            case "base64":
                check_file(base64.b64decode(found, validate=True), *arguments)
            case "dataURI":
                head, _, encoded = found.partition(",")
                assert head == f"data:{MEDIA_TYPES[arguments[0]]};base64"
                check_file(base64.b64decode(encoded, validate=True), *arguments)
            case _:
                raise ValueError(f"unknown placeholder: ${name}")


def read_url(url):
    """Returns the content at a ``file`` or ``http`` URL."""
    if url.startswith("http"):
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.read()
    return Path(unquote(urlsplit(url).path)).read_bytes()


def check_file(data, file_format, size):
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, f"{image.width}x{image.height}") == (
            {"jpg": "JPEG"}.get(file_format, file_format.upper()),
            size,
        )
