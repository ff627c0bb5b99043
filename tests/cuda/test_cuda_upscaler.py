"""An Upscaler on the emulated device, and on a real one if there is one."""

from __future__ import annotations

import io

import numpy as np
import pytest

from tilewright import Upscaler
from tilewright.codecs.decode import decode
from tilewright.picture import Picture
from tilewright.testing import make_picture


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_results_of_the_emulated_device_equal_those_of_the_cpu(model, monkeypatch, precision):
    """Covers the choice of the device, the estimate, alpha, and a PNG file that is written while tiles run."""
    monkeypatch.setattr("tilewright.engine.networks.resolve_device", lambda device: device)
    on_cpu = Upscaler(model=model.path, device="cpu", precision="fp32", store="memory://cuda", tile=48)
    on_cuda = Upscaler(model=model.path, device="cuda", precision=precision, store="memory://cuda", tile=48)
    picture = make_picture(120, 100, 4)
    result, expected = on_cuda.upscale_array(picture, 2), on_cpu.upscale_array(picture, 2)
    report = on_cuda.last_report
    assert report.network == f"small x2 on onnxruntime emulated, {'fp16' if precision == 'auto' else 'fp32'}"
    assert report.tile_size == (48, 48)
    assert np.abs(result.astype(int) - expected).max() <= 1
    file = io.BytesIO()
    on_cuda.upscale_to_file(Picture(picture[:, :, :3].copy(), picture[:, :, 3].copy()), 2, file, "PNG")
    written = decode(file.getvalue())
    np.testing.assert_array_equal(np.dstack([written.pixels, written.alpha]), result)
    assert on_cuda.estimate(1000, 800, 2).memory > 1000 * 800 * 3
    on_cuda.close()
    np.testing.assert_array_equal(on_cuda.upscale_array(picture, 2), result)


@pytest.mark.gpu
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_results_of_a_real_device_equal_those_of_the_cpu(channels):
    picture = make_picture(700, 900, channels)
    on_cpu = Upscaler(model="realesr-animevideov3", device="cpu", precision="fp32", store="memory://gpu")
    expected = on_cpu.upscale_array(picture, 4)
    for precision in ("fp32", "auto"):
        for tile in (None, 200):
            on_cuda = Upscaler(
                model="realesr-animevideov3", device="cuda", precision=precision, tile=tile, store="memory://gpu"
            )
            assert np.abs(on_cuda.upscale_array(picture, 4).astype(int) - expected).max() <= 1
