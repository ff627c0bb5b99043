"""`examples/ray_batch.py` on Ray: workers and commands that are killed, damaged pictures, and full disks."""

from __future__ import annotations

import json
import signal
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from fleet.conftest import LOOPBACK, wait_until
from support.paths import ROOT
from tilewright import Settings, Upscaler, new_task, raise_for_errors
from tilewright.testing import make_picture

pytestmark = pytest.mark.fleet

SCRIPT = ROOT / "examples" / "ray_batch.py"
COUNT = 40

# Runs the example with a worker that fails at one picture.
FAILING = """
import os, signal, sys
import ray_batch
from ray import cloudpickle

class Failing(ray_batch.PictureWorker):
    def _upscale(self, source, result):
        if source == {name!r}:
            {failure}
        super()._upscale(source, result)

cloudpickle.register_pickle_by_value(ray_batch)
ray_batch.PictureWorker = Failing
sys.exit(ray_batch.main())
"""


def make_pictures(folder, count, side):
    """Writes pictures into two folders, and a damaged one."""
    for i in range(count):
        path = folder / ("deep/er" if i % 4 == 0 else "") / f"{i}.{'jpg' if i % 3 == 0 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_picture(side + i, side)).save(path)
    whole = (folder / "1.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[: len(whole) // 2])


def results_in(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def expected(folder):
    """Returns the results of all pictures that are not damaged, as an Upscaler in this process makes them."""
    pictures = {name: path for name, path in results_in(folder).items() if name != "damaged.png"}
    found = {}
    settings = Settings.from_environment()
    with Upscaler(settings=settings, device="cpu", store="memory://fleet") as upscaler:
        for name, path in pictures.items():
            envelope = upscaler.upscale(new_task(path, 2, outputFormat="PNG"))
            raise_for_errors(envelope)
            found[str(Path(name).with_suffix(".png"))] = upscaler.store.get(envelope["data"][0]["imageUUID"])
    return found


def lines(report):
    return [json.loads(line) for line in report.read_text().splitlines()]


def test_nothing_is_lost_and_nothing_is_done_twice(fleet, tmp_path, monkeypatch):
    """The first command is killed, a worker of the second one is killed, and the third one has nothing to do."""
    monkeypatch.setenv("TILEWRIGHT_RUNTIME", "native")
    pictures, results, report = tmp_path / "in", tmp_path / "out", tmp_path / "report.jsonl"
    make_pictures(pictures, COUNT, 200)
    command = (SCRIPT, pictures, results, "--factor", "2", "--report", report)

    first = fleet.start(*command)
    wait_until(lambda: results.exists() and len(results_in(results)) > 2)
    assert fleet.listening() <= LOOPBACK
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_until(lambda: not fleet.processes())
    kept = {name: path.stat() for name, path in results_in(results).items() if path.suffix == ".png"}
    assert 2 < len(kept) < COUNT

    report.unlink(missing_ok=True)
    second = fleet.start(*command)
    wait_until(lambda: len(results_in(results)) > len(kept) + 2)
    fleet.kill("ray::MapWorker")
    assert len(results_in(results)) < COUNT
    assert second.wait(120) == 1
    assert {name: (results / name).stat() for name in kept} == kept
    outcomes = lines(report)
    assert Counter(each["source"] for each in outcomes).most_common(1)[0][1] == 1
    assert len(outcomes) == COUNT + 1 - len(kept)
    [failed] = [each for each in outcomes if each["code"]]
    assert (failed["source"], failed["code"]) == ("damaged.png", "invalidInputImage")
    assert "cut short" in failed["reason"]
    found = {name: path for name, path in results_in(results).items() if path.suffix == ".png"}
    assert {name: path.read_bytes() for name, path in found.items()} == expected(pictures)

    before = {name: path.stat() for name, path in found.items()}
    assert fleet.run(*command) == 1
    assert [each["source"] for each in lines(report)[len(outcomes) :]] == ["damaged.png"]
    assert {name: path.stat() for name, path in results_in(results).items()} == before


@pytest.fixture
def few(tmp_path):
    make_pictures(tmp_path / "in", 8, 24)
    return tmp_path


def run_failing(fleet, folder, name, failure):
    """Runs the example with a worker that fails at one picture; returns its status and its report by picture."""
    code = textwrap.dedent(FAILING).format(name=name, failure=failure)
    report = folder / "report.jsonl"
    status = fleet.run("-c", code, folder / "in", folder / "out", "--factor", "2", "--report", report)
    return status, {each["source"]: each for each in lines(report)}


def test_picture_that_kills_every_worker_is_given_up(fleet, few):
    status, outcomes = run_failing(fleet, few, "5.png", "os.kill(os.getpid(), signal.SIGKILL)")
    assert status == 1
    assert {name: each["code"] for name, each in outcomes.items() if each["code"]} == {
        "5.png": "workerDied",
        "damaged.png": "invalidInputImage",
    }
    assert len(outcomes) == 9
    assert len(results_in(few / "out")) == 7


def test_full_disk_stops_the_command(fleet, few):
    status, outcomes = run_failing(fleet, few, "1.png", "raise OSError(28, os.strerror(28))")
    assert status == 1
    assert outcomes["1.png"]["code"] == "diskFull"
    assert list(outcomes)[-1] == "1.png"


def test_mistakes_are_told_before_anything_starts(fleet, few):
    assert fleet.run(SCRIPT, few / "in", few / "out", "--factor", "5") == 2
    assert fleet.run(SCRIPT, few / "in", few / "out", "--model", "unknown") == 2
    assert fleet.run(SCRIPT, few / "in", few / "out", "--cpus-per-worker", "0") == 2
    (few / "in" / "1.bmp").write_bytes(b"")
    assert fleet.run(SCRIPT, few / "in", few / "out") == 2
    assert fleet.run(SCRIPT, few / "in", few / "in" / "out") == 2
    assert not (few / "out").exists()
    assert [path.name for path in few.iterdir()] == ["in"]
