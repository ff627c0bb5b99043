"""Degrades photographs to typical inputs of an upscaler: blurred, noisy and compressed.

The second-order model of Real-ESRGAN (Wang et al., "Real-ESRGAN: Training Real-World Blind
Super-Resolution with Pure Synthetic Data", 2021, section 3): blur, resize, noise and JPEG, twice,
and finally a sinc filter, which causes ringing. Ranges are those of the paper. Most pictures are
less degraded in practice, so some are only downscaled and some pass the model once.
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

# Shares of pictures that are only downscaled, degraded once, and degraded twice.
SHARES = (0.4, 0.4, 0.2)

# Smallest and largest factor between the region of the photograph and the result.
SHRINK = (1.25, 5.0)


def random_input(photo: NDArray[np.uint8], size: int, rng: Generator) -> NDArray[np.uint8]:
    """Returns a degraded crop.

    Args:
        photo: ``[height, width, 3]``, both sides at least `size`.
        size: Side of the result in pixels.
        rng: Source of all randomness.

    Returns:
        ``[size, size, 3]``.
    """
    low, high = SHRINK
    shrink = min(low * (high / low) ** rng.random(), min(photo.shape[:2]) / size)
    region = _detailed_crop(photo, math.floor(size * shrink), rng)
    picture = torch.from_numpy(region.transpose(2, 0, 1).astype(np.float32) / 255)
    passes = rng.choice(3, p=SHARES)
    return _to_bytes((_only_downscale, _degrade_once, _degrade_twice)[passes](picture, size, rng))


def _detailed_crop(photo: NDArray[np.uint8], side: int, rng: Generator) -> NDArray[np.uint8]:
    """Returns the more detailed of two random crops: blurred backgrounds are common and teach little."""
    crops = []
    for _ in range(2):
        top, left = (int(rng.integers(0, whole - side + 1)) for whole in photo.shape[:2])
        crops.append(photo[top : top + side, left : left + side])
    return max(crops, key=lambda crop: float(np.abs(np.diff(crop[::2, ::2, 1].astype(np.int16), axis=0)).mean()))


def _only_downscale(picture: torch.Tensor, size: int, rng: Generator) -> torch.Tensor:
    picture = resize(picture, size, "bicubic")
    return jpeg(picture, rng.integers(80, 101)) if rng.random() < 0.5 else picture


def _degrade_once(picture: torch.Tensor, size: int, rng: Generator) -> torch.Tensor:
    picture = resize(picture, min(2 * size, picture.shape[-1]), "bicubic")
    if rng.random() < 0.7:
        picture = blur(picture, blur_kernel(rng, 0.2, 2.0))
    picture = resize(picture, size, _random_mode(rng))
    if rng.random() < 0.7:
        picture = add_noise(picture, rng, gaussian=15, poisson=1.5)
    # JPEG removes most of the chroma noise. A network that never sees noise without JPEG does not
    # remove chroma noise.
    return jpeg(picture, rng.integers(35, 96)) if rng.random() < 0.6 else picture


def _degrade_twice(picture: torch.Tensor, size: int, rng: Generator) -> torch.Tensor:
    full = min(4 * size, picture.shape[-1])
    picture = resize(picture, full, "bicubic")
    picture = blur(picture, blur_kernel(rng, 0.2, 3.0) if rng.random() > 0.1 else sinc_kernel(rng))
    picture = resize(picture, _random_side(rng, max(0.15 * full, 0.5 * size), 1.5 * full), _random_mode(rng))
    picture = jpeg(add_noise(picture, rng, gaussian=30, poisson=3), rng.integers(30, 96))

    if rng.random() < 0.8:
        picture = blur(picture, blur_kernel(rng, 0.2, 1.5) if rng.random() > 0.1 else sinc_kernel(rng))
    picture = resize(picture, _random_side(rng, 0.5 * size, 1.2 * size), _random_mode(rng))
    picture = add_noise(picture, rng, gaussian=25, poisson=2.5)
    ringing = sinc_kernel(rng) if rng.random() < 0.8 else None
    quality = rng.integers(30, 96)
    if rng.random() < 0.5:
        picture = jpeg(_blur_if(ringing, resize(picture, size, _random_mode(rng))), quality)
    else:
        picture = _blur_if(ringing, resize(jpeg(picture, quality), size, _random_mode(rng)))
    return picture


def _blur_if(kernel: torch.Tensor | None, picture: torch.Tensor) -> torch.Tensor:
    return picture if kernel is None else blur(picture, kernel)


def _random_mode(rng: Generator) -> str:
    return str(rng.choice(["area", "bilinear", "bicubic"]))


def _random_side(rng: Generator, low: float, high: float) -> int:
    return max(1, round(float(rng.uniform(low, high))))


def resize(picture: torch.Tensor, side: int, mode: str) -> torch.Tensor:
    """Resizes a square picture with anti-aliasing.

    Args:
        picture: ``[3, n, n]`` in 0..1.
        side: Side of the result in pixels.
        mode: ``"area"``, ``"bilinear"`` or ``"bicubic"``.

    Returns:
        ``[3, side, side]`` in 0..1.
    """
    options = {} if mode == "area" else {"antialias": True, "align_corners": False}
    return F.interpolate(picture[None], size=(side, side), mode=mode, **options)[0].clamp(0, 1)


def blur(picture: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Convolves each plane of ``[3, h, w]`` with ``[k, k]``, with mirrored borders."""
    half = kernel.shape[0] // 2
    padded = F.pad(picture[:, None], (half,) * 4, mode="reflect")
    return F.conv2d(padded, kernel[None, None])[:, 0].clamp(0, 1)


def blur_kernel(rng: Generator, low: float, high: float) -> torch.Tensor:
    """Returns a random blur kernel: Gaussian, generalised Gaussian or plateau-shaped, isotropic or not.

    Args:
        rng: Source of randomness.
        low: Smallest sigma in pixels.
        high: Largest sigma in pixels.

    Returns:
        ``[k, k]`` with a sum of 1; k is odd, from 7 to 21.
    """
    x, y = _random_grid(rng)
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
    """Returns a circular low-pass filter with a random cutoff, which causes ringing.

    At the radius r it is ``w J1(w r) / (2 pi r)``, where w is the cutoff in radians per pixel.

    Returns:
        ``[k, k]`` with a sum of 1; k is odd, from 7 to 21.
    """
    x, y = _random_grid(rng)
    cutoff = rng.uniform(math.pi / 3, math.pi)
    radius = torch.sqrt(x**2 + y**2)
    kernel = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.clamp(min=1e-6))
    kernel[radius == 0] = cutoff**2 / (4 * math.pi)
    return kernel / kernel.sum()


def _random_grid(rng: Generator) -> tuple[torch.Tensor, torch.Tensor]:
    half = int(rng.integers(3, 11))
    line = torch.arange(-half, half + 1, dtype=torch.float32)
    x, y = torch.meshgrid(line, line, indexing="xy")
    return x, y


def add_noise(picture: torch.Tensor, rng: Generator, *, gaussian: float, poisson: float) -> torch.Tensor:
    """Adds Gaussian or shot noise of random strength, grey or in colour.

    Args:
        picture: ``[3, h, w]`` in 0..1.
        rng: Source of randomness.
        gaussian: Largest sigma of Gaussian noise, in steps of 1/255.
        poisson: Largest strength of shot noise; 1 is that of 255 photons at white.
    """
    planes = 1 if rng.random() < 0.4 else 3
    noise = torch.from_numpy(rng.standard_normal((planes, *picture.shape[1:])).astype(np.float32))
    if rng.random() < 0.5:
        return (picture + noise * float(rng.uniform(1, gaussian)) / 255).clamp(0, 1)
    # Shot noise is approximated by Gaussian noise whose variance is proportional to the light.
    light = picture.mean(0, keepdim=True) if planes == 1 else picture
    return (picture + noise * (light / 255).sqrt() * float(rng.uniform(0.05, poisson))).clamp(0, 1)


def jpeg(picture: torch.Tensor, quality: int) -> torch.Tensor:
    """Compresses ``[3, h, w]`` in 0..1 as JPEG and decompresses it."""
    buffer = io.BytesIO()
    Image.fromarray(_to_bytes(picture)).save(buffer, "JPEG", quality=int(quality))
    decoded = np.asarray(Image.open(buffer), dtype=np.float32)
    return torch.from_numpy(decoded.transpose(2, 0, 1) / 255)


def _to_bytes(picture: torch.Tensor) -> NDArray[np.uint8]:
    return (picture * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
