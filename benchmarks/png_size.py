"""Compares size and speed of PNG encoders on given pictures.

python benchmarks/png_size.py PICTURE... [--enlarge] [--rounds N]

The encoders are tilewright, Pillow, libvips and, if installed, OpenCV.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import workload
from tilewright import Upscaler
from tilewright.codecs.encode import encode
from tilewright.codecs.formats import EncodeOptions
from tilewright.codecs.in_memory import picture_from_array
from tilewright.codecs.libvips import vips

Encoder = Callable[[NDArray[np.uint8]], bytes]

# The encoder that all others are compared with.
BASE = "Pillow, default"


def pillow_encoder(**options: int) -> Encoder:
    """Returns Pillow's encoder; `options` are those of ``Image.save``."""

    def encode_by_pillow(pixels: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", **options)
        return file.getvalue()

    return encode_by_pillow


def encode_by_libvips(pixels: NDArray[np.uint8]) -> bytes:
    """Encodes by libvips at level 2 with the filter "up"."""
    height, width, bands = pixels.shape
    image = vips().Image.new_from_memory(pixels.data, width, height, bands, "uchar")
    return bytes(image.pngsave_buffer(compression=2, filter="up"))


def installed_encoders() -> dict[str, Encoder]:
    """Returns the encoders by name."""
    found: dict[str, Encoder] = {
        BASE: pillow_encoder(),
        "fast": lambda pixels: encode(picture_from_array(pixels), "PNG"),
        "balanced": lambda pixels: encode(picture_from_array(pixels), "PNG", EncodeOptions(compression="balanced")),
        "small": lambda pixels: encode(picture_from_array(pixels), "PNG", EncodeOptions(compression="small")),
        "Pillow, level 1": pillow_encoder(compress_level=1),
        "libvips, level 2, up": encode_by_libvips,
    }
    try:
        import cv2
    except ImportError:
        return found
    return found | {"OpenCV, default": lambda pixels: cv2.imencode(".png", pixels[:, :, ::-1])[1].tobytes()}


def compare(encoders: Mapping[str, Encoder], pixels: NDArray[np.uint8], rounds: int) -> list[str]:
    """Encodes a picture with all encoders, interleaved, and checks the files.

    Args:
        encoders: Encoders by name, `BASE` among them.
        pixels: ``[height, width, 3]``.
        rounds: Calls of each encoder.

    Returns:
        For each encoder but `BASE`, its size over that of `BASE`, and how many times as fast it is.
    """
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    sizes: dict[str, int] = {}
    for _ in range(rounds):
        for name, run in encoders.items():
            start = time.perf_counter()
            data = run(pixels)
            seconds[name].append(time.perf_counter() - start)
            if name not in sizes:
                with Image.open(io.BytesIO(data)) as image:
                    np.testing.assert_array_equal(np.asarray(image), pixels)
                sizes[name] = len(data)
    return [
        f"{sizes[name] / sizes[BASE]:.3f}, {np.median(np.divide(seconds[BASE], seconds[name])):.3g}×"
        for name in encoders
        if name != BASE
    ]


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--enlarge", action="store_true", help=f"first upscale by 4 with {workload.NETWORK}")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    arguments = parser.parse_args()
    encoders = installed_encoders()
    print(f"| picture | pixels | {' | '.join(name for name in encoders if name != BASE)} |")
    print("|" + "---|" * (len(encoders) + 1))
    upscaler = Upscaler(model=workload.NETWORK, device="cpu")
    for path in arguments.pictures:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        if arguments.enlarge:
            pixels = upscaler.upscale_array(pixels, 4)
        cells = compare(encoders, pixels, arguments.rounds)
        title, size = f"{path.stem}{' ×4' * arguments.enlarge}", f"{pixels.shape[1]} × {pixels.shape[0]}"
        print(f"| {title} | {size} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
