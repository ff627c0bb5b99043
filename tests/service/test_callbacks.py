"""Outcomes of tasks, sent to servers on loopback that the tasks name."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import time
import weakref
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

import tilewright
from support.http_server import serving
from support.tasks import asynchronous, held_places, new_tasks, poll_of, upload_of, wait_for_outcome
from tilewright import Settings, Upscaler, schema
from tilewright.errors import StoreError
from tilewright.service.callbacks import Callbacks
from tilewright.testing import make_picture


@pytest.fixture
def upscaler(server, tmp_path):
    """An Upscaler that sends to `server` only, without pauses."""
    settings = replace(Settings.from_environment(), send_results="public")
    upscaler = Upscaler(settings=settings, device="cpu", store=tmp_path)
    allow_only(upscaler, server)
    yield upscaler
    upscaler.close()


def allow_only(upscaler, *servers):
    allow = tuple(server.authority for server in servers)
    upscaler._runner._callbacks = Callbacks(upscaler._runner._handler, allow=allow, pauses=(0, 0, 0))


def sent(upscaler):
    """Waits until nothing is left to be sent."""
    upscaler._runner._callbacks._deliveries.wait(60)


def contents(server):
    """Returns the content of each request for each path."""
    by_path = {}
    for _, path, _, content in server.received:
        by_path.setdefault(path, []).append(content)
    return by_path


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("output_type", ["URL", "base64Data", ["URL", "dataURI"]])
@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_webhook_gets_what_the_caller_gets(upscaler, server, output_type, delivery):
    server.reply("/hook?key=1")
    url = server.url("/hook?key=1")
    [task] = new_tasks(1)
    task |= {"outputType": output_type, "webhookURL": url, "includeCost": True, "deliveryMethod": delivery}
    response = upscaler.run(task)
    if delivery == "async":
        response = wait_for_outcome(upscaler, task)
        assert response["data"][0].pop("status") == "success"
    sent(upscaler)
    [(method, path, media_type, content)] = server.received
    assert (method, path, media_type) == ("POST", "/hook?key=1", "application/json")
    assert json.loads(content) == response
    assert list(json.loads(content)["data"][0]) == list(response["data"][0])


@pytest.mark.parametrize(("file_format", "media_type"), [("PNG", "image/png"), ("JPG", "image/jpeg")])
def test_upload_endpoint_gets_the_file(upscaler, server, file_format, media_type):
    server.reply("/put")
    [task] = new_tasks(1)
    task |= {"uploadEndpoint": server.url("/put"), "outputFormat": file_format}
    [item] = upscaler.run(task)["data"]
    sent(upscaler)
    assert server.received == [("PUT", "/put", media_type, base64.b64decode(item["imageBase64Data"]))]


@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_webhook_gets_the_errors_of_a_failed_task(upscaler, server, delivery):
    server.reply("/hook")
    [task] = new_tasks(1)
    task |= {"inputImage": b"no picture", "webhookURL": server.url("/hook"), "uploadEndpoint": server.url("/put")}
    response = upscaler.run({**task, "deliveryMethod": delivery})
    if delivery == "async":
        response = wait_for_outcome(upscaler, task)
        assert response["errors"][0].pop("status") == "error"
    sent(upscaler)
    [(method, path, _, content)] = server.received
    assert (method, path) == ("POST", "/hook")
    told = json.loads(content)
    Draft202012Validator(schema.load("envelope")).validate(told)
    assert told == response
    assert [item["code"] for item in told["errors"]] == ["invalidInputImage"]


def test_advice_for_python_is_not_sent_and_stays_with_the_caller(upscaler, server):
    server.reply("/hook")
    task = asynchronous(tilewright.new_task("VGVzdA==", 2, webhookURL=server.url("/hook")))
    upscaler.run(task)
    [item] = wait_for_outcome(upscaler, task)["errors"]
    sent(upscaler)
    assert "in Python" in item["message"]
    [told] = json.loads(server.received[0][3])["errors"]
    assert item["message"].startswith(told["message"])
    assert "in Python" not in told["message"]


def test_invalid_tasks_are_not_told(upscaler, server):
    server.reply("/hook")
    [task] = new_tasks(1)
    assert "errors" in upscaler.run({**task, "upscaleFactor": 7, "webhookURL": server.url("/hook")})
    sent(upscaler)
    assert server.received == []


def test_every_task_of_a_call_and_of_a_stream_is_told(upscaler, server):
    server.reply("/hook")
    tasks = [{**task, "webhookURL": server.url("/hook")} for task in new_tasks(8)]
    response = upscaler.run(tasks[:4])

    async def stream():
        return [envelope["data"][0] async for envelope in upscaler.astream(tasks[4:])]

    items = response["data"] + asyncio.run(stream())
    sent(upscaler)
    told = [json.loads(content)["data"][0] for content in contents(server)["/hook"]]
    by_uuid = {item["taskUUID"]: item for item in items}
    assert {item["taskUUID"]: item for item in told} == by_uuid
    assert len(told) == 8


def test_content_is_sent_again_until_it_is_accepted(upscaler, server, caplog):
    for path in ("/hook", "/put"):
        server.reply(path, status=202)
        server.fail_first(path, 500, 302, 404, Location="/elsewhere")
    [task] = new_tasks(1)
    upscaler.run({**task, "webhookURL": server.url("/hook"), "uploadEndpoint": server.url("/put")})
    sent(upscaler)
    assert {path: len(got) for path, got in contents(server).items()} == {"/hook": 4, "/put": 4}
    assert [len(set(got)) for got in contents(server).values()] == [1, 1]
    assert warnings(caplog) == []


def test_one_warning_without_secrets_says_what_was_given_up(upscaler, server, caplog):
    server.reply("/secret-path/hook?token=hunter2", status=500)
    [task] = new_tasks(1)
    response = upscaler.run({**task, "webhookURL": server.url("/secret-path/hook?token=hunter2#part")})
    assert "errors" not in response
    sent(upscaler)
    assert len(server.received) == 4
    assert warnings(caplog) == [
        f"the outcome of task {task['taskUUID']} was not sent to http://{server.authority}: "
        "the server answers 500 Internal Server Error (4 attempts)"
    ]
    assert not any(word in caplog.text for word in ("hunter2", "secret-path"))


def test_host_with_a_private_address_is_not_connected_to(upscaler, names, connections, caplog):
    names["internal.test"] = [["10.0.0.1"]]
    [task] = new_tasks(1)
    response = upscaler.run({**task, "uploadEndpoint": "https://internal.test/put"})
    assert "errors" not in response
    sent(upscaler)
    assert connections == []
    assert warnings(caplog) == [
        f"the result of task {task['taskUUID']} was not sent to https://internal.test:443: "
        "its host has an address that is not on the public internet (1 attempt)"
    ]


def test_slow_receiver_delays_neither_answers_nor_others(upscaler, server):
    with serving() as other:
        allow_only(upscaler, server, other)
        held = server.hold("/slow")
        server.reply("/slow")
        other.reply("/fast")
        slow = [{**task, "webhookURL": server.url("/slow")} for task in new_tasks(6)]
        assert len(upscaler.run(slow)["data"]) == 6
        [task] = new_tasks(1)
        assert "errors" not in upscaler.run({**task, "webhookURL": other.url("/fast")})
        deadline = time.monotonic() + 60
        while not other.received and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(other.received) == 1
        assert len(server.received) <= 2
        held.set()
        sent(upscaler)
        assert len(server.received) == 6


@pytest.fixture
def held_deliveries(upscaler, monkeypatch):
    """The deliveries that would begin; `release` begins them."""
    deliveries = upscaler._runner._callbacks._deliveries
    queued, add = [], deliveries.add
    monkeypatch.setattr(deliveries, "add", queued.append)

    def release():
        for delivery in queued:
            add(delivery)
        sent(upscaler)

    return release


@pytest.mark.parametrize("output_type", ["URL", "base64Data"])
def test_result_that_was_removed_meanwhile(upscaler, server, held_deliveries, caplog, output_type):
    server.reply("/hook")
    [task] = new_tasks(1)
    urls = {"webhookURL": server.url("/hook"), "uploadEndpoint": server.url("/put")}
    [item] = upscaler.run({**task, **urls, "outputType": output_type})["data"]
    upscaler.store.delete(item["imageUUID"])
    held_deliveries()
    [(method, _, _, content)] = server.received
    [error] = json.loads(content)["errors"]
    assert (method, error["code"], error["taskUUID"]) == ("POST", "internalServerError", task["taskUUID"])
    assert "removed before it was sent" in error["message"]
    [warning] = warnings(caplog)
    assert warning.startswith(f"the result of task {task['taskUUID']} was not sent to http://{server.authority}: ")
    assert "there is no image" in warning


def test_store_that_fails_for_a_moment_is_asked_again(upscaler, server, held_deliveries, monkeypatch, caplog):
    server.reply("/hook")
    server.reply("/put")
    [task] = new_tasks(1)
    upscaler.run({**task, "webhookURL": server.url("/hook"), "uploadEndpoint": server.url("/put")})
    get, failures = upscaler.store.get, [1, 1]

    def fail_first(image_uuid):
        if failures:
            failures.pop()
            raise StoreError("the store cannot be read")
        return get(image_uuid)

    monkeypatch.setattr(upscaler.store, "get", fail_first)
    held_deliveries()
    assert {path: len(got) for path, got in contents(server).items()} == {"/hook": 1, "/put": 1}
    assert warnings(caplog) == []


@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_queued_deliveries_hold_no_picture(upscaler, server, monkeypatch, delivery):
    queued = []
    monkeypatch.setattr(upscaler._runner._callbacks._deliveries, "add", queued.append)
    picture = make_picture(12, 12)
    reference = weakref.ref(picture)
    urls = {"webhookURL": server.url("/hook"), "uploadEndpoint": server.url("/put")}
    upscaler.run(tilewright.new_task(picture, 2, deliveryMethod=delivery, **urls))
    upscaler.close()
    del picture
    gc.collect()
    assert len(queued) == 2
    assert reference() is None


def test_closing_waits_until_outcomes_are_sent(upscaler, server):
    server.reply("/hook")
    server.fail_first("/hook", 500, 500)
    with upscaler:
        upscaler.run([asynchronous(task, webhookURL=server.url("/hook")) for task in new_tasks(4)])
    assert len(server.received) == 6


def test_cancelled_async_tasks_are_told(upscaler, server):
    server.reply("/hook")
    [task] = new_tasks(1)
    with held_places(upscaler):
        upscaler.run(asynchronous(task, webhookURL=server.url("/hook")))
        upscaler._runner.stop()
    sent(upscaler)
    assert "cancelled" in json.loads(server.received[0][3])["errors"][0]["message"]


@pytest.mark.parametrize("field", ["webhookURL", "uploadEndpoint"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ftp://example.com/a", "only http and https"),
        ("example.com/hook", "only http and https"),
        ("https://", "no valid host"),
        ("https://user:hunter2@example.com/", "user name or password"),
        ("https://example.com:22/", "port 22 is not one of"),
        ("http://127.0.0.1/", "not on the public internet"),
        ("http://[::1]:8080/", "not on the public internet"),
        ("http://169.254.169.254/latest", "not on the public internet"),
        ("https://example.com/\n", "control characters"),
        ("https://example.com/" + "hunter2" * 2000, "more than 8192"),
        ("", "non-empty text"),
        (5, "non-empty text"),
        (["https://example.com"], "non-empty text"),
    ],
)
def test_bad_url_is_a_fault_that_names_the_parameter(upscaler, field, value, reason):
    [task] = new_tasks(1)
    [error] = upscaler.run({**task, field: value})["errors"]
    assert (error["code"], error["parameter"]) == (f"invalid{field[0].upper()}{field[1:]}", field)
    assert error["message"].startswith(field)
    assert reason in error["message"]
    assert "hunter2" not in error["message"]


def test_field_that_is_none_counts_as_absent(upscaler, caplog):
    [task] = new_tasks(1)
    assert "errors" not in upscaler.run({**task, "webhookURL": None, "uploadEndpoint": None})
    assert warnings(caplog) == []


def test_other_types_of_tasks_ignore_the_fields(upscaler, server, caplog):
    [task] = new_tasks(1)
    upload = upload_of(task["inputImage"])
    assert "errors" not in upscaler.run({**upload, "webhookURL": server.url("/hook"), "uploadEndpoint": 5})
    upscaler.run({**poll_of(task), "webhookURL": "ftp://example.com"})
    sent(upscaler)
    assert server.received == []
    assert warnings(caplog) == [
        f"task {upload['taskUUID']}: ignored fields: webhookURL, uploadEndpoint",
        f"task {task['taskUUID']}: ignored fields: webhookURL",
    ]


@pytest.mark.parametrize("value", ["http://127.0.0.1:1/", "ftp://x", 5])
def test_fields_are_ignored_by_default(server, tmp_path, caplog, value):
    upscaler = Upscaler(device="cpu", store=tmp_path)
    [task] = new_tasks(1)
    response = upscaler.run({**task, "webhookURL": value, "uploadEndpoint": server.url("/put")})
    assert "errors" not in response
    sent(upscaler)
    assert server.seen == []
    assert warnings(caplog) == [f"task {task['taskUUID']}: ignored fields: webhookURL, uploadEndpoint"]


def test_misspelt_field_is_named_where_results_are_sent(upscaler):
    [task] = new_tasks(1)
    [error] = upscaler.run({**task, "webhookUrl": "https://example.com"})["errors"]
    assert (error["code"], error["parameter"]) == ("unknownParameter", "webhookUrl")
    assert "webhookURL" in error["message"]
