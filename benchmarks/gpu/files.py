"""Measures the time from picture files to picture files, one at a time and many at once.

python -m gpu.files [--smoke] [--json FILE] [--network NAME]

A part of the first picture is compared with float32 on the CPU before anything is timed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import workload
from gpu.harness import Harness, argument_parser
from gpu.networks import FACTOR, NETWORKS
from interleaved import quartiles
from tilewright import Settings, Upscaler, new_task, raise_for_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE = 1024
COUNTS = (1, 10, 100)
# Slow networks run without the largest count.
SLOW_COUNTS = (1, 10)
ROUNDS = 3
# From this count on, one round is enough: its pictures are repetitions already.
MANY = 100
# Allowed mean and largest difference from the CPU, in steps of 1/255.
_MEAN, _LARGEST = 0.5, 12


def measure(name: str, folder: Path, smoke: bool) -> Iterator[list[dict[str, Any]]]:
    """Measures one network.

    Args:
        name: The network.
        folder: An empty folder for the pictures and the store.
        smoke: Use tiny pictures.

    Yields:
        All rows so far, after every row.
    """
    side = 48 if smoke else SIDE
    counts = (1, 2) if smoke else COUNTS if name == NETWORKS[0] else SLOW_COUNTS
    paths = []
    for number, picture in enumerate(workload.photos(side, max(counts))):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(picture).save(paths[-1], quality=95)
    rows = []
    with Upscaler(model=name, device="cuda", store=folder / "store", settings=Settings.from_environment()) as upscaler:
        check(upscaler, name, np.asarray(Image.open(paths[0])))
        for file_format in ("PNG", "JPG"):
            for count in counts:
                tasks = [new_task(path, FACTOR, outputFormat=file_format) for path in paths[:count]]
                rounds = 0 if smoke else 1 if count >= MANY else ROUNDS
                seconds = [run_tasks(upscaler, tasks) for _ in range(1 + rounds)]
                report = upscaler.last_report
                rows.append(
                    {
                        "pictures": count,
                        "side": side,
                        "format": file_format,
                        "seconds": quartiles(seconds[1:] or seconds),  # the first round is warm-up
                        "megapixels_in": count * side * side / 1e6,
                        "megapixels_out": count * (side * FACTOR) ** 2 / 1e6,
                        "last_report": report.facts() if report else None,
                    }
                )
                yield rows


def check(upscaler: Upscaler, name: str, pixels: np.ndarray) -> None:
    """Compares a part that is large enough for seams with float32 on the CPU."""
    part = np.ascontiguousarray(pixels[:300, :300])
    with Upscaler(model=name, device="cpu", precision="fp32") as exact:
        want = exact.upscale_array(part, FACTOR)
    workload.assert_close(upscaler.upscale_array(part, FACTOR), want, mean=_MEAN, largest=_LARGEST)


def run_tasks(upscaler: Upscaler, tasks: list[dict[str, Any]]) -> float:
    """Runs tasks and deletes their pictures; returns the seconds without the deletion."""
    start = time.perf_counter()
    envelope = upscaler.upscale(tasks)
    seconds = time.perf_counter() - start
    raise_for_errors(envelope)
    for result in envelope["data"]:
        for image_uuid in (result["imageUUID"], result["inputImageUUID"]):
            upscaler.store.delete(image_uuid)
    return seconds


def main() -> None:
    """Runs the command."""
    parser = argument_parser(__doc__)
    parser.add_argument("--network", choices=NETWORKS, action="append", help="may be repeated (default: all)")
    arguments = parser.parse_args()
    harness = Harness("files", arguments)
    networks = arguments.network or (NETWORKS[:1] if harness.smoke else NETWORKS)
    for name in networks:
        with tempfile.TemporaryDirectory() as folder:
            for rows in measure(name, Path(folder), harness.smoke):
                harness.save({name: rows})


if __name__ == "__main__":
    main()
