"""The image store under kill -9: readers never see an incomplete image."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tilewright.errors import SourceError
from tilewright.store.image_store import ImageStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")

# Forks a writer for each line on stdin, from a process without threads: starting Python each time
# would take longer than the test. An image is a digest and the 2 MB that it digests, so an
# incomplete one is detected.
WRITERS = textwrap.dedent("""
    import hashlib, os, sys
    from tilewright.store.image_store import ImageStore

    store = ImageStore(sys.argv[1])
    content = os.urandom(2_000_000)

    def write_forever():
        before = None
        while True:
            image_uuid = store.put(hashlib.sha256(content).digest() + content, "png")
            if before:
                store.delete(before)  # to limit disk use
            before = image_uuid

    for line in sys.stdin:
        if (writer := os.fork()) == 0:
            write_forever()
        print(writer, flush=True)
        os.waitpid(writer, 0)
        print("gone", flush=True)
""")


def read_all(store):
    """Reads all images and returns how many; fails if one is incomplete."""
    count = 0
    for path in Path(store.location).glob("[!.]*"):
        # The writer may delete it between listing and reading.
        with contextlib.suppress(SourceError):
            image = store.get(path.stem)
            assert hashlib.sha256(image[32:]).digest() == image[:32], f"{path} is incomplete: {len(image)} bytes"
            count += 1
    return count


@pytest.mark.parametrize("kills", [20, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_writer_leaves_no_incomplete_image(tmp_path, kills):
    store = ImageStore(str(tmp_path / "images"))
    Path(store.location).mkdir()
    moments = random.Random(kills)
    with subprocess.Popen(
        [sys.executable, "-c", WRITERS, store.location], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writers:
        seen = 0
        for _ in range(kills):
            writers.stdin.write("\n")
            writers.stdin.flush()
            writer = int(writers.stdout.readline())
            try:
                # Wait for the first image, so that each round reads one, then for a random time.
                deadline = time.monotonic() + 60
                while not list(Path(store.location).glob("[!.]*")):
                    assert time.monotonic() < deadline, "the writer writes nothing"
                    time.sleep(0.001)
                end = time.monotonic() + moments.uniform(0, 0.06)
                while time.monotonic() < end:
                    seen += read_all(store)
            finally:
                os.kill(writer, 9)
            assert writers.stdout.readline() == "gone\n"
            seen += read_all(store)
            for path in Path(store.location).glob("[!.]*"):
                path.unlink()
        writers.stdin.close()
    assert seen >= kills // 2
    partial = list(Path(store.location).iterdir())
    assert partial, "no writer was killed while writing, so the test proves nothing"
    assert all(path.suffix == ".partial" for path in partial)

    store.expire()
    assert len(list(Path(store.location).iterdir())) == len(partial)
    for path in partial:
        os.utime(path, (time.time() - 3700, time.time() - 3700))
    store.expire()
    assert list(Path(store.location).iterdir()) == []
