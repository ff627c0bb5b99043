"""Optimisations change no pixel."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tilewright import Upscaler
from tilewright._core import default_isa
from tilewright.codecs.decode import decode
from tilewright.testing import make_picture

TILE = 80

# Runs every step in sequence, in new memory, and encodes with Pillow. The environment selects scalar kernels and one
# thread.
PLAIN = """
import sys
import numpy as np
from PIL import Image
from tilewright import Upscaler, _core
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sessions.native import NativeSession
from tilewright.models.loader import load_model

assert _core.default_isa() == "scalar"
source, target, tile, isa = sys.argv[1:]
picture = np.asarray(Image.open(source))
with Upscaler(model="realesr-animevideov3", device="cpu") as upscaler:
    session = upscaler.session(factor=4)
if session.runtime == "native":  # vectors of other lengths round sums differently
    model = load_model("realesr-animevideov3", 4, cache_dir=upscaler.settings.cache_dir)
    session = NativeSession(model, threads=1, isa=isa)
plan = plan_tiles(picture.shape[1], picture.shape[0], session.spec, tile=int(tile))
tail = session.tail
canvas = _core.Canvas(plan, 4, shuffle=tail.shuffle, adds_base=tail.adds_input)
result = np.empty((picture.shape[0] * 4, picture.shape[1] * 4, 3), np.uint8)
for index in range(len(plan)):
    batch = np.empty((1, 3, plan.tile_height, plan.tile_width), np.float32)
    _core.gather(picture, plan, index, batch, channels=(0, 1, 2))
    begin, end = canvas.band(index // plan.columns)
    canvas.blend(index, session.run(batch)[0], result[begin:end], base=batch[0])
Image.fromarray(result).save(target)
"""


@pytest.mark.parametrize("tile", [TILE, None])
@pytest.mark.parametrize("runtime", ["native", "openvino"])
def test_pixels_equal_a_run_without_optimisations(tmp_path, monkeypatch, runtime, tile):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    monkeypatch.setenv("TILEWRIGHT_RUNTIME", runtime)
    source, plain, optimised = (tmp_path / name for name in ("source.png", "plain.png", "optimised.png"))
    Image.fromarray(make_picture(150, 210)).save(source)
    environment = os.environ | {"TILEWRIGHT_ISA": "scalar", "TILEWRIGHT_THREADS": "1"}
    command = [sys.executable, "-c", PLAIN, source, plain, str(TILE), default_isa()]
    subprocess.run(command, check=True, env=environment)
    with Upscaler(model="realesr-animevideov3", device="cpu", tile=tile) as upscaler, optimised.open("wb") as file:
        upscaler.upscale_to_file(decode(source.read_bytes()), 4, file, "PNG")
        assert tile is None or upscaler.last_report.tiles > 4
    np.testing.assert_array_equal(np.asarray(Image.open(optimised)), np.asarray(Image.open(plain)))
