"""Memory that runs out: for single arrays, and for the whole process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from support.faults import task


class StarvedNumpy:
    """NumPy without memory for new arrays after some of them."""

    def __init__(self, allowed):
        self._allowed = allowed

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, *arguments):
        self._allowed -= 1
        if self._allowed < 0:
            raise MemoryError(f"Unable to allocate an array with shape {arguments[0]}")
        return np.empty(*arguments)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(
    ("module", "allowed", "file_format"),
    [
        ("picture_upscaler", 0, "JPG"),
        ("picture_upscaler", 0, "WEBP"),
        ("engine.host.executor", 0, "PNG"),
        ("engine.host.executor", 1, "WEBP"),
        ("engine.sinks", 0, "PNG"),
        ("codecs.png", 0, "PNG"),
        ("codecs.png", 1, "PNG"),
    ],
)
def test_an_array_that_cannot_be_allocated(upscaler, monkeypatch, module, allowed, file_format):
    upscaler.close()  # frees the buffers that are kept
    with monkeypatch.context() as patch:
        for _ in range(2):
            patch.setattr(f"tilewright.{module}.np", StarvedNumpy(allowed))
            [error] = upscaler.run(task(file_format))["errors"]
            assert error["code"] == "internalServerError"
            assert error["message"].startswith("out of memory: Unable to allocate an array")


# The large result takes 192 MB, the process may take 100 MB more.
LIMITED = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    import numpy as np
    import tilewright
    from tilewright import Upscaler
    from tilewright.testing import make_picture

    upscaler = Upscaler(device="cpu", tile=64, store=sys.argv[1])
    small = tilewright.new_task(make_picture(60, 60), 2, outputFormat=sys.argv[2])
    large = tilewright.new_task(np.zeros((2000, 2000, 3), np.uint8), 4, outputFormat=sys.argv[2])
    assert "errors" not in upscaler.run(small)
    files = len(list(Path(sys.argv[1]).iterdir()))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 100_000_000, resource.RLIM_INFINITY))
    [error] = upscaler.run(large)["errors"]
    print(error["code"], error["message"])
    assert len(list(Path(sys.argv[1]).iterdir())) == files
    assert "errors" not in upscaler.run(small)
""")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc/self/statm of Linux")
@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
def test_a_process_without_memory(tmp_path, file_format):
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), file_format], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("internalServerError out of memory: Unable to allocate"), ended.stdout
