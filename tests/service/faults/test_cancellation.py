"""Tasks that are cancelled at every stage."""

from __future__ import annotations

import threading

import pytest

from support.faults import FORMATS, followed_by, task
from tilewright.errors import CancelledError
from tilewright.inputs.resolve import read_picture
from tilewright.picture_upscaler import PictureUpscaler
from tilewright.service.background import BackgroundTasks


def arrange(stage, stop, patch, at_tile, tiles):
    """Sets the event `stop` at a stage of the next task."""
    if stage == "waiting":
        stop.set()
    elif stage == "decoded":
        patch.setattr("tilewright.service.handler.read_picture", followed_by(read_picture, stop.set))
    elif stage == "encoded":
        patch.setattr(PictureUpscaler, "write", followed_by(PictureUpscaler.write, stop.set))
    else:
        at_tile(tiles[stage], stop.set)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("stage", ["waiting", "decoded", "first", "middle", "last", "encoded"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_synchronous_task_is_cancelled(upscaler, monkeypatch, at_tile, tiles, stage, file_format):
    stop = threading.Event()
    with monkeypatch.context() as patch:
        arrange(stage, stop, patch, at_tile, tiles)
        with pytest.raises(CancelledError, match="no result was stored"):
            upscaler._runner.run(task(file_format), upscales_only=True, stop=stop)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_an_asynchronous_task_is_cancelled(upscaler, monkeypatch, at_tile, tiles, place):
    at_the_tile, stopped = threading.Event(), threading.Event()

    def pause():
        at_the_tile.set()
        assert stopped.wait(timeout=60)

    wait = BackgroundTasks.wait

    def wait_for_stopped_tasks(tasks):
        stopped.set()  # `stop` waits after it has cancelled the tasks
        wait(tasks)

    at_tile(tiles[place], pause)
    request = task(deliveryMethod="async")
    upscaler.run(request)
    assert at_the_tile.wait(timeout=60)
    monkeypatch.setattr(BackgroundTasks, "wait", wait_for_stopped_tasks)
    upscaler._runner.stop()
    [error] = upscaler.run({"taskType": "getResponse", "taskUUID": request["taskUUID"]})["errors"]
    assert (error["code"], error["status"]) == ("internalServerError", "error")
    assert error["message"] == "cancelled before it was finished; no result was stored"
