"""Compares tiled results of PyTorch files with spandrel's results for the whole picture.

    python benchmarks/network_seams.py [PICTURE]

For each network: the largest difference of tilewright's result in tiles, and of the result of the
loop that most scripts use (tiles of 256 pixels, 10 more on each side, cut off afterwards), from the
result of spandrel for the whole picture, in steps of 1/255. Needs the extra ``torch``. Two networks
have the weights of the catalog, in PyTorch's form; the transformer has random ones.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import spandrel
import torch
from onnx import numpy_helper
from PIL import Image
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SwinIR import SwinIR

from tilewright import Settings, Upscaler
from tilewright.models.loader import load_model

if TYPE_CHECKING:
    import numpy.typing as npt

TILE, OVERLAP = 256, 10

State = dict[str, torch.Tensor]


def compact() -> State:
    """Weights of realesr-animevideov3."""
    state = {}
    for index, layer in enumerate(_layers("realesr-animevideov3")):
        state |= {f"body.{index}.{name}": value for name, value in layer.items()}
    return state


def esrgan() -> State:
    """Weights of realesrgan-x4plus-anime."""
    layers = _layers("realesrgan-x4plus-anime")
    network = ESRGAN(in_nc=3, out_nc=3, num_filters=64, num_blocks=6, scale=4)
    names = [name.removesuffix(".weight") for name in network.state_dict() if name.endswith(".weight")]
    return {f"{name}.{kind}": value for name, layer in zip(names, layers, strict=True) for kind, value in layer.items()}


def swinir() -> State:
    """Random weights for a small network of shifted windows."""
    torch.manual_seed(0)
    network = SwinIR(
        img_size=64, embed_dim=60, depths=[4, 4], num_heads=[6, 6], window_size=8, mlp_ratio=2.0, upscale=4,
        img_range=1.0, upsampler="pixelshuffledirect",
    )  # fmt: skip
    return {
        name: value * 3 if name.endswith("weight") and value.ndim == 2 else value
        for name, value in network.state_dict().items()
    }


def _layers(name: str) -> list[State]:
    """Returns the weights of the convolutions and activations of a network of the catalog, in order."""
    graph = onnx.load(load_model(name, 4, cache_dir=Settings.from_environment().cache_dir).path).graph
    weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    layers = []
    for node in graph.node:
        if node.op_type == "Conv":
            layers.append(dict(zip(("weight", "bias"), (weights[each] for each in node.input[1:]), strict=True)))
        elif node.op_type == "PRelu":
            layers.append({"weight": weights[node.input[1]].reshape(-1)})
    return layers


def usual_tiles(descriptor: Any, batch: torch.Tensor) -> torch.Tensor:
    """Upscales in tiles of 256 with 10 more on each side, which are cut off afterwards."""
    scale = descriptor.scale
    height, width = batch.shape[2:]
    result = batch.new_zeros(1, 3, height * scale, width * scale)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            rows = max(top - OVERLAP, 0), min(top + TILE + OVERLAP, height)
            columns = max(left - OVERLAP, 0), min(left + TILE + OVERLAP, width)
            part = descriptor(batch[:, :, rows[0] : rows[1], columns[0] : columns[1]])
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            inner = part[
                :, :, (top - rows[0]) * scale : (bottom - rows[0]) * scale,
                (left - columns[0]) * scale : (right - columns[0]) * scale,
            ]  # fmt: skip
            result[:, :, top * scale : bottom * scale, left * scale : right * scale] = inner
    return result


def compare(name: str, state: State, pixels: npt.NDArray[np.uint8], folder: Path) -> str:
    """Returns one row of the table."""
    path = folder / f"{name}.pth"
    torch.save(state, path)
    descriptor = spandrel.ModelLoader().load_from_file(path).eval()
    batch = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).float() / 255
    whole = descriptor(batch)
    usual = float((usual_tiles(descriptor, batch) - whole).abs().max()) * 255
    upscaler = Upscaler(model=path, device="cpu", precision="fp32", tile=TILE + 2 * OVERLAP)
    result = upscaler.upscale_array(pixels.astype(np.uint16) * 257, 4).astype(np.float32) / 65535
    ours = float(np.abs(result - whole[0].permute(1, 2, 0).numpy()).max()) * 255
    spec = upscaler.session(factor=4).spec
    return f"| {name} | {spec.halo} | {spec.feather} | {ours:.3f} | {usual:.2f} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", default=Path(__file__).parent.parent / "docs/images/chelsea.png")
    pixels = np.asarray(Image.open(parser.parse_args().picture).convert("RGB"))
    # Multiples of the window, so that neither program extends the picture.
    pixels = np.ascontiguousarray(pixels[: pixels.shape[0] // 8 * 8, : pixels.shape[1] // 8 * 8])
    print("| network | halo | feather | tilewright | tiles of 256 + 10 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, state in (("Compact", compact()), ("ESRGAN", esrgan()), ("SwinIR", swinir())):
            print(compare(name, state, pixels, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
