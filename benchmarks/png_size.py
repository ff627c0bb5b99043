"""Sizes and speeds of PNG files of pictures of yours, against Pillow, libvips and, where it is installed, OpenCV.

python benchmarks/png_size.py PICTURE... [--enlarge] [--rounds N]
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import subject
from tilewright import Upscaler
from tilewright.codecs import vips
from tilewright.codecs.encode import encode
from tilewright.codecs.in_memory import picture_from_array

Encoder = Callable[[NDArray[np.uint8]], bytes]

# All figures are over this one's.
BASE = "Pillow, default"


def pillow(**options: int) -> Encoder:
    def run(pixels: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", **options)
        return file.getvalue()

    return run


def libvips(pixels: NDArray[np.uint8]) -> bytes:
    height, width, bands = pixels.shape
    image = vips().Image.new_from_memory(pixels.data, width, height, bands, "uchar")
    return bytes(image.pngsave_buffer(compression=2, filter="up"))


def encoders() -> dict[str, Encoder]:
    found: dict[str, Encoder] = {
        BASE: pillow(),
        "fast": lambda pixels: encode(picture_from_array(pixels), "PNG"),
        "balanced": lambda pixels: encode(picture_from_array(pixels), "PNG", compression="balanced"),
        "small": lambda pixels: encode(picture_from_array(pixels), "PNG", compression="small"),
        "Pillow, level 1": pillow(compress_level=1),
        "libvips, level 2, up": libvips,
    }
    try:
        import cv2
    except ImportError:
        return found
    return found | {"OpenCV, default": lambda pixels: cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--enlarge", action="store_true", help=f"four times, by {subject.NETWORK}, before")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ways = encoders()
    print(f"| picture | pixels | {' | '.join(name for name in ways if name != BASE)} |")
    print("|" + "---|" * (len(ways) + 1))
    upscaler = Upscaler(model=subject.NETWORK, device="cpu")
    for path in arguments.pictures:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        if arguments.enlarge:
            pixels = upscaler.upscale_array(pixels, 4)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        sizes: dict[str, int] = {}
        for _ in range(arguments.rounds):
            for name, run in ways.items():
                began = time.perf_counter()
                data = run(pixels)
                seconds[name].append(time.perf_counter() - began)
                if name not in sizes:
                    with Image.open(io.BytesIO(data)) as image:
                        np.testing.assert_array_equal(np.asarray(image), pixels)
                    sizes[name] = len(data)
        cells = [
            f"{sizes[name] / sizes[BASE]:.3f}, {np.median(np.divide(seconds[BASE], seconds[name])):.3g}×"
            for name in ways
            if name != BASE
        ]
        print(
            f"| {path.stem}{' ×4' * arguments.enlarge} | {pixels.shape[1]} × {pixels.shape[0]} | {' | '.join(cells)} |"
        )


if __name__ == "__main__":
    main()
