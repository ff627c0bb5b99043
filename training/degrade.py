"""Makes of a good photograph the kind of picture that people want enlarged: blurred, noisy, compressed.

The second-order model of Real-ESRGAN (Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
Synthetic Data", 2021, section 3): blur, resize, noise and JPEG, twice, with ringing at the end. Ranges are the paper's.
As most pictures have been through less, some are only shrunk and some go through it once.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

Generator = np.random.Generator

# How far a picture has come: shrunk only, once round, twice round.
SHARES = (0.4, 0.4, 0.2)

# How much smaller a picture becomes than the photograph, at least and at most.
SHRINK = (1.25, 5.0)


def random_input(photo: NDArray[np.uint8], size: int, rng: Generator) -> NDArray[np.uint8]:
    """A degraded crop.

    Args:
        photo: ``[height, width, 3]``, both sides at least `size`.
        size: side of the result.
        rng: decides everything.

    Returns:
        ``[size, size, 3]``.
    """
    low, high = SHRINK
    shrink = min(low * (high / low) ** rng.random(), min(photo.shape[:2]) / size)
    region = _busier_crop(photo, math.floor(size * shrink), rng)
    picture = torch.from_numpy(region.transpose(2, 0, 1).astype(np.float32) / 255)
    rounds = rng.choice(3, p=SHARES)
    return _to_bytes((_shrunk_only, _once, _twice)[rounds](picture, size, rng))


def _busier_crop(photo: NDArray[np.uint8], side: int, rng: Generator) -> NDArray[np.uint8]:
    """Of two crops the one with more in it: blurred backgrounds fill photographs and teach little."""
    crops = []
    for _ in range(2):
        top, left = (int(rng.integers(0, whole - side + 1)) for whole in photo.shape[:2])
        crops.append(photo[top : top + side, left : left + side])
    return max(crops, key=lambda crop: float(np.abs(np.diff(crop[::2, ::2, 1].astype(np.int16), axis=0)).mean()))


def _shrunk_only(picture: torch.Tensor, size: int, rng: Generator) -> torch.Tensor:
    picture = resize(picture, size, "bicubic")
    return jpeg(picture, rng.integers(80, 101)) if rng.random() < 0.5 else picture


def _once(picture: torch.Tensor, size: int, rng: Generator) -> torch.Tensor:
    picture = resize(picture, min(2 * size, picture.shape[-1]), "bicubic")
    if rng.random() < 0.7:
        picture = blur(picture, blur_kernel(rng, 0.2, 2.0))
    picture = resize(picture, size, _any_mode(rng))
    if rng.random() < 0.7:
        picture = add_noise(picture, rng, gaussian=15, poisson=1.5)
    # JPEG takes away most of what noise does to colours; a network that never sees it without JPEG lets it through.
    return jpeg(picture, rng.integers(35, 96)) if rng.random() < 0.6 else picture


def _twice(picture: torch.Tensor, size: int, rng: Generator) -> torch.Tensor:
    full = min(4 * size, picture.shape[-1])
    picture = resize(picture, full, "bicubic")
    picture = blur(picture, blur_kernel(rng, 0.2, 3.0) if rng.random() > 0.1 else sinc_kernel(rng))
    picture = resize(picture, _between(rng, max(0.15 * full, 0.5 * size), 1.5 * full), _any_mode(rng))
    picture = jpeg(add_noise(picture, rng, gaussian=30, poisson=3), rng.integers(30, 96))

    if rng.random() < 0.8:
        picture = blur(picture, blur_kernel(rng, 0.2, 1.5) if rng.random() > 0.1 else sinc_kernel(rng))
    picture = resize(picture, _between(rng, 0.5 * size, 1.2 * size), _any_mode(rng))
    picture = add_noise(picture, rng, gaussian=25, poisson=2.5)
    ringing = sinc_kernel(rng) if rng.random() < 0.8 else None
    quality = rng.integers(30, 96)
    if rng.random() < 0.5:
        picture = jpeg(_rung(resize(picture, size, _any_mode(rng)), ringing), quality)
    else:
        picture = _rung(resize(jpeg(picture, quality), size, _any_mode(rng)), ringing)
    return picture


def _rung(picture: torch.Tensor, kernel: torch.Tensor | None) -> torch.Tensor:
    return picture if kernel is None else blur(picture, kernel)


def _any_mode(rng: Generator) -> str:
    return str(rng.choice(["area", "bilinear", "bicubic"]))


def _between(rng: Generator, low: float, high: float) -> int:
    return max(1, round(float(rng.uniform(low, high))))


def resize(picture: torch.Tensor, side: int, mode: str) -> torch.Tensor:
    """A square picture ``[3, n, n]`` to ``[3, side, side]``, anti-aliased."""
    options = {} if mode == "area" else {"mode": mode, "antialias": True, "align_corners": False}
    return F.interpolate(picture[None], size=(side, side), **(options or {"mode": mode}))[0].clamp(0, 1)


def blur(picture: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Convolves each plane of ``[3, h, w]`` with ``[k, k]``; the picture is mirrored at its border."""
    half = kernel.shape[0] // 2
    padded = F.pad(picture[:, None], (half,) * 4, mode="reflect")
    return F.conv2d(padded, kernel[None, None])[:, 0].clamp(0, 1)


def blur_kernel(rng: Generator, low: float, high: float) -> torch.Tensor:
    """A Gaussian, a generalised Gaussian or a plateau, round or oblong, with sigmas of `low` to `high` pixels."""
    x, y = _grid(rng)
    first, second = rng.uniform(low, high, 2)
    angle = rng.uniform(-math.pi, math.pi)
    if rng.random() < 0.6:
        second = first
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    distance = (along / first) ** 2 + (across / second) ** 2
    shape = rng.random()
    if shape < 0.7:
        kernel = torch.exp(-distance / 2)
    elif shape < 0.85:
        kernel = torch.exp(-(distance ** rng.uniform(0.5, 4.0)) / 2)
    else:
        kernel = 1 / (1 + distance ** rng.uniform(1.0, 2.0))
    return kernel / kernel.sum()


def sinc_kernel(rng: Generator) -> torch.Tensor:
    """A round low-pass filter cut off at a random frequency, which rings: ``w J1(w r) / (2 pi r)``."""
    x, y = _grid(rng)
    cutoff = rng.uniform(math.pi / 3, math.pi)
    radius = torch.sqrt(x**2 + y**2)
    kernel = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.clamp(min=1e-6))
    kernel[radius == 0] = cutoff**2 / (4 * math.pi)
    return kernel / kernel.sum()


def _grid(rng: Generator) -> tuple[torch.Tensor, torch.Tensor]:
    half = int(rng.integers(3, 11))
    line = torch.arange(-half, half + 1, dtype=torch.float32)
    x, y = torch.meshgrid(line, line, indexing="xy")
    return x, y


def add_noise(picture: torch.Tensor, rng: Generator, *, gaussian: float, poisson: float) -> torch.Tensor:
    """Noise of up to `gaussian` steps of 1/255, or shot noise of up to `poisson` times a step's; at times grey."""
    planes = 1 if rng.random() < 0.4 else 3
    noise = torch.from_numpy(rng.standard_normal((planes, *picture.shape[1:])).astype(np.float32))
    if rng.random() < 0.5:
        return (picture + noise * float(rng.uniform(1, gaussian)) / 255).clamp(0, 1)
    # Shot noise grows with the square root of the light; with so many photons it is Gaussian.
    light = picture.mean(0, keepdim=True) if planes == 1 else picture
    return (picture + noise * (light / 255).sqrt() * float(rng.uniform(0.05, poisson))).clamp(0, 1)


def jpeg(picture: torch.Tensor, quality: int) -> torch.Tensor:
    """What JPEG makes of ``[3, h, w]``."""
    buffer = io.BytesIO()
    Image.fromarray(_to_bytes(picture)).save(buffer, "JPEG", quality=int(quality))
    decoded = np.asarray(Image.open(buffer), dtype=np.float32)
    return torch.from_numpy(decoded.transpose(2, 0, 1) / 255)


def _to_bytes(picture: torch.Tensor) -> NDArray[np.uint8]:
    return (picture * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
