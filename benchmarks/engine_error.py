"""Rounding of networks in float32: our own engine and OpenVINO, against the same graph in float64.

PYTHONPATH=tests python benchmarks/engine_error.py

Prints a Markdown table: the largest and the root-mean-square error on a part of a photograph, relative
to full scale (the difference of black and white), before the tail.
"""

from __future__ import annotations

import numpy as np

import workload
from support.conv_reference import run_convolutions
from tilewright import Settings
from tilewright.codecs.decode import decode
from tilewright.engine.sessions.native import NativeSession
from tilewright.engine.sessions.openvino import OpenVinoSession
from tilewright.engine.sessions.prepare import split_tail
from tilewright.models.catalog import CATALOG
from tilewright.models.graph.convolutions import UnsupportedGraphError, list_convolutions
from tilewright.models.loader import load_model

# The part of the photograph: the face, in pixels.
_TOP, _LEFT, _SIDE = 40, 130, 48


def main() -> None:
    """Runs the command."""
    part = decode(workload.PHOTO.read_bytes()).pixels[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE, :3]
    batch = np.ascontiguousarray(part.transpose(2, 0, 1)[None], np.float32) / 255
    print("| network | native: largest | root mean square | OpenVINO float32: largest | root mean square |")
    print("|---|---|---|---|---|")
    for name, entry in CATALOG.items():
        if not entry.installed:
            continue
        model = load_model(name, entry.scale, cache_dir=Settings.from_environment().cache_dir)
        try:
            native = NativeSession(model, threads=workload.THREADS)
        except UnsupportedGraphError:
            continue
        exact = run_convolutions(list_convolutions(split_tail(model)[0]), batch[0])
        other = OpenVinoSession(model, precision="fp32", threads=workload.THREADS)
        errors = [session.run(batch)[0] - exact for session in (native, other)]
        figures = [f"{np.abs(error).max():.1e} | {np.sqrt(np.mean(error**2)):.1e}" for error in errors]
        print(f"| {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
