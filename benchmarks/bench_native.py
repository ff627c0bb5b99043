"""What does a head of its own for factors 2 and 3 save over that of factor 4 and a rescale of its result?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest

import subject
from tilewright.models.catalog import CATALOG, DEFAULT
from tilewright.models.loader import native_model

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

    from turns import InTurns

PICTURES = 2

# They were taught the same, each for itself, and may differ by much in a pixel.
MEAN = 3


@pytest.mark.parametrize("factor", [2, 3])
def bench_native(benchmark: BenchmarkFixture, in_turns: InTurns, smoke: bool, tmp_path: Path, factor: int) -> None:
    entry = CATALOG[DEFAULT]
    largest = tmp_path / "largest.onnx"
    onnx.save(native_model(entry, entry.network(4)), largest)
    side = 64 if smoke else 512
    pictures = subject.photos(side, PICTURES)
    with subject.opened(DEFAULT) as native, subject.opened(largest) as rescaled:
        for picture in pictures:
            got, want = (each.upscale_array(picture, factor) for each in (native, rescaled))
            subject.check_alike(got, want, mean=MEAN)
        benchmark.group = f"{DEFAULT}, {side} × {side} × {factor}"
        in_turns(
            lambda number: native.upscale_array(pictures[number % PICTURES], factor),
            label="a head of its own",
            against=lambda number: rescaled.upscale_array(pictures[number % PICTURES], factor),
            named="that of factor 4, rescaled",
            rounds=9,
            warm=True,
        )
        specs = [each.session(factor=factor).spec for each in (native, rescaled)]
        benchmark.extra_info["flops_ratio"] = specs[0].flops_per_pixel / specs[1].flops_per_pixel
