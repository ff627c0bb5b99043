"""Tests of the training: learning, and continuing from checkpoints."""
# ruff: noqa: E402

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from support.paths import ROOT
from support.tiny_training import tiny_plan

torch = pytest.importorskip("torch", reason="needs the dependency group training")

from training import checkpoints, shards
from training.batches import as_tensor, random_batch
from training.network import body_of
from training.train import main, run, start_training, validate


def test_random_network_starts_as_nearest_neighbour_and_learns(tmp_path):
    size = {"channels": 8, "body": 2}
    training = start_training(tiny_plan(steps=100, rate=2e-3), tmp_path / "x4.pt", None, **size)
    assert (body_of(training.average), training.average["head.weight"].shape[1]) == (2, 8)
    picture = np.arange(0, 240, 20, np.uint8)[None, None, :, None].repeat(12, axis=1).repeat(3, axis=3)
    repeated = picture.repeat(4, axis=1).repeat(4, axis=2)
    with torch.no_grad():
        torch.testing.assert_close(training.averaged()(as_tensor(picture)), as_tensor(repeated), rtol=0, atol=0)
    same = start_training(tiny_plan(), tmp_path / "x4.pt", None, **size).average
    assert all(torch.equal(value, same[name]) for name, value in training.average.items())
    distances = [training.train_step(picture, repeated // 2) for _ in range(80)]
    assert distances[-1] < 0.9 * distances[0]


def test_refuses_a_checkpoint_of_another_size(tmp_path):
    random = start_training(tiny_plan(), tmp_path / "none.pt", None, channels=8, body=2)
    checkpoints.save(tmp_path / "x4.pt", random.state())
    assert body_of(start_training(tiny_plan(), tmp_path / "x4.pt", None).average) == 2
    with pytest.raises(ValueError, match="has 2 layers, not 3"):
        start_training(tiny_plan(), tmp_path / "x4.pt", None, body=3)
    with pytest.raises(ValueError, match="has 8 channels, not 16"):
        start_training(tiny_plan(), tmp_path / "x4.pt", None, channels=16)
    with pytest.raises(ValueError, match="exclude each other"):
        start_training(tiny_plan(), tmp_path / "none.pt", tmp_path / "x4.pt", channels=8)


def test_refuses_a_checkpoint_of_another_factor_or_part(data, small_start, tmp_path):
    training = start_training(tiny_plan(steps=1), tmp_path / "x4.pt", small_start)
    run(training, data, tmp_path / "x4.pt", save_every=1, report_every=1)
    with pytest.raises(ValueError, match="for factor 4, not 2"):
        start_training(tiny_plan(scale=2), tmp_path / "x4.pt", None)
    with pytest.raises(ValueError, match="trains the whole network, not the head"):
        start_training(tiny_plan(head_only=True), tmp_path / "x4.pt", None)
    started = start_training(tiny_plan(scale=2, steps=1), tmp_path / "x2.pt", tmp_path / "x4.pt")
    run(started, data, tmp_path / "x2.pt", save_every=1, report_every=1)
    assert checkpoints.load(tmp_path / "x2.pt")["scale"] == 2
    head = start_training(tiny_plan(head_only=True), tmp_path / "none.pt", small_start)
    checkpoints.save(tmp_path / "head.pt", head.state())
    with pytest.raises(ValueError, match="trains the head, not the whole network"):
        start_training(tiny_plan(), tmp_path / "head.pt", None)


def test_added_layers_learn(data, tmp_path):
    plan = tiny_plan(count=1, steps=3)
    training = start_training(plan, tmp_path / "x4.pt", None, body=18)
    initial = {name: value.clone() for name, value in training.network.state_dict().items()}
    run(training, data, tmp_path / "x4.pt", save_every=100, report_every=100)
    trained = start_training(plan, tmp_path / "x4.pt", None, body=18).network.state_dict()
    assert len(trained) == len(initial)
    assert not any(torch.equal(value, initial[name]) for name, value in trained.items())


def test_learning_rate_rises_and_decays_to_zero():
    rates = [tiny_plan(steps=100, warm_up=10).rate_at(step) for step in range(101)]
    assert int(np.argmax(rates)) in (9, 10)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))


def test_training_improves_the_published_network(data, tmp_path):
    training = start_training(tiny_plan(steps=8), tmp_path / "x4.pt", None)
    held_out = shards.Shards(data / "held-out")
    before, _ = validate(training.averaged(), held_out)
    run(training, data, tmp_path / "x4.pt", save_every=4, report_every=8)
    after, _ = validate(training.averaged(), held_out)
    assert after > before + 0.2


@pytest.mark.parametrize("critic", [0.0, 0.01])
def test_interrupted_training_gives_the_result_of_an_uninterrupted_one(data, small_start, tmp_path, critic):
    plan = tiny_plan(critic=critic, steps=6)
    whole, halves = tmp_path / "whole.pt", tmp_path / "halves.pt"
    run(start_training(plan, whole, small_start), data, whole, save_every=100, report_every=100)
    half = start_training(plan, halves, small_start)
    for step in range(3):
        rng = np.random.default_rng([0, step])
        half.train_step(*random_batch(shards.Shards(data / "train"), rng, count=2, side=16, scale=4))
    checkpoints.save(halves, half.state())
    run(start_training(plan, halves, None), data, halves, save_every=100, report_every=100)
    expected, found = checkpoints.load(whole), checkpoints.load(halves)
    initial = checkpoints.load(small_start)["average"]
    assert found["step"] == expected["step"] == 6
    for name, value in expected["network"].items():
        assert not torch.equal(value, initial[name])
        torch.testing.assert_close(found["network"][name], value, rtol=0, atol=1e-6)


def test_weight_of_a_late_critic_rises_from_zero(data, small_start, tmp_path):
    pairs = shards.Shards(data / "train")
    begun = start_training(tiny_plan(), tmp_path / "none.pt", small_start)
    for step in range(3):
        begun.train_step(*random_batch(pairs, np.random.default_rng([0, step]), count=2, side=16, scale=4))
    checkpoints.save(tmp_path / "x4.pt", begun.state())
    without, late = (
        start_training(tiny_plan(critic=critic, warm_up=6), tmp_path / "x4.pt", None) for critic in (0.0, 10.0)
    )
    differences = []
    for step in range(3, 6):
        for training in (without, late):
            training.train_step(*random_batch(pairs, np.random.default_rng([0, step]), count=2, side=16, scale=4))
        weights = [training.network.head.weight.detach() for training in (without, late)]
        differences.append((weights[0] - weights[1]).abs().max().item())
    assert differences[0] == 0
    assert 0 < differences[1] < differences[2]


def test_killed_training_continues_from_its_checkpoint(data, small_start, tmp_path, monkeypatch, capsys):
    checkpoint = tmp_path / "x4.pt"
    arguments = ["--count", "1", "--side", "8", "--save-every", "1", "--report-every", "1"]
    arguments += ["--data", str(data), "--checkpoint", str(checkpoint), "--start", str(small_start)]
    command = [sys.executable, "-m", "training.train", *arguments, "--steps", "1000000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    # It is killed during a step or while it writes a checkpoint.
    for _ in range(4):
        killed.stdout.readline()
    os.kill(killed.pid, signal.SIGKILL)
    killed.stdout.close()
    assert killed.wait() == -signal.SIGKILL
    reached = checkpoints.load(checkpoint)["step"]
    assert reached >= 3
    monkeypatch.setattr(sys, "argv", ["train", *arguments, "--steps", str(reached + 1)])
    main()
    assert f"from step {reached} of {reached + 1}" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["train", *arguments, "--body", "3"])
    with pytest.raises(SystemExit) as refused:
        main()
    printed = capsys.readouterr()
    assert (refused.value.code, printed.out) == (2, "")
    assert "the checkpoint's network has 2 layers, not 3" in printed.err
    assert checkpoints.load(checkpoint)["step"] == reached + 1


def test_head_only_training_changes_only_the_head(data, tmp_path):
    training = start_training(tiny_plan(scale=2, head_only=True, steps=6), tmp_path / "x2.pt", None)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    held_out = shards.Shards(data / "held-out")
    initial, _ = validate(training.averaged(), held_out)
    run(training, data, tmp_path / "x2.pt", save_every=100, report_every=100)
    for name, value in training.network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("body.")
    assert validate(training.averaged(), held_out)[0] > initial
