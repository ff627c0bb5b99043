"""Fixtures of the training tests: a data folder, and networks to start from."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from support.tiny_training import SIDE, repeat_pixels
from tilewright.testing import make_picture


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Restricts PyTorch to one thread, which is faster for such small pictures."""
    torch = sys.modules.get("torch")
    if torch is None:  # not used by this module
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder with three pictures, and one small shard of each split."""
    from training import shards
    from training.gather import list_pictures
    from training.targets import degraded_crops

    folder = tmp_path_factory.mktemp("training")
    (folder / "photos").mkdir()
    for number in range(3):
        Image.fromarray(make_picture(90 + 20 * number, 120)).save(folder / "photos" / f"{number}.png")
    photos = list_pictures(folder / "photos")
    for split, number, count in (("train", 0, 6), ("held-out", 1, 3)):
        inputs = degraded_crops(number, photos, size=SIDE, count=count)
        shards.write(folder / split, number, inputs, np.stack([repeat_pixels(crop) for crop in inputs]))
    return folder


@pytest.fixture(scope="session")
def published():
    """The weights of the published network, realesr-animevideov3."""
    from training.network import published_weights

    return published_weights()


@pytest.fixture(scope="session")
def small_start(tmp_path_factory):
    """A checkpoint of a network with 8 channels and 2 layers.

    Its steps take about a fiftieth of the time of those of the published network.
    """
    import torch

    from training import checkpoints
    from training.network import Network

    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = Network(4, channels=8, body=2).state_dict()
    path = tmp_path_factory.mktemp("small") / "x4.pt"
    checkpoints.save(path, {"average": weights})
    return path
