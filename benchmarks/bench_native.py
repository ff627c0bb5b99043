"""Time of the native heads for factors 2 and 3, relative to the ×4 head and a rescale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest

import workload
from interleaved import Baseline
from tilewright.models.catalog import CATALOG, DEFAULT
from tilewright.models.loader import native_model

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

    from interleaved import InterleavedTimer

PICTURES = 2

# The heads were trained independently, so single pixels may differ much.
MEAN = 3


@pytest.mark.parametrize("factor", [2, 3])
def bench_native(
    benchmark: BenchmarkFixture, time_interleaved: InterleavedTimer, smoke: bool, tmp_path: Path, factor: int
) -> None:
    """The default network at factor 2 or 3."""
    entry = CATALOG[DEFAULT]
    largest = tmp_path / "largest.onnx"
    onnx.save(native_model(entry, entry.network(4)), largest)
    side = 32 if smoke else 512
    pictures = workload.photos(side, PICTURES)
    with workload.open_upscaler(DEFAULT) as native, workload.open_upscaler(largest) as rescaled:
        for picture in pictures:
            got, want = (each.upscale_array(picture, factor) for each in (native, rescaled))
            workload.assert_close(got, want, mean=MEAN)
        benchmark.group = f"{DEFAULT}, {side} × {side} × {factor}"
        time_interleaved(
            lambda number: native.upscale_array(pictures[number % PICTURES], factor),
            label="a head of its own",
            baseline=Baseline(
                "that of factor 4, rescaled",
                lambda number: rescaled.upscale_array(pictures[number % PICTURES], factor),
            ),
            rounds=9,
            warmed_up=True,
        )
        specs = [each.session(factor=factor).spec for each in (native, rescaled)]
        benchmark.extra_info["flops_ratio"] = specs[0].flops_per_pixel / specs[1].flops_per_pixel
