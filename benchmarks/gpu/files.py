"""What do picture files to picture files take, one at a time and many at once?

python -m gpu.files [--smoke] [--json FILE] [--network NAME]

The first result is compared with that of the CPU, in float32, before anything is timed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import subject
from gpu.networks import FACTOR, NETWORKS
from gpu.programme import Programme
from tilewright import Settings, Upscaler, new_task, raise_for_errors
from turns import spread

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE = 1024
COUNTS = (1, 10, 100)
# Fewer of these for a network that takes as long.
SLOW_COUNTS = (1, 10)
ROUNDS = 3
MANY = 100
# In 8-bit steps.
_MEAN, _MOST = 0.5, 12


def measure(name: str, folder: Path, smoke: bool) -> Iterator[list[dict[str, Any]]]:
    """What was found so far, after every row."""
    side = 48 if smoke else SIDE
    counts = (1, 2) if smoke else COUNTS if name == NETWORKS[0] else SLOW_COUNTS
    paths = []
    for number, picture in enumerate(subject.photos(side, max(counts))):
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(picture).save(paths[-1], quality=95)
    rows = []
    with Upscaler(model=name, device="cuda", store=folder / "store", settings=Settings.from_environment()) as upscaler:
        check(upscaler, name, np.asarray(Image.open(paths[0])))
        for file_format in ("PNG", "JPG"):
            for count in counts:
                tasks = [new_task(path, FACTOR, outputFormat=file_format) for path in paths[:count]]
                # Many pictures are their own repetition.
                rounds = 0 if smoke else 1 if count >= MANY else ROUNDS
                seconds = [taken(upscaler, tasks) for _ in range(1 + rounds)]
                report = upscaler.last_report
                rows.append(
                    {
                        "pictures": count,
                        "side": side,
                        "format": file_format,
                        "seconds": spread(seconds[1:] or seconds),
                        "megapixels_in": count * side * side / 1e6,
                        "megapixels_out": count * (side * FACTOR) ** 2 / 1e6,
                        "last_report": report.facts() if report else None,
                    }
                )
                yield rows


def check(upscaler: Upscaler, name: str, pixels: np.ndarray) -> None:
    """A part with seams, which is what tiles can get wrong."""
    part = np.ascontiguousarray(pixels[:300, :300])
    with Upscaler(model=name, device="cpu", precision="fp32") as exact:
        want = exact.upscale_array(part, FACTOR)
    subject.check_alike(upscaler.upscale_array(part, FACTOR), want, mean=_MEAN, most=_MOST)


def taken(upscaler: Upscaler, tasks: list[dict[str, Any]]) -> float:
    began = time.perf_counter()
    envelope = upscaler.upscale(tasks)
    seconds = time.perf_counter() - began
    raise_for_errors(envelope)
    for result in envelope["data"]:
        for image_uuid in (result["imageUUID"], result["inputImageUUID"]):
            upscaler.store.delete(image_uuid)
    return seconds


def main() -> None:
    programme = Programme("files", __doc__ or "", {"--network": {"choices": NETWORKS, "action": "append"}})
    networks = programme.arguments.network or (NETWORKS[:1] if programme.smoke else NETWORKS)
    for name in networks:
        with tempfile.TemporaryDirectory() as folder:
            for rows in measure(name, Path(folder), programme.smoke):
                programme.keep({name: rows})


if __name__ == "__main__":
    main()
