"""All architectures of spandrel, as files with small random weights: the results are PyTorch's, tiled and whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
import spandrel
import torch

from support.paths import DOCS
from support.small_networks import NETWORKS, small_network
from tilewright import Upscaler
from tilewright.errors import ModelError
from tilewright.models.pytorch.architectures import REFUSED

# Networks warn of functions of torch that will change.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ARCHITECTURES = {name.partition("-")[0] for name in NETWORKS}

# A multiple of all windows: beyond the border of a picture, spandrel extends it in another way than tilewright.
SIZE = (128, 160)

OPTIONS = {"device": "cpu", "precision": "fp32"}


@dataclass
class Reference:
    """What PyTorch makes of a picture.

    Attributes:
        samples: The picture, ``[H, W, C]`` of 16 bits.
        result: The result in 0..1.
        scale: Factor of the network.
    """

    samples: np.ndarray
    result: np.ndarray
    scale: int


def reference(path, photo, size):
    """Runs a file in spandrel on the upper left part of a photograph."""
    descriptor = spandrel.ModelLoader().load_from_file(path).eval().float()
    samples = photo[: size[0], : size[1], 1:2] if descriptor.input_channels == 1 else photo[: size[0], : size[1]]
    batch = torch.from_numpy(samples.transpose(2, 0, 1)[None].copy()).float() / 255
    if descriptor.input_channels == 4:
        batch = torch.cat([batch, torch.ones_like(batch[:, :1])], dim=1)
    result = descriptor(batch)[0].permute(1, 2, 0).numpy()[:, :, :3]
    return Reference(np.ascontiguousarray(samples).astype(np.uint16) * 257, result, descriptor.scale)


def largest_difference(path, expected, **options):
    result = Upscaler(model=path, **OPTIONS, **options).upscale_array(expected.samples, expected.scale)
    return np.abs(result / 65535 - expected.result).max()


@pytest.mark.parametrize("name", sorted(name for name in NETWORKS if name.partition("-")[0] not in REFUSED))
def test_results_are_those_of_pytorch(name, tmp_path, photo):
    path = tmp_path / f"{name}.pth"
    network = NETWORKS[name]() if name.endswith("half") else small_network(name)
    torch.save({"params_ema": network.state_dict()}, path)
    upscaler = Upscaler(model=path, **OPTIONS)
    factor = max(upscaler.factors())
    spec = upscaler.find(path, factor).spec
    expected = reference(path, photo, spec.fixed_size or SIZE)
    assert expected.scale == factor
    assert largest_difference(path, expected) < 1e-3
    if spec.feather == 0:
        assert largest_difference(path, expected, tile=64 + 2 * spec.halo) < 1e-3


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES & set(REFUSED)))
def test_what_cannot_be_exported_is_refused_at_once(architecture, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(small_network(architecture).state_dict(), path)
    with pytest.raises(ModelError, match=re.escape(REFUSED[architecture])):
        Upscaler(model=path, **OPTIONS).factors()


def test_the_table_of_the_documentation_is_complete():
    known = {each.architecture.id for each in spandrel.MAIN_REGISTRY.architectures()}
    assert known - {"GFPGAN", "RestoreFormer", "LaMa"} == ARCHITECTURES
    page = (DOCS / "own-networks.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w, ]+) \| (any|multiples of [\d, ]+|256 × 256|–) \|", page, re.MULTILINE)
    supported = {name for names, size in rows for name in names.split(", ") if size != "–"}
    refused = {name for names, size in rows for name in names.split(", ") if size == "–"}
    assert supported == ARCHITECTURES - set(REFUSED)
    assert refused == set(REFUSED)
