"""Measures the difference between tiled and untiled results by halo.

    python benchmarks/seam_error.py PICTURE... [--model NAME ...] [--factor N] [--size 256] [--kept 128]

A square crop from the middle of each picture runs whole. Then it runs again without its left part,
and without its upper part, as if a tile began there. Pixels at a distance of `halo` or more from
the cut are those that a tile with this halo would keep. The table shows the largest difference
among them in steps of 1/255, over both directions, in float32 on onnxruntime's CPU provider. The
halos of the catalog are based on it.
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
    """Reads the middle of a picture.

    Args:
        path: The picture.
        size: Width and height in pixels, if the picture is large enough.
        multiple: Width and height are rounded down to a multiple of this.

    Returns:
        ``[1, 3, height, width]`` in 0..1.
    """
    picture = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255
    height, width = (min(side, size) // multiple * multiple for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width].transpose(2, 0, 1)[None])


def error_by_distance(session: ort.InferenceSession, crop: Batch, kept: int, factor: int) -> Batch:
    """Compares results with and without the pixels beyond a cut.

    Args:
        session: The network.
        crop: ``[1, 3, height, width]`` in 0..1.
        kept: Number of columns, and of rows, that remain.
        factor: Factor of the network.

    Returns:
        ``[kept]``: the largest difference by distance from the cut in input pixels, in steps of
        1/255.
    """

    def run(batch: Batch) -> Batch:
        return np.asarray(session.run(None, {"input": np.ascontiguousarray(batch)})[0])

    whole = run(crop)
    columns = np.abs(run(crop[..., -kept:]) - whole[..., -kept * factor :]).max(axis=(0, 1, 2))
    rows = np.abs(run(crop[..., -kept:, :]) - whole[..., -kept * factor :, :]).max(axis=(0, 1, 3))
    return np.asarray(np.maximum(columns, rows).reshape(kept, factor).max(axis=1) * 255)


def main() -> None:
    """Runs the command."""
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", action="append", choices=installed, help="may be repeated (default: all installed)")
    parser.add_argument("--factor", type=int, help="default: the factor of the network")
    parser.add_argument("--size", type=int, default=256, help="side of the crop (default: %(default)s)")
    parser.add_argument("--kept", type=int, default=128, help="pixels that remain after the cut (default: %(default)s)")
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
