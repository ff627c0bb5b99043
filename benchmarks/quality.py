"""Measures PSNR, SSIM and seam error of networks against ground truth, next to a float32 reference.

    pip install -e '.[bench,cpu,models]' && pip install --group quality
    python benchmarks/quality.py FOLDER [--model NAME ...] [--precision auto|fp32]

FOLDER contains the ground truth in `HR` and the reduced pictures in `LRx2` and `LRx4`, under the
same names. Each network runs at its own factor. PSNR and SSIM are computed on the luma of BT.601,
without a border of as many pixels as the factor, as in papers; SSIM uses Gaussian windows with a
sigma of 1.5. Both are means over the pictures.

The reference is ncnn with the same weights, and onnxruntime for the networks of this project. It
runs the whole picture in float32 and its result is rounded to 8 bits. "difference" is the largest
difference from the reference in steps of 1/255. The seam error is the largest difference between
small tiles and the whole picture in float32, measured in 16 bits, in steps of 1/255; a dash if no
picture is large enough for two tiles. Networks that need a padded input (Real-CUGAN, waifu2x) are
left out, because the reference does not pad.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from skimage.metrics import structural_similarity

from peers import ncnn_tiles
from tilewright import Settings, Upscaler
from tilewright.engine.planner import plan_tiles
from tilewright.models.catalog import CATALOG
from tilewright.models.loader import native_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tilewright.models.catalog import CatalogEntry

# Input pixels along an axis that a small tile has beyond its halos and feather.
_OWNED = 48


@dataclass(frozen=True)
class Case:
    """A reduced picture and its ground truth, uint8 RGB."""

    small: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def load_cases(folder: Path, factor: int) -> list[Case]:
    """Reads the pictures of one factor, and crops the ground truth to a multiple of the factor."""
    found = []
    for path in sorted((folder / f"LRx{factor}").iterdir()):
        small, truth = (np.array(Image.open(p).convert("RGB")) for p in (path, folder / "HR" / path.name))
        height, width = small.shape[:2]
        found.append(Case(small, truth[: height * factor, : width * factor]))
    return found


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns Y of BT.601 for RGB ``[..., 3]``, in 16..235, not rounded."""
    return np.asarray(16 + pixels @ (np.array([65.481, 128.553, 24.966]) / 255))


def psnr_y(result: NDArray[np.uint8], truth: NDArray[np.uint8], border: int) -> float:
    """Returns the PSNR of the luma in dB, without a border of some pixels."""
    difference = (luma(result) - luma(truth))[border:-border, border:-border]
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


def ssim_y(result: NDArray[np.uint8], truth: NDArray[np.uint8], border: int) -> float:
    """Returns the SSIM of the luma without a border, with constants and windows of Wang et al. 2004."""
    planes = [luma(pixels)[border:-border, border:-border] for pixels in (result, truth)]
    return float(
        structural_similarity(*planes, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def load_reference(entry: CatalogEntry, folder: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Loads a network in float32: on ncnn, or on onnxruntime if it is one of this project.

    Args:
        entry: The network.
        folder: Folder for temporary files.
    """
    network = entry.network(entry.scale)
    if not network.is_onnx:
        assert entry.folder is not None
        reduced = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")
        return ncnn_tiles.load_network(entry.folder / next(iter(network.files)), **dict.fromkeys(reduced, False))
    onnx.save(native_model(entry, network), folder / "reference.onnx")
    session = onnxruntime.InferenceSession(str(folder / "reference.onnx"), providers=["CPUExecutionProvider"])

    def upscale(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        batch = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        result = session.run(None, {"input": batch})[0][0].transpose(1, 2, 0).clip(0, 1) * 255
        return result.round().astype(np.uint8)

    return upscale


def seam_error(name: str, factor: int, pictures: list[NDArray[np.uint8]], settings: Settings) -> float | None:
    """Returns the largest difference between tiled and whole results.

    Args:
        name: The network.
        factor: Its factor.
        pictures: Inputs, ``[height, width, 3]``.
        settings: Settings of the Upscalers.

    Returns:
        Steps of 1/255; `None` if no picture was split into tiles.
    """
    whole = Upscaler(model=name, device="cpu", precision="fp32", settings=settings, tile=1 << 20)
    spec = whole.session(factor=factor).spec
    tile = 2 * spec.halo + spec.feather + _OWNED
    tiled = Upscaler(model=name, device="cpu", precision="fp32", settings=settings, tile=tile)
    errors = []
    for pixels in pictures:
        if len(plan_tiles(pixels.shape[1], pixels.shape[0], spec, tile=tile)) > 1:
            samples = pixels.astype(np.uint16) * 257
            results = [upscaler.upscale_array(samples, factor).astype(int) for upscaler in (tiled, whole)]
            errors.append(float(np.abs(results[0] - results[1]).max() / 257))
    return max(errors, default=None)


def row(name: str, cases: list[Case], precision: str, settings: Settings) -> str:
    """Measures one network.

    Args:
        name: The network.
        cases: Pictures of its factor.
        precision: Precision of tilewright; the reference is in float32.
        settings: Settings of the Upscalers; their cache folder also takes temporary files.

    Returns:
        A row of the Markdown table.
    """
    entry = CATALOG[name]
    reference = load_reference(entry, settings.cache_dir)
    with Upscaler(model=name, device="cpu", precision=precision, settings=settings) as upscaler:
        session = upscaler.session(factor=entry.scale)
        results = [upscaler.upscale_array(case.small, entry.scale) for case in cases]
    references = [reference(case.small) for case in cases]
    scores = [
        np.mean([score(result, case.truth, entry.scale) for result, case in zip(pictures, cases, strict=True)])
        for score in (psnr_y, ssim_y)
        for pictures in (results, references)
    ]
    difference = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(results, references, strict=True))
    seam = seam_error(name, entry.scale, [case.small for case in cases], settings)
    return (
        f"| {name} ×{entry.scale} | {session.runtime}, {session.precision} "
        f"| {scores[0]:.3f} | {scores[1]:.3f} | {scores[2]:.4f} | {scores[3]:.4f} | {difference} "
        f"| {'–' if seam is None else f'{seam:.3g}'} |"
    )


def main() -> None:
    """Runs the command."""
    installed = [each.name for each in CATALOG.values() if each.installed and not each.network(each.scale).padding]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", choices=installed, help="may be repeated (default: all installed)")
    parser.add_argument("--precision", choices=("auto", "fp32"), default="auto", help="default: %(default)s")
    arguments = parser.parse_args()

    print("| network | runs on | PSNR-Y | reference | SSIM-Y | reference | difference | seam error |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings.from_environment(), cache_dir=Path(folder), store="memory://quality")
        for name in arguments.model or installed:
            cases = load_cases(arguments.folder, CATALOG[name].scale)
            print(row(name, cases, arguments.precision, settings), flush=True)


if __name__ == "__main__":
    main()
