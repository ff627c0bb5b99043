"""Memory that large pictures take from JPEG to PNG, with a check of the files.

Each picture is upscaled once, in a separate process, because peak memory is counted per process.
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

import workload

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("side", [1024, 2048, 4096])
def bench_memory(benchmark: BenchmarkFixture, smoke: bool, side: int, tmp_path: Path, summary: list[str]) -> None:
    """Peak memory above the process with its network loaded."""
    side = side // 32 if smoke else side
    count, window = (3, 24) if smoke else (12, 96)
    pixels = workload.photo(side)
    source, target = tmp_path / "photo.jpg", tmp_path / "large.png"
    Image.fromarray(pixels).save(source, "JPEG", quality=90)
    del pixels
    command = [sys.executable, str(Path(__file__).with_name("measure_memory.py")), str(source), str(target)]
    benchmark.group = f"JPEG to PNG in a process of its own, {side} × {side} × {workload.FACTOR}"
    done = benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True), rounds=1, iterations=1
    )
    found = json.loads(done.stdout)
    different, largest = compare_windows(np.asarray(Image.open(source)), target, count=count, window=window)
    assert largest <= 1, f"windows differ by up to {largest} steps"
    benchmark.extra_info.update(
        label="memory",
        megapixels=side * side / 1e6,
        memory_above=found["above"],
        memory_loaded=found["loaded"],
        report=found["report"],
        file_bytes=target.stat().st_size,
        windows=count,
        windows_samples_different=different,
        windows_largest_difference=largest,
    )
    summary.append(
        f"JPEG to PNG, {side} × {side} × {workload.FACTOR}: {found['above'] / 2**20:.0f} MiB above the loaded runtime"
    )


def compare_windows(pixels: NDArray[np.uint8], target: Path, *, count: int, window: int) -> tuple[int, int]:
    """Compares windows of an upscaled file with the same parts of the picture upscaled separately.

    Args:
        pixels: The input picture, ``[side, side, 3]``.
        target: The upscaled file.
        count: Number of windows; the first two are in opposite corners, the others at random.
        window: Side of a window in input pixels.

    Returns:
        The number of samples that differ, and the largest difference in steps of 1/255.
    """
    factor, side = workload.FACTOR, len(pixels)
    rng = np.random.default_rng(0)
    image = pyvips.Image.new_from_file(str(target))
    assert (image.width, image.height, image.bands) == (side * factor, side * factor, 3)
    different = largest = 0
    with workload.open_upscaler() as upscaler:
        spec = upscaler.session(factor=factor).spec
        # Parts whose origin is on the network's grid are computed like the whole picture, to the bit.
        halo = -(-spec.halo // spec.grid) * spec.grid
        corners = rng.integers(0, (side - window) // spec.grid, (count, 2), endpoint=True) * spec.grid
        corners[:2] = (0, 0), (side - window, side - window)
        for top, left in corners.tolist():
            y, x = max(top - halo, 0), max(left - halo, 0)
            part = np.ascontiguousarray(pixels[y : top + window + halo, x : left + window + halo])
            want = upscaler.upscale_array(part, factor)
            inner = want[(top - y) * factor :, (left - x) * factor :]
            length = window * factor
            got = image.crop(left * factor, top * factor, length, length).numpy()
            difference = np.abs(got.astype(np.int16) - inner[:length, :length])
            different += int(np.count_nonzero(difference))
            largest = max(largest, int(difference.max()))
    return different, largest
