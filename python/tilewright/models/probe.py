"""Synthetic test picture with the statistics of a photograph.

Networks trained on photographs can behave abnormally on noise or on a flat colour, so neither
predicts their behaviour on a photograph. The picture has smooth shading, edges at many angles, fine
texture and a spectrum that falls as 1/f.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tilewright.models.spec import ModelSpec

_SEED = 20240229

# Largest side that is drawn. It takes a second; 4096 x 4096 pixels would take a minute.
_LARGEST_PATCH = 512


def natural_patch(height: int, width: int) -> npt.NDArray[np.float32]:
    """Makes a natural-looking RGB picture.

    Args:
        height: Height in pixels, at least 1.
        width: Width in pixels, at least 1.

    Returns:
        float32 ``[height, width, 3]`` in 0..1, the same on every call.
    """
    rng = np.random.default_rng(_SEED)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    picture = np.stack([0.35 + 0.3 * y / 96, 0.45 + 0.2 * x / 96, 0.6 - 0.25 * (x + y) / 192], axis=-1)
    for _ in range(24):
        _draw_disc(picture, rng, y, x)
    texture = _falling_spectrum(rng, height, width)
    picture += texture[..., None] * np.array([1.0, 0.9, 0.8])
    # The shading leaves 0..1 beyond the first 96 pixels. Values are reflected rather than clipped,
    # to keep the texture.
    folded: npt.NDArray[np.float64] = 1.0 - np.abs(np.mod(picture, 2.0) - 1.0)
    return folded.astype(np.float32)


def natural_picture(height: int, width: int) -> npt.NDArray[np.float32]:
    """Makes a natural-looking RGB picture of any size.

    It is `natural_patch` up to 512 pixels a side, and the mirror images of such a patch beyond.

    Args:
        height: Height in pixels, at least 1.
        width: Width in pixels, at least 1.

    Returns:
        float32 ``[height, width, 3]`` in 0..1, the same on every call.
    """
    patch = natural_patch(min(height, _LARGEST_PATCH), min(width, _LARGEST_PATCH))
    rest = height - patch.shape[0], width - patch.shape[1]
    return np.pad(patch, ((0, rest[0]), (0, rest[1]), (0, 0)), mode="symmetric") if any(rest) else patch


def _draw_disc(
    picture: npt.NDArray[np.float64],
    rng: np.random.Generator,
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
) -> None:
    """Draws a shaded ellipse whose edge is blurred over about a pixel, as by a lens."""
    height, width = y.shape
    centre_y, centre_x = rng.uniform(0, height), rng.uniform(0, width)
    radius = rng.uniform(0.05, 0.35) * max(height, width)
    angle, squeeze = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0)
    along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
    across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
    distance = np.hypot(along, across / squeeze)
    cover = np.clip(radius - distance + 0.5, 0.0, 1.0)[..., None]
    colour = rng.uniform(0.1, 0.9, 3) * (1.0 + 0.2 * along / (radius + 1.0))[..., None]
    picture += cover * (colour - picture)


def _falling_spectrum(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
    """Makes noise of standard deviation 0.04 and amplitude 1/f, as in natural scenes.

    The 1/f law is from Field, "Relations between the statistics of natural images and the response
    properties of cortical cells", 1987.
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / np.maximum(frequency, 1.0 / max(height, width))
    noise = np.fft.irfft2(spectrum, s=(height, width))
    return np.asarray(0.04 * (noise - noise.mean()) / (noise.std() + 1e-12))


def probe_batch(spec: ModelSpec, side: int) -> npt.NDArray[np.float32]:
    """Makes a batch of one natural picture for a network.

    Args:
        spec: Spec of the network.
        side: Height and width in pixels, rounded up to a size that the network accepts; ignored if
            its size is fixed.

    Returns:
        float32 ``[1, planes, height, width]`` in the network's value range, RGB or one plane.
    """
    length = -(-max(side, spec.minimum) // spec.multiple_of) * spec.multiple_of
    height, width = spec.fixed_size or (length, length)
    black, white = spec.value_range
    planes = natural_picture(height, width).transpose(2, 0, 1)[None] * (white - black) + black
    return np.ascontiguousarray(planes[:, : spec.planes], np.float32)
