"""What a server over sockets of this machine counts and logs about tasks."""

from __future__ import annotations

import json
import uuid

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from websockets.sync.client import connect

from support.running_server import running_server
from support.server_tasks import receive, send, task


def counted(server):
    status, headers, body = server.request("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    return body.decode().splitlines()


def logged(caplog):
    return [json.loads(each.getMessage()) for each in caplog.records if each.name == "tilewright.server"]


def test_tasks_are_counted_by_type_and_outcome(tmp_path):
    with running_server(tmp_path) as server:
        server.call([task(), task(upscaleFactor=9), {"taskType": "x" * 30, "taskUUID": str(uuid.uuid4())}])
        lines = counted(server)
    assert 'tilewright_tasks_total{outcome="ok",type="imageUpscale"} 1.0' in lines
    assert 'tilewright_tasks_total{outcome="unsupportedUpscaleFactor",type="imageUpscale"} 1.0' in lines
    assert 'tilewright_tasks_total{outcome="unsupportedTaskType",type="other"} 1.0' in lines
    assert 'tilewright_task_seconds_count{type="imageUpscale"} 2.0' in lines
    pixels = 8 * 6 / 1e6
    assert f'tilewright_megapixels_total{{of="input"}} {pixels}' in lines
    assert f'tilewright_megapixels_total{{of="result"}} {4 * pixels}' in lines
    [network] = [line for line in lines if line.startswith('tilewright_stage_seconds_total{stage="network"}')]
    assert float(network.rpartition(" ")[2]) > 0
    assert "tilewright_calls_waiting 0.0" in lines


def test_a_task_with_several_faults_is_one_task(tmp_path, caplog):
    with running_server(tmp_path) as server, caplog.at_level("INFO", "tilewright.server"):
        _, response = server.call([task(upscaleFactor=9, outputFormat="GIF", outputType=[])])
        assert len(response["errors"]) == 3
        lines = [line for line in counted(server) if line.startswith("tilewright_tasks_total")]
    assert [line.rpartition(" ")[2] for line in lines] == ["1.0"]
    assert len(logged(caplog)) == 1


def poll(accepted):
    return {"taskType": "getResponse", "taskUUID": accepted["taskUUID"]}


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_an_asynchronous_task_ends_once_however_often_it_is_asked_about(tmp_path, caplog, transport):
    good, bad = task(deliveryMethod="async"), task(deliveryMethod="async", inputImage="iVBORw0KGgo=")
    with running_server(tmp_path) as server, caplog.at_level("INFO", "tilewright.server"):
        if transport == "http":
            server.call([good, bad])
            server.upscaler._runner.wait()
            polls = [server.call([poll(good), poll(bad), poll(task())])[1] for _ in range(10)]
        else:
            with connect(server.ws) as ws:
                send(ws, good, bad)
                assert [receive(ws)["data"][0]["taskType"] for _ in range(2)] == ["imageUpscale"] * 2
                server.upscaler._runner.wait()
                send(ws, *[poll(each) for _ in range(10) for each in (good, bad, task())])
                polls = [receive(ws) for _ in range(30)]
        lines = counted(server)
    codes = {error["code"] for response in polls for error in response.get("errors", [])}
    assert codes == {"invalidInputImage", "taskNotFound"}
    assert {line for line in lines if line.startswith("tilewright_tasks_total")} == {
        'tilewright_tasks_total{outcome="accepted",type="imageUpscale"} 2.0',
        'tilewright_tasks_total{outcome="ok",type="imageUpscale"} 1.0',
        'tilewright_tasks_total{outcome="invalidInputImage",type="imageUpscale"} 1.0',
        'tilewright_tasks_total{outcome="ok",type="getResponse"} 20.0',
        'tilewright_tasks_total{outcome="taskNotFound",type="getResponse"} 10.0',
    }
    assert 'tilewright_task_seconds_count{type="imageUpscale"} 2.0' in lines
    assert "tilewright_async_tasks_unfinished 0.0" in lines
    upscales = [line for line in logged(caplog) if line["taskType"] == "imageUpscale"]
    outcomes = {sent["taskUUID"]: sorted(line["outcome"] for line in upscales if line["taskUUID"] == sent["taskUUID"])
                for sent in (good, bad)}  # fmt: skip
    assert outcomes == {good["taskUUID"]: ["accepted", "ok"], bad["taskUUID"]: ["accepted", "invalidInputImage"]}
    assert len(logged(caplog)) == 4 + 30
