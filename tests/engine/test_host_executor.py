"""The host executor, with a fake network."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.jobs import run_layers, run_picture
from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.layers import alpha_layers, colour_layers, is_grey
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sinks import ArraySink, BandSink
from tilewright.errors import InferenceError
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession, make_picture


def run_tiled(picture, session, **plan_options):
    """Returns the result, the progress updates, the float32 session and the plan."""
    height, width, channels = picture.shape
    scale = session.spec.scale
    target = np.zeros((height * scale, width * scale, channels), picture.dtype)
    updates = []
    plan = plan_tiles(width, height, session.spec, **plan_options)
    exact = FakeSession(session.spec)
    run_picture(picture, plan, session, ArraySink(target), exact_session=lambda: exact, on_progress=updates.append)
    return target, updates, exact, plan


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    tile=st.integers(1, 200),
    spec=st.builds(
        ModelSpec,
        name=st.just("fake"),
        scale=st.integers(1, 4),
        halo=st.integers(0, 24),
        feather=st.integers(0, 12),
        multiple_of=st.sampled_from([1, 2, 4]),
        minimum=st.sampled_from([1, 8]),
        value_range=st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]),
        channel_order=st.sampled_from(["RGB", "Y"]),
    ),
)
@settings(max_examples=60)
def test_result_is_the_repeated_picture_for_any_tile_size(height, width, channels, dtype, tile, spec):
    picture = make_picture(height, width, channels, dtype)
    result, updates, _, plan = run_tiled(picture, FakeSession(spec), tile=tile)
    np.testing.assert_array_equal(result, picture.repeat(spec.scale, 0).repeat(spec.scale, 1))
    assert [progress.done for progress in updates] == list(range(updates[-1].total + 1))
    assert updates[-1].rows == height * spec.scale
    assert updates[-1].pixels == updates[-1].total * plan.tile_width * plan.tile_height


def test_colour_network_gets_grey_and_alpha_in_three_equal_channels():
    results = []
    session = FakeSession(spoil=lambda _, result: results.append(result.copy()))
    run_tiled(make_picture(8, 8, 2), session)
    for result in results:
        np.testing.assert_array_equal(result[0, 0], result[0, 1])
        np.testing.assert_array_equal(result[0, 0], result[0, 2])
    assert len(results) == 2


def tint(_, result):
    """Tints a result, as networks do with neutral pixels."""
    result[:, 0] += 0.125
    result[:, -1] -= 0.25


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("order", ["RGB", "Y"])
def test_rgb_with_equal_channels_is_upscaled_as_grey(order, channels, dtype):
    grey = make_picture(70, 50, channels - 2, dtype)
    picture = np.concatenate([grey[:, :, :1], grey[:, :, :1], grey], axis=2)
    spec = ModelSpec(name="fake", scale=2, channel_order=order)
    session, reference = FakeSession(spec, spoil=tint), FakeSession(spec, spoil=tint)
    result, _, _, _ = run_tiled(picture, session, tile=40)
    wanted, _, _, _ = run_tiled(grey, reference, tile=40)
    for channel in range(3):
        np.testing.assert_array_equal(result[:, :, channel], wanted[:, :, 0])
    np.testing.assert_array_equal(result[:, :, 3:], wanted[:, :, 1:])
    assert len(session.batches) == len(reference.batches)


@pytest.mark.parametrize("position", [(0, 0, 0), (64, 3, 1), (69, 49, 2)])
def test_one_pixel_with_a_colour_makes_a_picture_coloured(position):
    picture = make_picture(70, 50, 1).repeat(3, axis=2)
    assert is_grey(picture)
    picture[position] ^= 1
    assert not is_grey(picture)
    result, _, _, _ = run_tiled(picture, FakeSession(spoil=tint))
    assert (result[:, :, 0] != result[:, :, 2]).any()


@pytest.mark.parametrize("order", ["RGB", "Y"])
@pytest.mark.parametrize("alpha", [0, 137, 255])
def test_constant_alpha_does_not_go_through_the_network(order, alpha):
    picture = make_picture(20, 24, 4)
    picture[:, :, 3] = alpha
    session = FakeSession(ModelSpec(name="fake", scale=2, channel_order=order))
    result, _, _, _ = run_tiled(picture, session)
    assert (result[:, :, 3] == alpha).all()
    assert len(session.batches) == (1 if order == "RGB" else 3)


def spoil_tile(number, value):
    """Returns a function that writes a value into the result of one run of the network."""

    def spoil(run_number, result):
        if run_number == number:
            result[0, 1, 32, 32] = value

    return spoil


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonfinite_tile_is_repeated_in_float32(value):
    picture = make_picture(64, 100)
    session = FakeSession(precision="bf16", spoil=spoil_tile(3, value))
    result, _, exact, _ = run_tiled(picture, session, tile=32)
    np.testing.assert_array_equal(result, picture.repeat(2, 0).repeat(2, 1))
    assert len(exact.batches) == 1, "only the nonfinite tile is repeated"


def test_tile_that_is_nonfinite_in_float32_too_raises_an_error_with_its_position():
    picture = make_picture(64, 100)
    session = FakeSession(precision="bf16", spoil=spoil_tile(3, np.nan))
    plan = plan_tiles(100, 64, session.spec, tile=32)
    target = np.zeros((128, 200, 3), np.uint8)
    exact = FakeSession(spoil=spoil_tile(0, np.nan))
    with pytest.raises(InferenceError, match=r"fake returned 1 non-finite values for the tile at \(68, 0\)"):
        run_picture(picture, plan, session, ArraySink(target), exact_session=lambda: exact)


def test_bands_are_delivered_from_top_to_bottom_as_soon_as_they_are_finished():
    picture = make_picture(90, 70, 4)
    session = FakeSession()
    bands, runs = [], []

    def write(colour, alpha):
        bands.append((colour.copy(), alpha.copy()))
        runs.append(len(session.batches))

    sink = BandSink(140, [3, 1], np.dtype(np.uint8), write)
    colour, alpha = picture[:, :, :3].copy(), picture[:, :, 3:].copy()
    layers = colour_layers(colour, session.spec) + alpha_layers(alpha, session.spec, target=1)
    plan = plan_tiles(70, 90, session.spec, tile=32)
    run_layers(layers, plan, session, sink)
    assert len(bands) == plan.rows == 3
    result = np.concatenate([np.concatenate(planes, axis=2) for planes in bands])
    np.testing.assert_array_equal(result, picture.repeat(2, 0).repeat(2, 1))
    assert runs[0] < len(session.batches), "the first band is delivered before the last tile runs"


def test_next_tile_is_handed_to_the_network_before_the_previous_one_is_blended():
    events = []

    class RecordingSession(FakeSession):
        def run(self, batch, result=None):
            events.append("begin")
            time.sleep(0.002)
            events.append("end")
            return super().run(batch, result)

    session = RecordingSession()
    picture = make_picture(64, 64)
    run_picture(
        picture,
        plan_tiles(64, 64, session.spec, tile=32),
        session,
        ArraySink(np.empty((128, 128, 3), np.uint8)),
        on_progress=lambda progress: events.append(progress.done),
    )
    for done in range(1, 4):
        assert events[: events.index(done)].count("begin") >= done, "the next tile has been handed over"
    assert events.count("begin") == events.count("end") == 4


def test_exception_from_the_progress_callback_stops_the_work():
    session = FakeSession()
    picture = make_picture(64, 64)
    target = np.zeros((128, 128, 3), np.uint8)

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    plan = plan_tiles(64, 64, session.spec, tile=16)
    with pytest.raises(KeyboardInterrupt):
        run_picture(picture, plan, session, ArraySink(target), on_progress=stop)
    assert len(session.batches) == 3, "only the tile that is in the network finishes"


def test_picture_that_starts_during_another_gets_its_own_buffers():
    session, executor = FakeSession(), HostExecutor()
    inner, outer = make_picture(40, 40), make_picture(64, 64) // 2

    def upscale(picture, on_progress=None):
        target = np.zeros((picture.shape[0] * 2, picture.shape[1] * 2, 3), np.uint8)
        plan = plan_tiles(picture.shape[1], picture.shape[0], session.spec, tile=32)
        run_picture(picture, plan, session, ArraySink(target), executor=executor, on_progress=on_progress)
        return target

    def run_inner(progress):
        if progress.done == 1:
            np.testing.assert_array_equal(upscale(inner), inner.repeat(2, 0).repeat(2, 1))

    np.testing.assert_array_equal(upscale(outer, run_inner), outer.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("change", ["nothing", "session", "shape"])
def test_buffers_are_reused_for_the_same_session_and_tile_shape_only(change):
    """Another session may return another dtype, so its buffers are not reused."""
    executor, made = HostExecutor(), []

    class CountingSession(FakeSession):
        def new_result(self, shape):
            made.append(shape)
            return super().new_result(shape)

    session = CountingSession()
    for number, side in enumerate((64, 80 if change == "shape" else 64)):
        picture = make_picture(side, 64)
        target = np.zeros((2 * side, 128, 3), np.uint8)
        plan = plan_tiles(64, side, session.spec, tile=side)
        run_picture(picture, plan, session, ArraySink(target), executor=executor)
        assert len(made) == (1 if number == 0 or change == "nothing" else 2)
        if change == "session":
            session = CountingSession()
