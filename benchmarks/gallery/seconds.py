"""Seconds per megapixel of every network."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.gallery.sheets import FACTORS, networks
from tilewright import Settings, Upscaler

# The picture whose seconds are measured.
_PICTURE = Path(__file__).parents[2] / "docs" / "images" / "chelsea.png"


def measure(rounds: int, *, shared: bool) -> dict[str, Any]:
    """Runs every network in turn, `rounds` times.

    Args:
        rounds: Runs of each network, after one that is not counted.
        shared: Whether other programs use the processor too. Seconds are then CPU time divided by
            the number of threads.

    Returns:
        ``seconds`` per megapixel of the input, for each network and factor, and the conditions.
    """
    facts = {"rounds": rounds, "shared": shared, "load_before": round(os.getloadavg()[0], 2)}
    picture = np.asarray(Image.open(_PICTURE).convert("RGB"))
    megapixels = picture.shape[0] * picture.shape[1] / 1e6
    threads = Settings.from_environment().threads
    runs = [(name, factor) for factor in FACTORS for name in networks(factor)]
    upscalers = {name: Upscaler(model=name, device="cpu", store="memory://") for name, _ in runs}
    seconds: dict[str, list[float]] = {f"{name}-x{factor}": [] for name, factor in runs}
    for number in range(rounds + 1):
        for name, factor in runs:
            wall, cpu = time.perf_counter(), time.process_time()
            upscalers[name].upscale_array(picture, factor)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if number > 0:
                seconds[f"{name}-x{factor}"].append(round((cpu / threads if shared else wall) / megapixels, 3))
    runtimes = {f"{name}-x{factor}": _runtime(upscalers[name], factor) for name, factor in runs}
    return {"machine": _machine(threads), **facts, "seconds": seconds, "runtimes": runtimes}


def _runtime(upscaler: Upscaler, factor: int) -> str:
    session = upscaler.session(factor=factor)
    return f"{session.runtime}, {session.precision}"


def _machine(threads: int) -> str:
    import cpuinfo  # part of pytest-benchmark

    cpu = cpuinfo.get_cpu_info()
    extensions = " with AMX" if "amx_bf16" in cpu["flags"] else ""
    return f"{threads} cores of an {cpu['brand_raw'].replace('(R)', '')}{extensions}"
