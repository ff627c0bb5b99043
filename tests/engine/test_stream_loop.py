"""Pictures as streams through the native engine, with a network that repeats pixels."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper

from support import networks
from support.jobs import run_layers, run_picture
from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.job import PictureShape, TileLimits
from tilewright.engine.layers import alpha_layers, colour_layers
from tilewright.engine.sessions.native import NativeSession
from tilewright.engine.sinks import ArraySink, BandSink
from tilewright.errors import InferenceError
from tilewright.limits import NARROWEST
from tilewright.models.spec import Model, ModelSpec
from tilewright.testing import make_picture

SCALE = 2

# Width for which bands take less memory than a picture of a few hundred rows.
WIDE = 700


def copying(outputs, inputs, sources):
    """Weights of a convolution 3x3 that copies channels: output i is input ``sources[i]``."""
    weights = np.zeros((outputs, inputs, 3, 3), np.float32)
    for output, source in enumerate(sources):
        weights[output, source, 1, 1] = 1
    return weights


def repeating(path, *, adds_input):
    """Writes a network that repeats pixels; with `adds_input`, it halves them before it adds the input."""
    first, last = copying(16, 3, range(3)), copying(12, 16, [i // 4 for i in range(12)])
    constants = {"first": first, "last": last * (0.5 if adds_input else 1), "twice": np.array([1, 1, 2, 2], np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "last"], ["b"], pads=[1] * 4),
        helper.make_node("DepthToSpace", ["b"], ["c" if adds_input else "y"], blocksize=SCALE, mode="CRD"),
    ]
    if adds_input:
        nodes.append(networks.resize("x", "larger", "twice", **networks.REPEAT))
        nodes.append(helper.make_node("Add", ["c", "larger"], ["y"]))
    onnx.save(networks.network(nodes, constants), path)
    return Model(path, ModelSpec(name="repeating", scale=SCALE, receptive_radius=2, halo=2))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "repeating.onnx"
    return NativeSession(repeating(path, adds_input=False), threads=2)


def plan_of(session, width, height, **limits):
    return HostExecutor().plan(PictureShape(width, height, 0, 0), session, TileLimits(**limits))


def stream(picture, session, **options):
    height, width, channels = picture.shape
    target = np.zeros((height * SCALE, width * SCALE, channels), picture.dtype)
    plan = plan_of(session, width, height)
    assert plan.is_bands == (min(height, width) >= NARROWEST)  # narrower ones are mirrored, see the planner
    run_picture(picture, plan, session, ArraySink(target), **options)
    return target, plan


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 9), (3, 90), (90, 3), (97, WIDE), (300, WIDE), (201, 203)])
def test_result_is_the_repeated_picture(session, size, channels, dtype):
    picture = make_picture(*size, channels, dtype)
    updates = []
    result, plan = stream(picture, session, on_progress=updates.append)
    np.testing.assert_array_equal(result, picture.repeat(SCALE, 0).repeat(SCALE, 1))
    assert [progress.done for progress in updates] == list(range(updates[-1].total + 1))
    assert updates[-1].total >= len(plan) * (2 if channels in (2, 4) else 1)
    assert updates[-1].rows == size[0] * SCALE
    assert [progress.rows for progress in updates] == sorted(progress.rows for progress in updates)
    if plan.is_bands:
        assert updates[-1].pixels == size[0] * size[1] * (2 if channels in (2, 4) else 1)


def test_input_that_is_added_belongs_to_the_same_rows(tmp_path):
    halving = NativeSession(repeating(tmp_path / "halving.onnx", adds_input=True), threads=2)
    picture = make_picture(300, WIDE) // 2
    result, plan = stream(picture, halving)
    assert len(plan) > 3
    np.testing.assert_allclose(result, np.floor(picture * 1.5 + 0.5).repeat(SCALE, 0).repeat(SCALE, 1), atol=1)


def test_bands_are_delivered_from_top_to_bottom_as_soon_as_they_are_finished(session):
    picture = make_picture(300, WIDE, 4)
    bands, updates, at = [], [], []

    def write(colour, alpha):
        bands.append((colour.copy(), alpha.copy()))
        at.append(updates[-1].done if updates else 0)

    sink = BandSink(WIDE * SCALE, [3, 1], np.dtype(np.uint8), write)
    colour, alpha = picture[:, :, :3].copy(), picture[:, :, 3:].copy()
    layers = colour_layers(colour, session.spec) + alpha_layers(alpha, session.spec, target=1)
    plan = plan_of(session, WIDE, 300)
    run_layers(layers, plan, session, sink, on_progress=updates.append)
    assert len(bands) == len(plan) > 3
    result = np.concatenate([np.concatenate(planes, axis=2) for planes in bands])
    np.testing.assert_array_equal(result, picture.repeat(SCALE, 0).repeat(SCALE, 1))
    assert at[0] < updates[-1].total / 2, "the first band is delivered long before the last one is computed"


def test_constant_alpha_does_not_go_through_the_network(session):
    picture = make_picture(40, 50, 4)
    picture[:, :, 3] = 137
    updates = []
    result, _ = stream(picture, session, on_progress=updates.append)
    assert (result[:, :, 3] == 137).all()
    assert updates[-1].pixels == 40 * 50, "only the colours"


def test_result_that_is_not_finite_is_an_error_with_its_position(tmp_path):
    model = repeating(tmp_path / "broken.onnx", adds_input=False)
    graph = onnx.load(model.path)
    first = next(tensor for tensor in graph.graph.initializer if tensor.name == "first")
    first.CopyFrom(onnx.numpy_helper.from_array(np.full((16, 3, 3, 3), 3e38, np.float32), "first"))
    onnx.save(graph, model.path)
    picture = np.zeros((200, WIDE, 3), np.uint8)
    picture[150:] = 255
    with pytest.raises(InferenceError, match=r"repeating returned \d+ non-finite values for the tile at \(0, 1\d\d\)"):
        stream(picture, NativeSession(model, threads=1))


def test_exception_from_the_progress_callback_stops_the_work(session):
    updates = []

    def stop(progress):
        updates.append(progress)
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(make_picture(300, WIDE), session, on_progress=stop)
    assert updates[-1].done == 2 < updates[-1].total
    picture = make_picture(300, WIDE)
    np.testing.assert_array_equal(stream(picture, session)[0], picture.repeat(SCALE, 0).repeat(SCALE, 1))


def test_progress_of_a_deep_network_begins_before_its_first_result(tmp_path):
    constants = {"first": copying(16, 3, range(3)), "body": copying(16, 16, range(16))}
    constants["last"] = copying(12, 16, [i // 4 for i in range(12)])
    nodes, last = [helper.make_node("Conv", ["x", "first"], ["a0"], pads=[1] * 4)], "a0"
    for i in range(1, 40):
        nodes.append(helper.make_node("Conv", [last, "body"], [f"a{i}"], pads=[1] * 4))
        last = f"a{i}"
    nodes.append(helper.make_node("Conv", [last, "last"], ["b"], pads=[1] * 4))
    nodes.append(helper.make_node("DepthToSpace", ["b"], ["y"], blocksize=SCALE, mode="CRD"))
    onnx.save(networks.network(nodes, constants), tmp_path / "deep.onnx")
    deep = NativeSession(Model(tmp_path / "deep.onnx", ModelSpec(name="deep", scale=SCALE)), threads=2)
    updates = []
    stream(make_picture(900, WIDE), deep, on_progress=updates.append)
    before_first_rows = sum(progress.rows == 0 for progress in updates)
    assert before_first_rows > 4
    assert [progress.pixels for progress in updates] == sorted(progress.pixels for progress in updates)


@pytest.mark.parametrize("limits", [{"tile": 64}, {"memory_budget": 2_000_000}])
def test_limits_that_a_stream_cannot_keep_give_tiles(session, limits):
    plan = plan_of(session, WIDE, 300, **limits)
    assert not plan.is_bands
    assert len(plan) > 1
    picture = make_picture(300, WIDE)
    target = np.zeros((600, WIDE * SCALE, 3), np.uint8)
    run_picture(picture, plan, session, ArraySink(target))
    np.testing.assert_array_equal(target, picture.repeat(SCALE, 0).repeat(SCALE, 1))


def test_memory_of_a_stream_depends_on_the_width_only(session):
    executor = HostExecutor()

    def memory(width, height, layers=1):
        shape = PictureShape(width, height, pixel_bytes=0, band_pixel_bytes=3, layers=layers)
        return executor.memory(shape, session, executor.plan(shape, session, TileLimits()))

    assert memory(WIDE, 50_000) == memory(WIDE, 5_000)
    assert memory(2 * WIDE, 5_000) < 3 * memory(WIDE, 5_000)
    assert memory(WIDE, 5_000, layers=2) > 1.9 * memory(WIDE, 5_000), "both streams are open at the same time"


def test_a_stream_of_a_deep_network_may_take_the_memory_of_its_tiles(session, monkeypatch):
    """Its tiles would be mostly halo."""
    deep = copy.copy(session)
    deep.spec = replace(session.spec, halo=100)
    monkeypatch.setattr("tilewright.engine.host.executor.default_memory_budget", lambda: 2_000_000)
    monkeypatch.setattr("tilewright.engine.planner.default_memory_budget", lambda: 2_000_000)
    for extended, is_bands in ((50_000_000, True), (2_000_000, False)):
        monkeypatch.setattr("tilewright.engine.host.executor.extended_memory_budget", lambda size=extended: size)
        monkeypatch.setattr("tilewright.engine.planner.extended_memory_budget", lambda size=extended: size)
        assert plan_of(deep, WIDE, 3000).is_bands == is_bands
    assert not plan_of(deep, WIDE, 3000, memory_budget=2_000_000).is_bands
