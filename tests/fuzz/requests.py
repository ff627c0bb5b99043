"""Strategies for valid and invalid requests, and checks of the response to each."""

from __future__ import annotations

import base64
import io
import json
import time

import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from PIL import Image

from tilewright import schema
from tilewright.testing import make_picture

TASK, ENVELOPE = (Draft202012Validator(schema.load(name)) for name in ("task", "envelope"))
UUIDS = [
    "19abad0d-6ec5-40a6-b7af-203775fa5b7f",
    "19ABAD0D-6EC5-40A6-B7AF-203775FA5B7F",
    "5b0a3c1e-9d2f-4c77-8a41-6f1e0b7d2c93",
]
FIELDS = (
    *schema.load("task")["$defs"]["imageUpscale"]["properties"], "image", "targetMegapixels", "inputMedia", "foo",
)  # fmt: skip


def picture():
    buffer = io.BytesIO()
    Image.fromarray(make_picture(4, 4)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE = picture()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
plausible = st.sampled_from([
    None, True, False, 1, 2, 2.0, 3, 4, 5, 95, 1e300, "", "2", "URL", "dataURI", ["URL", "base64Data"], [], "PNG",
    "jpg", "webp", "GIF", "sync", "async", "auto", "no-such-network", "../../etc/passwd", "https://example.com/a.png",
    "data:", "data:image/png;base64,AAAA", PICTURE, PICTURE[:40], f"data:image/png;base64,{PICTURE}", *UUIDS,
    {"image": PICTURE}, {"image": None}, {}, {"video": "x"}, "imageUpscale", "upscale", "imageUpload", "getResponse",
])  # fmt: skip
valid_tasks = st.fixed_dictionaries(
    {
        "taskType": st.sampled_from(["imageUpscale", "upscale"]),
        "taskUUID": st.sampled_from(UUIDS),
        "inputImage": st.just(PICTURE),
        "upscaleFactor": st.sampled_from([2, 2.0]),
    },
    optional={
        "outputType": st.sampled_from(["URL", "base64Data", ["dataURI", "URL"]]),
        "outputFormat": st.sampled_from(["PNG", "jpg", "Webp"]),
        "outputQuality": st.integers(20, 99),
        "includeCost": st.booleans(),
        "deliveryMethod": st.sampled_from(["sync", "async"]),
        "settings": json_values,
    },
) | st.fixed_dictionaries(
    {"taskType": st.just("imageUpload"), "taskUUID": st.sampled_from(UUIDS), "image": st.just(PICTURE)}
)
polls = st.fixed_dictionaries({"taskType": st.just("getResponse"), "taskUUID": st.sampled_from(UUIDS)})
mutations = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=12), plausible | json_values, max_size=3)
deletions = st.sets(st.sampled_from(FIELDS), max_size=2)


@st.composite
def mutated_tasks(draw):
    task = {**draw(valid_tasks | polls), **draw(mutations)}
    for key in draw(deletions) if draw(st.booleans()) else ():
        task.pop(key, None)
    return task


requests = json_values | st.lists(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=10), json_values, max_size=6)
)


def respond(server, request):
    """Returns the envelope as JSON would transfer it, and all its items. Checks that there is no internal error."""
    envelope = json.loads(json.dumps(server.run(request)))
    assert not list(ENVELOPE.iter_errors(envelope))
    items = [*envelope["data"], *envelope.get("errors", [])]
    assert "internalServerError" not in [item.get("code") for item in items], "no request may cause an internal error"
    return envelope, items


def check_tasks(server, request):
    """Sends tasks, waits for asynchronous ones, and returns the envelope. Checks that every task is answered."""
    envelope, items = respond(server, request)
    for item in envelope["data"]:
        if "imageUUID" not in item:  # only acknowledged: its taskUUID is reserved until it is finished
            poll = {"taskType": "getResponse", "taskUUID": item["taskUUID"]}
            while "processing" in [polled.get("status") for polled in respond(server, poll)[1]]:
                time.sleep(0.001)
    tasks = request if isinstance(request, list) else [request]
    # Every taskUUID that was sent is answered, and no other.
    sent = {task["taskUUID"] for task in tasks if isinstance(task.get("taskUUID"), str)}
    assert {item["taskUUID"] for item in items if "taskUUID" in item} == sent
    assert len(envelope["data"]) <= len(tasks)
    assert len(items) >= len(tasks)
    if "errors" not in envelope:
        assert TASK.is_valid(request), "the schema must allow every request that succeeds"
    return envelope


def check_any(server, request):
    """Sends any value, and checks the envelope, or that a value that is not a task raises TypeError."""
    if all(isinstance(task, dict) for task in (request if isinstance(request, list) else [request])):
        check_tasks(server, request)
    else:
        with pytest.raises(TypeError, match="a task must be a mapping"):
            server.run(request)
