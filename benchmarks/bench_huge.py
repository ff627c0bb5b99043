"""How much memory do large pictures take, from file to PNG file, and are the files right?

Each runs once, in a process of its own, because memory is a process's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from PIL import Image

import subject

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

WINDOWS = 12
WINDOW = 96


@pytest.mark.parametrize("side", [1024, 2048, 4096])
def bench_memory(benchmark: BenchmarkFixture, smoke: bool, side: int, tmp_path: Path, findings: list[str]) -> None:
    side = side // 8 if smoke else side
    pixels = subject.photo(side)
    source, target = tmp_path / "photo.jpg", tmp_path / "large.png"
    Image.fromarray(pixels).save(source, "JPEG", quality=90)
    del pixels
    command = [sys.executable, str(Path(__file__).with_name("enlarge_alone.py")), str(source), str(target)]
    benchmark.group = f"JPEG to PNG in a process of its own, {side} × {side} × {subject.FACTOR}"
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=1, iterations=1
    )
    found = json.loads(done.stdout)
    different, largest = compare(np.asarray(Image.open(source)), target, side)
    assert largest <= 1, f"windows differ by up to {largest} steps"
    benchmark.extra_info.update(
        label="memory",
        megapixels=side * side / 1e6,
        memory_above=found["above"],
        memory_loaded=found["loaded"],
        report=found["report"],
        file_bytes=target.stat().st_size,
        windows=WINDOWS,
        windows_samples_different=different,
        windows_largest_difference=largest,
    )
    findings.append(f"{benchmark.group}: {found['above'] / 2**20:.0f} MiB above the loaded runtime")


def compare(pixels: NDArray[np.uint8], target: Path, side: int) -> tuple[int, int]:
    """Windows of the file against those parts of the picture enlarged by themselves.

    Returns:
        How many samples differ, and by how much at most.
    """
    rng = np.random.default_rng(0)
    places = rng.integers(0, side - WINDOW, (WINDOWS, 2), endpoint=True)
    places[:2] = (0, 0), (side - WINDOW, side - WINDOW)
    image = pyvips.Image.new_from_file(str(target))
    assert (image.width, image.height, image.bands) == (side * subject.FACTOR, side * subject.FACTOR, 3)
    different = largest = 0
    with subject.opened() as upscaler:
        halo = upscaler.session(factor=subject.FACTOR).spec.halo
        for top, left in places.tolist():
            y, x = max(top - halo, 0), max(left - halo, 0)
            part = np.ascontiguousarray(pixels[y : top + WINDOW + halo, x : left + WINDOW + halo])
            want = upscaler.upscale_array(part, subject.FACTOR)
            inner = want[(top - y) * subject.FACTOR :, (left - x) * subject.FACTOR :]
            length = WINDOW * subject.FACTOR
            got = image.crop(left * subject.FACTOR, top * subject.FACTOR, length, length).numpy()
            difference = np.abs(got.astype(np.int16) - inner[:length, :length])
            different += int(np.count_nonzero(difference))
            largest = max(largest, int(difference.max()))
    return different, largest
