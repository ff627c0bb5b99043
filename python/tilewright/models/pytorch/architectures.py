"""Architectures that cannot be converted. This module imports neither torch nor spandrel."""

from __future__ import annotations

REFUSED = {
    "ATD": "it sorts by values of which many are equal, and no sort of ONNX keeps their order",
    "AuraSR": "it adds random noise, so no two results are the same",
    "FFTformer": "it uses Fourier transforms that cannot be exported to ONNX",
    "GFPGAN": "it restores one aligned face, not a picture",
    "IPT": "it cuts tiles of its own in a way that ONNX cannot express",
    "LaMa": "it fills holes in pictures",
    "RestoreFormer": "it restores one aligned face, not a picture",
}
"""Architectures that spandrel knows and that are not supported, and why."""
