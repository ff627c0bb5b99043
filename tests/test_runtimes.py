"""Loading and opening third-party runtimes."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tilewright import runtimes


@pytest.mark.parametrize(
    ("given", "providers"),
    [({}, ["CPUExecutionProvider"]), ({"providers": [("CUDAExecutionProvider", {})]}, [("CUDAExecutionProvider", {})])],
)
def test_network_is_opened_on_the_requested_providers_only(monkeypatch, given, providers):
    """By default the runtime would fall back to other providers and only print that it did."""
    calls = []

    def session(*arguments, **options):
        calls.append((arguments, options))

    monkeypatch.setattr(runtimes, "import_runtime", lambda _: SimpleNamespace(InferenceSession=session))
    runtimes.open_onnx(b"network", "options", **given)
    assert calls == [((b"network", "options"), {"providers": providers, "enable_fallback": 0})]


FORKING_PROCESS = """
import os, sys, warnings
warnings.simplefilter("ignore")
from tilewright import Upscaler
from tilewright.errors import DeviceError
from tilewright.testing import make_picture
upscaler = Upscaler(device="cpu", store="memory://fork")
upscaler.upscale_array(make_picture(8, 8), 2)
child = os.fork()
if child == 0:
    refused = 0
    for use in (upscaler, None):
        try:
            (use or Upscaler(device="cpu")).upscale_array(make_picture(8, 8), 2)
        except DeviceError as error:
            refused += "forked" in str(error)
    os._exit(refused)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked_process_gets_an_error_instead_of_a_deadlock():
    command = [sys.executable, "-c", FORKING_PROCESS]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert result.stdout == "2\n", result.stderr
