"""The image store under kill -9: a reader never sees part of an image, and no part ever has an image's name."""

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

# Forks a writer for each line it is sent, from a process without threads, as starting Python each time would take
# longer than the test. An image is its own content's digest and 2 MB of that content: any part of it is found out.
NURSERY = textwrap.dedent("""
    import hashlib, os, sys
    from tilewright.store.image_store import ImageStore

    store = ImageStore(sys.argv[1])
    content = os.urandom(2_000_000)

    def write_for_ever():
        before = None
        while True:
            image_uuid = store.put(hashlib.sha256(content).digest() + content, "png")
            if before:
                store.delete(before)  # the disk is finite
            before = image_uuid

    for line in sys.stdin:
        if (writer := os.fork()) == 0:
            write_for_ever()
        print(writer, flush=True)
        os.waitpid(writer, 0)
        print("gone", flush=True)
""")


def read_all(store):
    """Reads every image there is, and returns how many were read; fails on one that is not whole."""
    count = 0
    for path in Path(store.location).glob("[!.]*"):
        # Between the listing and the reading the writer may delete it.
        with contextlib.suppress(SourceError):
            image = store.get(path.stem)
            assert hashlib.sha256(image[32:]).digest() == image[:32], f"{path} is not whole: {len(image)} bytes"
            count += 1
    return count


@pytest.mark.parametrize("kills", [20, pytest.param(50, marks=pytest.mark.slow)])
def test_a_writer_killed_at_any_moment_leaves_no_part_under_a_final_name(tmp_path, kills):
    store = ImageStore(str(tmp_path / "images"))
    Path(store.location).mkdir()
    moments = random.Random(kills)
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, store.location], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        seen = 0
        for _ in range(kills):
            nursery.stdin.write("\n")
            nursery.stdin.flush()
            writer = int(nursery.stdout.readline())
            try:
                # Past its first image, so that each round has one to read; then at any moment of the next ones.
                patience = time.monotonic() + 60
                while not list(Path(store.location).glob("[!.]*")):
                    assert time.monotonic() < patience, "the writer writes nothing"
                    time.sleep(0.001)
                end = time.monotonic() + moments.uniform(0, 0.06)
                while time.monotonic() < end:
                    seen += read_all(store)
            finally:
                os.kill(writer, 9)
            assert nursery.stdout.readline() == "gone\n"
            seen += read_all(store)
            for path in Path(store.location).glob("[!.]*"):
                path.unlink()
        nursery.stdin.close()
    assert seen >= kills // 2
    left_over = list(Path(store.location).iterdir())
    assert left_over, "no writer was killed while it wrote: the test has shown nothing"
    assert all(path.suffix == ".partial" for path in left_over)

    store.expire()
    assert len(list(Path(store.location).iterdir())) == len(left_over)
    for path in left_over:
        os.utime(path, (time.time() - 3700, time.time() - 3700))
    store.expire()
    assert list(Path(store.location).iterdir()) == []
