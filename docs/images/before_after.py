"""Makes before_after.jpg: a crop of chelsea.png, upscaled bicubically and by realesrgan-x4plus.

python docs/images/before_after.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips

from tilewright import Upscaler

HERE = Path(__file__).parent
LEFT, TOP, WIDTH, HEIGHT = 100, 75, 150, 110
FACTOR = 4


def main() -> None:
    """Crops, upscales both ways, and writes the results side by side."""
    crop = pyvips.Image.new_from_file(str(HERE / "chelsea.png")).crop(LEFT, TOP, WIDTH, HEIGHT)
    before = crop.resize(FACTOR, kernel="cubic")
    pixels = np.ascontiguousarray(crop.numpy())
    after = Upscaler(model="realesrgan-x4plus", store="memory://").upscale_array(pixels, FACTOR)
    pair = before.join(pyvips.Image.new_from_array(after), "horizontal", shim=8, background=255)
    pair.write_to_file(str(HERE / "before_after.jpg"), Q=88)


if __name__ == "__main__":
    main()
