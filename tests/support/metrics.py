"""Picture quality metrics."""

from __future__ import annotations

import numpy as np


def psnr_y(result, truth, shave):
    """Returns the PSNR in dB as papers on super-resolution compute it.

    It is measured on the luma of BT.601, which is not rounded, without `shave` pixels along each border.
    """
    weights = np.array([65.481, 128.553, 24.966]) / 255
    difference = ((result.astype(np.float64) - truth) @ weights)[shave:-shave, shave:-shave]
    return 10 * np.log10(255**2 / np.mean(difference**2))
