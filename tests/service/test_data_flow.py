"""The path of one task through the package, as docs/architecture.md writes it down."""

from __future__ import annotations

import io
import re
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

import tilewright
from support.paths import DOCS
from tilewright.testing import make_picture

PACKAGE = f"{Path(tilewright.__file__).parent}/"

# The second column of the table of steps: the file that each step enters.
FLOW = re.findall(r"^\| \d+ \| `([\w/]+\.py)` \|", (DOCS / "architecture.md").read_text("utf-8"), re.MULTILINE)


# What a stream enters in their place.
TILES, STREAM, PLANNER = "engine/host/tile_loop.py", "engine/host/stream_loop.py", "engine/planner.py"


class Trace:
    """Records which files of the package are entered, and whether one is entered from itself through others.

    Attributes:
        entered: Files in the order in which they are entered first.
        rings: Call stacks, as files, that have one file twice.
    """

    def __init__(self):
        self.entered, self.rings = [], set()

    def __enter__(self):
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame, event, _argument):
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(PACKAGE):
            return
        if path not in self.entered:
            self.entered.append(path)
        stack = []
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(PACKAGE) and (not stack or stack[-1] != path):
                stack.append(path)
            frame = frame.f_back
        if len(set(stack)) < len(stack):
            self.rings.add(tuple(path.removeprefix(PACKAGE) for path in reversed(stack)))


@pytest.fixture(params=["tiles", "stream"])
def task(request, upscaler_for):
    """A task of a stored picture whose network is open, with the files that it should enter."""
    with io.BytesIO() as file:
        Image.fromarray(make_picture(40, 50, 4)).save(file, "PNG")
        data = file.getvalue()
    is_stream = request.param == "stream"
    upscaler = upscaler_for(device="cpu", runtime="native" if is_stream else "onnxruntime")
    upscaler.session(factor=2)
    stored = upscaler.upload(data)["data"][0]["imageUUID"]
    flow = [STREAM if is_stream and path == TILES else path for path in FLOW if not is_stream or path != PLANNER]
    return upscaler, tilewright.new_task(stored, 2, outputFormat="PNG"), flow


def test_a_task_enters_the_files_in_the_documented_order(task):
    upscaler, request, flow = task
    with Trace() as trace:
        response = upscaler.upscale(request)
    tilewright.raise_for_errors(response)
    entered = [path.removeprefix(PACKAGE) for path in trace.entered]
    assert len(flow) == len(set(flow))
    assert [path for path in entered if path in flow] == flow


def test_no_file_is_entered_again_while_it_waits_for_another(task):
    upscaler, request, _ = task
    with Trace() as trace:
        response = upscaler.upscale(request)
    tilewright.raise_for_errors(response)
    assert trace.rings == set()
    assert len(trace.entered) > 20
