"""Outcomes that are not sent yet when their process ends or forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.http_server import serving

PROGRAM = """
import os, sys, threading
from dataclasses import replace
import tilewright
from tilewright import Settings, Upscaler
from tilewright.service.callbacks import Callbacks
from tilewright.testing import FakeSession, make_picture

url, store, pause = sys.argv[1:4]
settings = replace(Settings.from_environment(), send_results="public")
upscaler = Upscaler(settings=settings, device="cpu", store=store)
upscaler._networks.session = lambda *_: FakeSession()
allow = (url.split("/")[2],)
upscaler._runner._callbacks = Callbacks(upscaler._runner._handler, allow=allow, pauses=(float(pause),))

def new_task(**fields):
    return tilewright.new_task(make_picture(8, 8), 2, webhookURL=url, **fields)
"""


def run(script, *arguments):
    """Runs a program and returns its result; it must end by itself."""
    command = [sys.executable, "-c", PROGRAM + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.mark.parametrize("delivery", ["sync", "async"])
def test_process_sends_outcomes_before_it_exits(server, tmp_path, delivery):
    server.reply("/hook")
    server.fail_first("/hook", 500)
    script = f"assert 'errors' not in upscaler.run([new_task(deliveryMethod={delivery!r}) for _ in range(3)])"
    assert run(script, server.url("/hook"), tmp_path, 0.1).stderr == ""
    assert len(server.received) == 4


def test_process_gives_up_what_a_long_pause_delays(server, tmp_path):
    server.reply("/hook", status=500)
    result = run("upscaler.run(new_task())", server.url("/hook"), tmp_path, 3600)
    assert len(server.received) == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith(f" was not sent to http://{server.authority}: the program is ending\n")


def test_process_does_not_wait_for_ever_for_a_receiver(server, tmp_path):
    server.hold("/hook")
    server.reply("/hook")
    script = "from tilewright.service import deliveries; deliveries._PATIENCE = 0.2; upscaler.run(new_task())"
    result = run(script, server.url("/hook"), tmp_path, 0)
    assert result.stderr.endswith(": the program is ending (1 attempt)\n")
    server.hold("/hook").set()


THREADS_REFUSED_AT_EXIT = """
ending = threading.Event()
upscale_picture = upscaler._pictures.upscale_picture

def upscale_when_ending(*arguments, **options):
    ending.wait()
    return upscale_picture(*arguments, **options)

start = threading.Thread.start

def start_unless_sending(thread):
    if thread.name in ("tilewright-send", "tilewright-resolve"):
        raise RuntimeError("can't create new thread at interpreter shutdown")
    start(thread)

def begin_to_end():  # runs before the other hooks
    threading.Thread.start = start_unless_sending
    ending.set()

upscaler._pictures.upscale_picture = upscale_when_ending
upscaler.run(new_task(deliveryMethod="async"))
threading._register_atexit(begin_to_end)
"""


def test_outcome_of_a_task_that_ends_with_the_process_is_sent_without_new_threads(server, tmp_path):
    """Since Python 3.12 none can be started then."""
    server.reply("/hook")
    assert run(THREADS_REFUSED_AT_EXIT, server.url("/hook"), tmp_path, 0).stderr == ""
    assert len(server.received) == 1


FORK = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
upscaler.run(new_task())
if (child := os.fork()) == 0:
    upscaler._runner._callbacks.wait()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_child_does_not_send_what_its_parent_sends(server, tmp_path):
    server.fail_first("/hook", 500)
    server.reply("/hook")
    assert run(FORK, server.url("/hook"), tmp_path, 1).stderr == ""
    contents = [json.loads(content) for _, _, _, content in server.received]
    assert len(contents) == 2
    assert contents[0] == contents[1]
