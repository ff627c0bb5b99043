"""Forked and spawned processes: a child never waits for what only its parent has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.processes import run_program, subprocess_environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# Prints what each child returns. A child that hangs is ended by a signal, which its status shows.
COMMON = """
import io, os, signal, sys, threading, warnings
warnings.simplefilter("ignore")  # Python warns of forks in a process with threads
import numpy as np
from PIL import Image
import tilewright
from tilewright import ImageStore, Upscaler
from tilewright.testing import FakeSession, make_picture

def in_child(work):
    if (child := os.fork()) == 0:
        signal.alarm(30)
        print(work())
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def encoded(file_format):
    file = io.BytesIO()
    Image.fromarray(make_picture(64, 64)).save(file, file_format)
    return file.getvalue()

def problem(envelope):
    return envelope.get("errors", [{"message": "done"}])[0]["message"]
"""


def output_of(program, *arguments):
    result = subprocess.run(
        [sys.executable, "-c", COMMON + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=subprocess_environment(),
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_child_of_a_process_that_has_decoded_gets_an_error(tmp_path):
    program = """
upscaler = Upscaler(device="cpu", store=sys.argv[1])
files = [encoded(name) for name in ("PNG", "JPEG", "WEBP", "GIF")]
upscaler.upload(files[0])
for file in files:
    print(in_child(lambda: problem(upscaler.upload(file))))
print(problem(upscaler.upload(files[1])))
"""
    *children, parent = output_of(program, tmp_path)
    assert parent == "done"
    assert children[1::2] == ["0"] * 4
    assert all("forked after the first picture" in text and "'spawn'" in text for text in children[::2])


@pytest.mark.parametrize("runtime", ["native", "openvino", "onnxruntime"])
def test_child_of_a_process_that_has_opened_a_network_gets_an_error(tmp_path, runtime):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    program = """
from dataclasses import replace
settings = replace(tilewright.Settings.from_environment(), runtime=sys.argv[2], threads=2)
upscaler = Upscaler(device="cpu", store=sys.argv[1], settings=settings)
upscaler.upscale_array(make_picture(16, 16), 2)

def upscale():
    try:
        return upscaler.upscale_array(make_picture(16, 16), 2).shape
    except tilewright.TilewrightError as error:
        return error

print(in_child(upscale))
print(upscale())
"""
    child, status, parent = output_of(program, tmp_path, runtime)
    assert "forked after the first network" in child
    assert (status, parent) == ("0", "(32, 32, 3)")


def test_child_of_a_process_whose_engine_has_no_threads_upscales(tmp_path):
    """Even if another thread of the parent was in the network when it forked: the child opens its own."""
    program = """
from dataclasses import replace
settings = replace(tilewright.Settings.from_environment(), runtime="native", threads=1)
upscaler = Upscaler(device="cpu", store=sys.argv[1], settings=settings)
expected = upscaler.upscale_array(make_picture(40, 40), 2)
entered, released = threading.Event(), threading.Event()

def wait(progress):
    if progress.done == 1:
        entered.set()
        released.wait()

session = upscaler.session(factor=2)
thread = threading.Thread(target=upscaler.upscale_array, args=(make_picture(40, 40), 2), kwargs={"on_progress": wait})
thread.start()
entered.wait()
print(in_child(lambda: (upscaler.upscale_array(make_picture(40, 40), 2) == expected).all()))
print(in_child(lambda: upscaler.session(factor=2) is session))
released.set()
thread.join()
"""
    assert output_of(program, tmp_path) == ["True", "0", "False", "0"]


def test_child_of_a_process_whose_engine_has_threads_ends():
    program = """
from tilewright._core import ConvNetwork
network = ConvNetwork(3, threads=3)
sys.stdout.flush()
if os.fork() == 0:
    signal.alarm(30)
    del network
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert output_of(program) == ["3"]


# One task for later is in the network, another waits for it, and other threads hold every lock.
BUSY = """
upscaler = Upscaler(device="cpu", store=sys.argv[1])
running, released = threading.Event(), threading.Event()

class WaitingSession(FakeSession):
    def run(self, batch, result=None):
        running.set()
        released.wait()
        return super().run(batch, result)

session = WaitingSession()
upscaler._networks.session = lambda *_: session
tasks = [tilewright.new_task(make_picture(20, 20), 2, outputFormat="PNG", deliveryMethod="async") for _ in range(2)]
upscaler.run(tasks)
running.wait()

def hold(*locks):
    for lock in locks:
        lock.acquire()
    held.release()
    released.wait()
    for lock in reversed(locks):
        lock.release()

held = threading.Semaphore(0)
runner = upscaler._runner
locks = [runner._reserved._lock, runner._background._lock, runner._places._pictures._lock, upscaler._networks._finding,
         upscaler._store._lock, runner._background._pool._lock, runner._outcomes.heartbeat._lock]
for lock in locks:
    threading.Thread(target=hold, args=[lock]).start()
    held.acquire()
"""


def test_child_does_not_wait_for_locks_and_tasks_of_its_parent(tmp_path):
    program = """
def work():
    released.set()
    task = {**tasks[0], "deliveryMethod": "sync", "outputType": "base64Data"}
    poll = {"taskType": "getResponse", "taskUUID": tasks[1]["taskUUID"]}
    before = upscaler.run(poll)["data"][0]["status"]
    results = [problem(upscaler.run(task)), problem(upscaler.run(tasks[1]))]
    upscaler.close()
    return [before, *results, upscaler.run(poll)["data"][0]["status"]]

print(in_child(work))
released.set()
upscaler.close()
print([upscaler.run({"taskType": "getResponse", "taskUUID": task["taskUUID"]})["data"][0]["status"] for task in tasks])
"""
    child, status, parent = output_of(BUSY + program, tmp_path)
    assert (status, parent) == ("0", "['success', 'success']")
    assert child == "['processing', 'done', 'done', 'success']"


@pytest.mark.parametrize("leave", ["sys.exit(7)", "multiprocessing"])
def test_child_ends_while_a_task_of_its_parent_is_in_flight(tmp_path, leave):
    program = """
if sys.argv[2] == "multiprocessing":
    import multiprocessing
    child = multiprocessing.get_context("fork").Process(target=sys.exit, args=[7])
    child.start()
    child.join(30)
    print(child.exitcode)
else:
    if (child := os.fork()) == 0:
        signal.alarm(30)
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
released.set()
"""
    assert output_of(BUSY + program, tmp_path, leave) == ["7"]


def test_each_process_opens_the_store_itself():
    program = """
store = ImageStore("memory://forks")
print(store._backend.get() is store._backend.get())
before = store._backend.get()
print(in_child(lambda: store._backend.get() is before))
"""
    assert output_of(program) == ["True", "False", "0"]


WORKERS = """
import multiprocessing
import sys
import tilewright
from tilewright.testing import make_picture

def work(number):
    task = tilewright.new_task(make_picture(12, 12), 2, outputType="base64Data", outputFormat="PNG")
    [item] = tilewright.run(task)["data"]
    return item["imageBase64Data"]

if __name__ == "__main__":
    tilewright.Upscaler()  # resolving the device loads a runtime
    tilewright.run({"taskType": "getResponse", "taskUUID": "not a UUID"})
    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
        results = pool.map(work, range(2))
    print(len(set(results)), len(results[0]) > 100)
"""


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_upscale_after_the_parent_has_made_an_upscaler(tmp_path, method):
    from tilewright.engine.sessions.cuda_check import cuda_problem

    if method == "fork" and cuda_problem() is None:
        pytest.skip("finding the device starts CUDA, which does not survive a fork")
    result = run_program(tmp_path / "workers.py", WORKERS, method)
    assert result.stdout == "1 True\n", result.stderr
