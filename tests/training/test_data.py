"""Tests of the training data: pictures, splits, shards and batches."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.tiny_training import SIDE, repeat_pixels, tiny_plan
from tilewright.testing import make_picture

pytest.importorskip("torch", reason="needs the dependency group training")

from training import shards, targets
from training.batches import random_batch, random_patch, rescale_target
from training.evaluate import mean_gradient, psnr
from training.gather import copy_as_jpeg, list_pictures
from training.pages import draw_collage, draw_text_page
from training.prefetch import prefetch
from training.targets import degraded_crops, is_held_out, list_split
from training.train import prefetched_batches


def test_prefetch_stays_within_its_depth():
    made = []
    with ThreadPoolExecutor(1) as pool:
        results = prefetch(pool, lambda item: made.append(item) or item * item, range(10), 3)
        assert next(results) == 0
        pool.submit(int).result()  # runs after everything submitted before it
        assert made == [0, 1, 2, 3]
        assert list(results) == [item * item for item in range(1, 10)]


def test_shard_contains_the_results_of_the_teacher(data):
    pairs = shards.Shards(data / "train")
    assert len(pairs) == 6
    for index in range(len(pairs)):
        picture, target = pairs[index]
        np.testing.assert_array_equal(target, repeat_pixels(picture))


def test_targets_are_computed_by_several_processes_and_existing_shards_are_kept(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        targets, "load_teacher", lambda: lambda crops: np.stack([repeat_pixels(crop) for crop in crops])
    )
    monkeypatch.setattr(sys, "argv", ["targets", "--data", str(tmp_path), "--shards", "3", "--workers", "2"])
    with pytest.raises(SystemExit):
        targets.main()
    assert "run training.gather first" in capsys.readouterr().err
    copy_as_jpeg(data / "photos", tmp_path / "photos")
    shards.write(tmp_path / "train", 1, *(np.zeros((1, side, side, 3), np.uint8) for side in (4, 16)))
    targets.main()
    assert capsys.readouterr().out.splitlines() == ["train: 1 of 3 shards", "train: 3 of 3 shards"]
    pairs = shards.Shards(tmp_path / "train")
    assert len(pairs) == 2 * targets.PER_SHARD + 1
    wanted = degraded_crops(2, list_split(tmp_path / "photos", "train"))
    for row, crop in enumerate(wanted):
        inputs, result = pairs[targets.PER_SHARD + 1 + row]
        np.testing.assert_array_equal(inputs, crop)
        np.testing.assert_array_equal(result, repeat_pixels(crop))


def test_jpeg_copies_are_close_and_belong_to_the_same_split(data, tmp_path):
    copy_as_jpeg(data / "photos", tmp_path)
    for copy in list_pictures(tmp_path):
        photo = data / "photos" / f"{copy.stem}.png"
        assert psnr(*(np.asarray(Image.open(path).convert("RGB")) for path in (copy, photo))) > 30
        assert is_held_out(copy) == is_held_out(photo)
    assert len(list_pictures(tmp_path)) == 3


def test_shard_without_inputs_is_incomplete(data, tmp_path):
    assert shards.exists(data / "train", 0)
    np.save(tmp_path / "00000.targets.npy", np.zeros(1))
    assert not shards.exists(tmp_path, 0)
    with pytest.raises(FileNotFoundError, match=r"run training\.targets first"):
        shards.Shards(tmp_path)


def test_splits_are_disjoint(tmp_path):
    for number in range(60):
        (tmp_path / f"photo{number}.png").touch()
    train, held_out = (set(list_split(tmp_path, split)) for split in ("train", "held-out"))
    assert not train & held_out
    assert len(train | held_out) == 60
    assert 2 <= len(held_out) <= 16
    assert is_held_out(Path("mate-Dune.png"))
    assert not any(is_held_out(Path(f"openclipart-png-{number}.png")) for number in range(20)), "they share drawings"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_input_and_target_of_a_patch_match(scale):
    picture = make_picture(SIDE, SIDE)
    target = repeat_pixels(picture)
    for seed in range(8):
        inputs, targets = random_patch(picture, target, np.random.default_rng(seed), side=12, scale=scale)
        assert inputs.shape == (12, 12, 3)
        assert targets.shape == (12 * scale, 12 * scale, 3)
        reduced = targets.reshape(12, scale, 12, scale, 3).mean(axis=(1, 3))
        # Lanczos overshoots at the edges of repeated pixels. A rotated or shifted patch differs by
        # far more.
        assert np.abs(reduced - inputs).mean() < 3
    assert rescale_target(target, scale).shape[0] == SIDE * scale


def test_batches_are_in_the_order_of_their_steps(data):
    pairs = shards.Shards(data / "train")
    steps = range(3, 30)
    found = list(prefetched_batches(tiny_plan(), pairs, steps))
    assert len(found) == len(steps)
    for step, batch in zip(steps, found, strict=True):
        wanted = random_batch(pairs, np.random.default_rng([0, step]), count=2, side=16, scale=4)
        for got, want in zip(batch, wanted, strict=True):
            np.testing.assert_array_equal(got, want)


def test_text_page_is_reproducible_and_not_empty():
    drawn = [np.asarray(draw_text_page(np.random.default_rng(3), side=128)) for _ in range(2)]
    np.testing.assert_array_equal(*drawn)
    assert mean_gradient(drawn[0]) > 1


def test_collage_is_reproducible_and_shows_its_drawings(tmp_path):
    drawing = np.zeros((40, 60, 4), np.uint8)
    drawing[10:30, 10:50] = (255, 0, 0, 255)
    Image.fromarray(drawing).save(tmp_path / "red.png")
    pages = [np.asarray(draw_collage(np.random.default_rng(3), [tmp_path / "red.png"], side=256)) for _ in range(2)]
    np.testing.assert_array_equal(*pages)
    assert 0.2 < (pages[0] == (255, 0, 0)).all(axis=2).mean() < 1
