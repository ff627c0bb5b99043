"""Published PSNR of networks, end to end: detects wrong colour order, range or rounding."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from support.metrics import psnr_y
from tilewright.models.catalog import CATALOG


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.03), ("auto", 0.1)])
@pytest.mark.parametrize(("name", "factor", "known"), [("span-x2-ch48", 2, 38.07), ("span-x4-ch48", 4, 32.20)])
def test_span_reaches_its_published_psnr_on_set5(upscaler_for, shared_data, name, factor, known, precision, tolerance):
    if not CATALOG[name].installed:
        pytest.skip(f"{CATALOG[name].package} is not installed")
    upscaler = upscaler_for(model=name, device="cpu", precision=precision)
    scores = []
    for path in sorted((shared_data / "set5" / f"LRx{factor}").glob("*.png")):
        small = np.asarray(Image.open(path).convert("RGB"))
        truth = np.asarray(Image.open(shared_data / "set5" / "HR" / path.name).convert("RGB"))
        result = upscaler.upscale_array(small, factor)
        scores.append(psnr_y(result, truth[: result.shape[0], : result.shape[1]], factor))
    assert len(scores) == 5
    print(f"{name} {precision}: {np.mean(scores):.3f} dB")
    assert np.mean(scores) == pytest.approx(known, abs=tolerance)
