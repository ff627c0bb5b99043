"""The loop over the plan, with a network that needs no weights."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.jobs import run_layers, run_picture
from tilewright.engine.buffers import BufferPool
from tilewright.engine.host.executor import HostExecutor
from tilewright.engine.layers import alpha_layers, colour_layers
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sinks import ArraySink, BandSink
from tilewright.errors import InferenceError
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession, make_picture


def enlarge(picture, session, **plan_options):
    height, width, channels = picture.shape
    scale = session.spec.scale
    target = np.zeros((height * scale, width * scale, channels), picture.dtype)
    heard = []
    plan = plan_tiles(width, height, session.spec, **plan_options)
    exact = FakeSession(session.spec)
    run_picture(picture, plan, session, ArraySink(target), exact_session=lambda: exact, on_progress=heard.append)
    return target, heard, exact, plan


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
def test_whatever_the_tiles_the_result_is_the_picture_repeated(height, width, channels, dtype, tile, spec):
    picture = make_picture(height, width, channels, dtype)
    result, heard, _, plan = enlarge(picture, FakeSession(spec), tile=tile)
    np.testing.assert_array_equal(result, picture.repeat(spec.scale, 0).repeat(spec.scale, 1))
    assert [progress.done for progress in heard] == list(range(heard[-1].total + 1))
    assert heard[-1].rows == height * spec.scale
    assert heard[-1].pixels == heard[-1].total * plan.tile_width * plan.tile_height


def test_alpha_and_grey_are_shown_to_a_colour_network_as_grey():
    seen = []
    session = FakeSession(spoil=lambda _, result: seen.append(result.copy()))
    enlarge(make_picture(8, 8, 2), session)
    for result in seen:
        np.testing.assert_array_equal(result[0, 0], result[0, 1])
        np.testing.assert_array_equal(result[0, 0], result[0, 2])
    assert len(seen) == 2


@pytest.mark.parametrize("order", ["RGB", "Y"])
@pytest.mark.parametrize("alpha", [0, 137, 255])
def test_alpha_that_is_the_same_everywhere_does_not_go_through_the_network(order, alpha):
    picture = make_picture(20, 24, 4)
    picture[:, :, 3] = alpha
    session = FakeSession(ModelSpec(name="fake", scale=2, channel_order=order))
    result, _, _, _ = enlarge(picture, session)
    assert (result[:, :, 3] == alpha).all()
    assert len(session.batches) == (1 if order == "RGB" else 3)


def spoil_tile(number, value):
    def spoil(run_number, result):
        if run_number == number:
            result[0, 1, 32, 32] = value

    return spoil


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_tile_that_is_not_finite_is_run_again_in_float32(value):
    picture = make_picture(64, 100)
    session = FakeSession(precision="bf16", spoil=spoil_tile(3, value))
    result, _, exact, _ = enlarge(picture, session, tile=32)
    np.testing.assert_array_equal(result, picture.repeat(2, 0).repeat(2, 1))
    assert len(exact.batches) == 1, "only the spoilt tile"


def test_a_tile_that_stays_not_finite_is_an_error_that_says_where():
    picture = make_picture(64, 100)
    session = FakeSession(precision="bf16", spoil=spoil_tile(3, np.nan))
    plan = plan_tiles(100, 64, session.spec, tile=32)
    target = np.zeros((128, 200, 3), np.uint8)
    exact = FakeSession(spoil=spoil_tile(0, np.nan))
    with pytest.raises(InferenceError, match=r"fake returned 1 non-finite values for the tile at \(68, 0\)"):
        run_picture(picture, plan, session, ArraySink(target), exact_session=lambda: exact)


def test_bands_come_from_top_to_bottom_each_when_it_is_finished():
    picture = make_picture(90, 70, 4)
    session = FakeSession()
    bands, ran = [], []

    def write(colour, alpha):
        bands.append((colour.copy(), alpha.copy()))
        ran.append(len(session.batches))

    sink = BandSink(140, [3, 1], np.dtype(np.uint8), write)
    colour, alpha = picture[:, :, :3].copy(), picture[:, :, 3:].copy()
    layers = colour_layers(colour, session.spec) + alpha_layers(alpha, session.spec, target=1)
    plan = plan_tiles(70, 90, session.spec, tile=32)
    run_layers(layers, plan, session, sink)
    assert len(bands) == plan.rows == 3
    result = np.concatenate([np.concatenate(planes, axis=2) for planes in bands])
    np.testing.assert_array_equal(result, picture.repeat(2, 0).repeat(2, 1))
    assert ran[0] < len(session.batches), "the first band while the network has tiles left"


def test_the_network_never_waits_for_the_blend():
    """Each tile is handed to the network before the one before it is blended."""
    events = []

    class Watched(FakeSession):
        def run(self, batch, result=None):
            events.append("begin")
            time.sleep(0.002)
            events.append("end")
            return super().run(batch, result)

    session = Watched()
    picture = make_picture(64, 64)
    run_picture(
        picture,
        plan_tiles(64, 64, session.spec, tile=32),
        session,
        ArraySink(np.empty((128, 128, 3), np.uint8)),
        on_progress=lambda progress: events.append(progress.done),
    )
    for done in range(1, 4):
        assert events[: events.index(done)].count("begin") >= done, "handed over; it may only just begin"
    assert events.count("begin") == events.count("end") == 4


def test_an_exception_from_the_listener_stops_the_work():
    session = FakeSession()
    picture = make_picture(64, 64)
    target = np.zeros((128, 128, 3), np.uint8)

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    plan = plan_tiles(64, 64, session.spec, tile=16)
    with pytest.raises(KeyboardInterrupt):
        run_picture(picture, plan, session, ArraySink(target), on_progress=stop)
    assert len(session.batches) == 3, "the one that was in the network is let finish"


def test_a_picture_that_starts_during_another_gets_its_own_buffers():
    session, executor = FakeSession(), HostExecutor()
    inner, outer = make_picture(40, 40), make_picture(64, 64) // 2

    def enlarged(picture, on_progress=None):
        target = np.zeros((picture.shape[0] * 2, picture.shape[1] * 2, 3), np.uint8)
        plan = plan_tiles(picture.shape[1], picture.shape[0], session.spec, tile=32)
        run_picture(picture, plan, session, ArraySink(target), executor=executor, on_progress=on_progress)
        return target

    def meanwhile(progress):
        if progress.done == 1:
            np.testing.assert_array_equal(enlarged(inner), inner.repeat(2, 0).repeat(2, 1))

    np.testing.assert_array_equal(enlarged(outer, meanwhile), outer.repeat(2, 0).repeat(2, 1))


def test_a_pool_is_empty_while_its_buffers_are_in_use():
    pool = BufferPool()
    pool.keep([1, 2])
    assert pool.take() == [1, 2]
    assert pool.take() == []
    pool.keep([3])
    pool.clear()
    assert pool.take() == []


@pytest.mark.parametrize("change", ["nothing", "session", "shape"])
def test_the_host_executor_keeps_buffers_for_one_shape_and_session(change):
    """Results of a session may have another dtype, so buffers of another session are never used."""
    executor, made = HostExecutor(), []

    class Counted(FakeSession):
        def new_result(self, shape):
            made.append(shape)
            return super().new_result(shape)

    session = Counted()
    for number, side in enumerate((64, 80 if change == "shape" else 64)):
        picture = make_picture(side, 64)
        target = np.zeros((2 * side, 128, 3), np.uint8)
        plan = plan_tiles(64, side, session.spec, tile=side)
        run_picture(picture, plan, session, ArraySink(target), executor=executor)
        assert len(made) == (1 if number == 0 or change == "nothing" else 2)
        if change == "session":
            session = Counted()
