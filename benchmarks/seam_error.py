"""How far a tiled result strays from the untiled one, by halo: the measurement behind the catalog's halos.

    python benchmarks/seam_error.py PICTURE... [--model NAME ...] [--factor N] [--size 256] [--kept 128]

From the middle of each picture a square crop is taken and run whole. Then it is run again without its left part (and, a
second time, without its upper part), as a tile would be cut there. What lies `halo` pixels or more from the cut is what
a tile with that halo would keep; the table gives the largest difference there, in steps of 1/255, over all pictures and
both directions, in float32 on onnxruntime's CPU provider.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from tilewright.models.catalog import CATALOG
from tilewright.models.loader import load_model

HALOS = (8, 10, 16, 18, 20, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120)

Batch = npt.NDArray[np.float32]


def middle_crop(path: Path, size: int, multiple: int) -> Batch:
    """``[1, 3, size, size]`` in 0..1, smaller where the picture is; sides are multiples."""
    picture = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
    height, width = (min(side, size) // multiple * multiple for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width].transpose(2, 0, 1)[None])


def error_by_distance(session: ort.InferenceSession, crop: Batch, kept: int, factor: int) -> Batch:
    """Largest difference in each input column (and row), by its distance from the cut: ``[kept]``."""

    def run(batch: Batch) -> Batch:
        return np.asarray(session.run(None, {"input": np.ascontiguousarray(batch)})[0])

    whole = run(crop)
    columns = np.abs(run(crop[..., -kept:]) - whole[..., -kept * factor :]).max(axis=(0, 1, 2))
    rows = np.abs(run(crop[..., -kept:, :]) - whole[..., -kept * factor :, :]).max(axis=(0, 1, 3))
    return np.asarray(np.maximum(columns, rows).reshape(kept, factor).max(axis=1) * 255)


def main() -> None:
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", action="append", choices=installed, help="repeatable; all installed by default")
    parser.add_argument("--factor", type=int, help="the network's own by default")
    parser.add_argument("--size", type=int, default=256, help="side of the crop (default: 256)")
    parser.add_argument("--kept", type=int, default=128, help="pixels that remain beyond the cut (default: 128)")
    arguments = parser.parse_args()

    halos = [halo for halo in HALOS if halo < arguments.kept]
    print("network, picture | " + " | ".join(f"{halo:>6}" for halo in halos) + " | seconds")
    for name in arguments.model or installed:
        factor = arguments.factor or CATALOG[name].scale
        with tempfile.TemporaryDirectory() as cache:
            model = load_model(name, factor, cache_dir=Path(cache))
            session = ort.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
            for picture in arguments.pictures:
                start = time.perf_counter()
                multiple = model.spec.multiple_of
                crop = middle_crop(picture, arguments.size, multiple)
                kept = min(arguments.kept, *crop.shape[2:]) // multiple * multiple
                errors = error_by_distance(session, crop, kept, factor)
                row = " | ".join(f"{errors[halo:].max():6.3g}" for halo in halos)
                print(f"{name} x{factor}, {picture.name} | {row} | {time.perf_counter() - start:.1f}", flush=True)


if __name__ == "__main__":
    main()
