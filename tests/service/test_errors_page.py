"""The errors page: it has every code, and its examples are what is really answered."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from support.paths import DOCS
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


def test_the_table_explains_every_code_and_no_other():
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(ERROR_CODES)


def test_there_is_an_example_of_every_code_and_no_other():
    assert set(EXAMPLES) == ERROR_CODES


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("tilewright.nsfw.nsfw_problem", lambda: NO_CLASSIFIER)
    monkeypatch.chdir(tmp_path)
    cache = {"TILEWRIGHT_CACHE_DIR": os.environ["TILEWRIGHT_CACHE_DIR"]}
    settings = Settings.from_environment({**cache, "TILEWRIGHT_MAX_OUTPUT_PIXELS": "80000"})
    return Upscaler(settings=settings, device="cpu", store=tmp_path / "store")


# What is said where it is not installed, on a machine that may have it.
NO_CLASSIFIER = EXAMPLES["unsupportedCheckNSFW"][1]["message"].removeprefix("checkNSFW: ")


@pytest.mark.parametrize("code", sorted(EXAMPLES))
def test_the_example_is_what_is_answered(code, server):
    sent, item = EXAMPLES[code]
    Draft202012Validator(schema.load("envelope")).validate({"data": [], "errors": [item]})
    if sent.startswith("`{"):
        request = {key: value for key, value in {**REQUEST, **json.loads(sent.strip("`"))}.items() if value is not None}
        reply = server.run(request)
    else:
        reply = IN_WORDS[code](server)
    assert item in reply["errors"]


def test_what_is_said_without_a_classifier(monkeypatch):
    from tilewright import nsfw

    monkeypatch.setattr(nsfw, "_weights", lambda: None)
    assert nsfw.nsfw_problem() == NO_CLASSIFIER


def a_folder(server):
    Path("holiday").mkdir()
    return server.run({**REQUEST, "inputImage": Path("holiday")})


def a_store_that_cannot_be(server):
    with Upscaler(settings=server.settings, device="cpu", store="/dev/null/images") as storeless:
        return storeless.run({**REQUEST, "inputImage": make_picture(4, 4)})


IN_WORDS = {
    "conflictTaskUUID": lambda server: server.run([REQUEST, {**REQUEST, "inputImage": make_picture(4, 4)}]),
    "failedToTransferImage": a_folder,
    "imageTooLarge": lambda server: server.run({**REQUEST, "inputImage": make_picture(51, 100), "upscaleFactor": 4}),
    "internalServerError": a_store_that_cannot_be,
}
