"""Tiles that stay on the device, which is emulated: the same bytes as by way of the host, whatever goes wrong."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.device import module_of
from support.emulated_runtime import EmulatedRuntime, small_network
from support.jobs import run_layers, run_picture
from tilewright.engine.buffers import BufferPool
from tilewright.engine.cuda import executor as cuda_executor
from tilewright.engine.cuda.bands import BandFormat, BandRing
from tilewright.engine.cuda.executor import CudaExecutor
from tilewright.engine.cuda.planner import RING
from tilewright.engine.layers import alpha_layers, colour_layers
from tilewright.engine.planner import plan_tiles
from tilewright.engine.report import Report
from tilewright.engine.sessions import cuda as cuda_session
from tilewright.engine.sessions.base import DeviceMemoryError
from tilewright.engine.sessions.cuda import CudaSession
from tilewright.engine.sessions.onnxruntime import OnnxRuntimeSession
from tilewright.engine.sinks import ArraySink, BandSink
from tilewright.errors import InferenceError
from tilewright.testing import make_picture

PLENTY = 2**40


@pytest.fixture(scope="module")
def kernels():
    return module_of("_cuda_emulated")


@pytest.fixture(scope="module")
def runtime(kernels):
    emulated = EmulatedRuntime(kernels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda_session, "import_runtime", lambda _: emulated)
        patch.setattr(cuda_session, "open_onnx", emulated.open_onnx)
        patch.setattr(cuda_session, "cuda_kernels", lambda: kernels)
        yield emulated


@pytest.fixture(autouse=True)
def nothing_wrong(kernels, runtime):
    """Every test begins with a device that does what it should."""
    runtime.arena_bytes, runtime.spoil = 0, lambda _session, _result: None
    kernels.emulate()
    yield
    kernels.emulate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def model(folder):
    return small_network(folder / "small.onnx")


def leave(kernels, nbytes):
    """Lets the device have so much memory more than is taken."""
    gc.collect()
    kernels.emulate()
    free, total = kernels.memory()
    kernels.emulate(memory=total - free + nbytes)


def larger(picture, scale):
    height, width, channels = picture.shape
    return np.zeros((height * scale, width * scale, channels), picture.dtype)


def on_host(picture, model, plan, heard=None):
    session = OnnxRuntimeSession(model, threads=1)
    target = larger(picture, model.spec.scale)
    listener = None if heard is None else heard.append
    run_picture(picture, plan, session, ArraySink(target), on_progress=listener)
    return target


def on_device(picture, session, plan, *, sink=None, exact=None, **options):
    target = larger(picture, session.spec.scale)
    options = {"memory_budget": PLENTY, "executor": CudaExecutor(), **options}
    run_picture(picture, plan, session, sink or ArraySink(target), exact_session=lambda: exact or session, **options)
    return target


def opened(model, precision="fp32"):
    return CudaSession(model, precision=precision)


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    tile=st.integers(1, 48),
    network=st.sampled_from([(2, 3, True), (3, 3, True), (2, 3, False), (2, 1, True)]),
    feather=st.sampled_from([0, 3]),
    budget=st.sampled_from([1, PLENTY]),
    constant_alpha=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_bytes_are_those_of_the_host(
    folder, height, width, channels, dtype, tile, network, feather, budget, constant_alpha
):
    scale, planes, tail = network
    model = small_network(folder / f"{network}.onnx", scale=scale, planes=planes, tail=tail)
    model = replace(model, spec=replace(model.spec, feather=feather))
    picture = make_picture(height, width, channels, dtype)
    if constant_alpha and channels in (2, 4):
        picture[:, :, -1] = 77
    plan = plan_tiles(width, height, model.spec, tile=tile)
    heard, heard_on_host = [], []
    got = on_device(picture, opened(model), plan, on_progress=heard.append, memory_budget=budget)
    np.testing.assert_array_equal(got, on_host(picture, model, plan, heard_on_host))
    assert heard == heard_on_host


def test_alpha_of_its_own_goes_along(model):
    picture = make_picture(50, 41, 4)
    colour, alpha = picture[:, :, :3].copy(), picture[:, :, 3].copy()
    plan = plan_tiles(41, 50, model.spec, tile=24)
    targets = larger(colour, 2), larger(alpha[:, :, None], 2)
    session = opened(model)
    layers = colour_layers(colour, model.spec) + alpha_layers(alpha[:, :, None], model.spec, target=1)
    run_layers(layers, plan, session, ArraySink(*targets), executor=CudaExecutor())
    np.testing.assert_array_equal(np.concatenate(targets, axis=2), on_host(picture, model, plan))


@pytest.mark.parametrize("tail", [True, False])
@pytest.mark.parametrize("budget", [1, PLENTY])
@pytest.mark.parametrize("feather", [0, 4])
def test_tiles_of_flat_alpha_need_not_run(folder, runtime, tail, budget, feather):
    model = small_network(folder / f"{tail}.onnx", tail=tail)
    model = replace(model, spec=replace(model.spec, feather=feather))
    picture = make_picture(100, 100, 4)
    picture[:, :, 3] = 255
    picture[40:60, 70:, 3] = 90
    plan = plan_tiles(100, 100, model.spec, tile=30)
    runtime.sessions.clear()
    got = on_device(picture, opened(model), plan, memory_budget=budget)
    np.testing.assert_array_equal(got, on_host(picture, model, plan))
    tiles = sum(session.batch_shape[0] * (len(session.runs) - 1) for session in runtime.sessions)
    seen = len(plan) + sum(len(np.unique(alpha_of(plan[index], plan, picture))) > 1 for index in range(len(plan)))
    assert seen < 1.5 * len(plan)
    assert seen <= tiles < seen + runtime.last.batch_shape[0]


def alpha_of(tile, plan, picture):
    return picture[tile.y.origin :, tile.x.origin :, 3][: plan.tile_height, : plan.tile_width]


def test_batches_have_as_many_tiles_as_the_budget_allows(runtime, model):
    picture, plan = make_picture(100, 100), plan_tiles(100, 100, model.spec, tile=30)
    session = opened(model)
    for budget, count in ((PLENTY, 16), (1, 1)):
        on_device(picture, session, plan, memory_budget=budget)
        assert runtime.last.batch_shape == (count, 30, 30, 3)
    assert len(plan) == 16


class Bands:
    """A sink that keeps what it is given, and whether it was given all of it once."""

    def __init__(self, width, channels=3, dtype=np.uint8):
        self.bands, self.ends = [], [0]
        inner = BandSink(width, [channels], np.dtype(dtype), lambda band: self.bands.append(band.copy()))
        self._inner, self.pixel_bytes, self.finish = inner, inner.pixel_bytes, inner.finish

    def band(self, begin, end):
        assert begin == self.ends[-1], "from top to bottom, without a gap, and no row twice"
        self.ends.append(end)
        return self._inner.band(begin, end)

    @property
    def rows(self):
        return np.concatenate(self.bands)


@pytest.mark.parametrize("feather", [0, 4])
def test_out_of_memory_makes_batches_smaller_and_keeps_what_is_done(runtime, model, feather):
    """In the middle of a picture, when something else has taken the device's memory."""
    model = replace(model, spec=replace(model.spec, feather=feather))
    picture, plan = make_picture(90, 100), plan_tiles(100, 90, model.spec, tile=30)

    def fail(session, _result):
        if len(session.runs) == 2 and session.batch_shape[0] > 1:
            raise RuntimeError("CUDA failure 2: out of memory")

    runtime.spoil = fail
    runtime.sessions.clear()
    report = Report()
    got = on_device(picture, opened(model), plan, report=report, memory_budget=budget_for(model, plan, 4))
    np.testing.assert_array_equal(got, on_host(picture, model, plan))
    assert [session.batch_shape[0] for session in runtime.sessions] == [4, 2, 1]
    assert report.tiles == len(plan), "no tile was run twice"


def budget_for(model, plan, count):
    """That allows so many tiles in a batch and no more."""
    from tilewright.engine.cuda.planner import DeviceDemand, batch_size

    session = opened(model)
    demand = DeviceDemand.of(session, plan.width * plan.height, 3)
    budget = demand.bytes_for(plan, count, model.spec.scale)
    assert batch_size(plan, model.spec.scale, len(plan), demand=demand, memory_budget=budget) == count
    return budget


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("rows_first", [0, 1, 2])
def test_out_of_memory_makes_tiles_smaller_below_the_finished_bands(runtime, model, rows_first, multiple):
    model = replace(model, spec=replace(model.spec, multiple_of=multiple))
    picture, plan = make_picture(301, 150), plan_tiles(150, 301, model.spec, tile=100)
    assert (plan.columns, plan.rows) == (2, 4)

    def fail(session, _result):
        if session.batch_shape[1] >= 96 and len(session.runs) == 1 + 2 * rows_first:
            raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")

    runtime.spoil = fail
    runtime.sessions.clear()
    sink, heard, report = Bands(300), [], Report()
    on_device(picture, opened(model), plan, sink=sink, on_progress=heard.append, report=report, memory_budget=1)
    # The network is exact, so tiles of any size give the same bytes.
    np.testing.assert_array_equal(sink.rows, on_host(picture, model, plan))
    assert sink.ends[1 : 1 + rows_first] == [plan_end(plan, row) for row in range(rows_first)]
    assert max(session.batch_shape[1] for session in runtime.sessions[1:]) < 100
    assert report.tile_size < (100, 100)
    assert [each.done for each in heard] == list(range(len(heard)))
    assert [each.rows for each in heard] == sorted(each.rows for each in heard)
    assert heard[-1].done == heard[-1].total
    assert heard[-1].rows == 602


def plan_end(plan, row):
    return plan[row * plan.columns].y.end * 2


def test_what_really_is_too_much_for_the_device_is_done_by_smaller_tiles(kernels, runtime, model):
    picture, plan = make_picture(200, 200), plan_tiles(200, 200, model.spec, tile=200)
    want = on_host(picture, model, plan)
    session = opened(model)
    runtime.arena_bytes = 100
    leave(kernels, 4_000_000)
    np.testing.assert_array_equal(on_device(picture, session, plan), want)
    assert runtime.last.batch_shape[1] < 200


def test_a_device_without_memory_is_an_error_and_of_use_again_later(kernels, model):
    picture, plan = make_picture(64, 64), plan_tiles(64, 64, model.spec, tile=32)
    session, sink = opened(model), Bands(128)
    leave(kernels, 20_000)
    with pytest.raises(DeviceMemoryError, match=r"small: cannot allocate .* bytes on CUDA device 0"):
        on_device(picture, session, plan, sink=sink)
    assert not sink.bands
    kernels.emulate()
    np.testing.assert_array_equal(on_device(picture, session, plan), on_host(picture, model, plan))


def spoil_tile(number, value):
    """In the n-th tile that the network sees in float16."""
    seen = []

    def spoil(_session, result):
        if result.dtype == np.float16:
            for place in range(len(result)):
                if len(seen) == number:
                    result[place, 5, 6, 1] = value
                seen.append(place)

    return spoil


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("budget", "number"), [(1, 0), (1, 4), (PLENTY, 0), (PLENTY, 5), (PLENTY, 8)])
@pytest.mark.parametrize("feather", [0, 4])
def test_a_tile_that_is_not_finite_is_run_again_in_float32(runtime, folder, value, budget, number, feather):
    model = small_network(folder / "flat.onnx", gain=0)  # float16 holds what 8 bits need
    model = replace(model, spec=replace(model.spec, feather=feather))
    picture, plan = make_picture(80, 80), plan_tiles(80, 80, model.spec, tile=34)
    assert len(plan) == 9
    exact = opened(model)
    want = on_device(picture, opened(model, "fp16"), plan, memory_budget=budget)
    runtime.spoil = spoil_tile(number, value)
    runtime.sessions.clear()
    report = Report()
    got = on_device(picture, opened(model, "fp16"), plan, exact=exact, report=report, memory_budget=budget)
    assert np.abs(got.astype(int) - want).max() <= 1, "the two formats round differently"
    assert report.repeated_tiles == 1
    again = [session for session in runtime.sessions if session.provider_options.get("use_tf32") == "0"]
    assert [(session.batch_shape[0], len(session.runs)) for session in again] == [(1, 2)], "only the spoilt tile"


def test_a_tile_that_stays_not_finite_is_an_error_that_says_where(runtime, model):
    picture, plan = make_picture(80, 80), plan_tiles(80, 80, model.spec, tile=34)
    x = plan[3].x.origin, plan[3].y.origin

    def spoil(session, result):
        if session.batch_shape[0] == 1 and session.provider_options.get("use_tf32") == "0":
            result[...] = np.nan
        elif len(session.runs) == 1 + 3:
            result[0, 5, 6, 1] = np.nan

    runtime.spoil = spoil
    sink = Bands(160)
    with pytest.raises(InferenceError, match=rf"small returned \d+ non-finite values .* \({x[0]}, {x[1]}\), even"):
        on_device(picture, opened(model, "fp16"), plan, sink=sink, exact=opened(model), memory_budget=1)
    assert len(sink.bands) <= 1, "nothing below the row above"


def test_an_exception_from_the_listener_stops_the_work(runtime, model):
    picture, plan = make_picture(96, 96), plan_tiles(96, 96, model.spec, tile=34)
    session, sink = opened(model), Bands(192)
    threads = threading.active_count()

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    runtime.sessions.clear()
    with pytest.raises(KeyboardInterrupt):
        on_device(picture, session, plan, sink=sink, on_progress=stop, memory_budget=1)
    assert len(runtime.last.runs) - 1 == 3, "one was in the network already"
    assert len(sink.bands) == 0
    assert threading.active_count() <= threads + 1, "but for the runtime's"
    np.testing.assert_array_equal(on_device(picture, session, plan), on_host(picture, model, plan))


def test_bands_that_are_on_their_way_when_the_work_is_stopped_go_nowhere(model, monkeypatch):
    picture, plan = make_picture(300, 40), plan_tiles(40, 300, model.spec, tile=34)
    stopped, taken = threading.Event(), []

    class Executor(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopped.set()
            super().shutdown(wait=wait)

    class Slow(ArraySink):
        def band(self, begin, end):
            taken.append(begin)
            assert stopped.wait(timeout=60)
            return super().band(begin, end)

    def stop(progress):
        if progress.done == 2 * plan.columns + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(cuda_executor, "ThreadPoolExecutor", Executor)
    with pytest.raises(KeyboardInterrupt):
        on_device(picture, opened(model), plan, sink=Slow(larger(picture, 2)), on_progress=stop, memory_budget=1)
    assert len(taken) <= 1


def test_what_the_sink_raises_stops_the_work(model):
    picture, plan = make_picture(300, 40), plan_tiles(40, 300, model.spec, tile=34)
    assert plan.rows > 2 * RING
    heard = []

    class Full(ArraySink):
        def band(self, begin, end):
            if begin > 0:
                raise OSError("no space left on the device")
            return super().band(begin, end)

    with pytest.raises(OSError, match="no space left"):
        on_device(picture, opened(model), plan, sink=Full(larger(picture, 2)), on_progress=heard.append)
    assert heard[-1].done < heard[-1].total


def test_a_failure_of_the_device_is_an_inference_error(kernels, model):
    picture, plan = make_picture(64, 64), plan_tiles(64, 64, model.spec, tile=34)
    session = opened(model)
    on_device(picture, session, plan)
    kernels.fail_next("cudaEventSynchronize", 700)
    with pytest.raises(InferenceError, match="small failed on the CUDA device: cudaEventSynchronize failed with"):
        on_device(picture, session, plan)


def test_a_picture_that_is_begun_during_another_has_memory_of_its_own(model):
    session, executor = opened(model), CudaExecutor()
    inner, outer = make_picture(40, 44), make_picture(60, 64) // 2
    plans = [plan_tiles(each.shape[1], each.shape[0], model.spec, tile=34) for each in (inner, outer)]
    wanted = [on_host(picture, model, plan) for picture, plan in zip((inner, outer), plans, strict=True)]

    def meanwhile(progress):
        if progress.done == 1:
            got = on_device(inner, session, plans[0], executor=executor, memory_budget=1)
            np.testing.assert_array_equal(got, wanted[0])

    got = on_device(outer, session, plans[1], on_progress=meanwhile, executor=executor, memory_budget=1)
    np.testing.assert_array_equal(got, wanted[1])


class Later:
    """An executor that does what it was given when the result is asked for."""

    def submit(self, function, *arguments):
        class Due:
            def result(self):
                return function(*arguments)

        return Due()


def test_bands_are_taken_in_order_and_no_more_than_a_few_are_on_their_way(kernels):
    sink = Bands(4, channels=2)
    form = BandFormat(rows=6, width=4, dtype=np.dtype(np.uint8), channels={0: 2})
    pool = BufferPool()

    def complete(band, begin):
        band[0][:, :, 1] = begin

    ring = BandRing(kernels, form, sink, complete, pool, 100)
    stream, wanted = kernels.Stream(), []
    for number in range(7):
        rows = 6 - number % 2
        (view,) = ring.begin(rows).values()
        assert len(sink.ends) - 1 == max(0, number - RING + 1), "there was room for no more"
        assert view.shape == (rows, 4, 2)
        band = np.full(view.shape, number, np.uint8)
        kernels.upload(band, slot_of(ring).device, stream)
        begin = sum(map(len, wanted))
        skipped = number == 3  # rows that are finished already are not wanted again
        wanted.append(band[skipped:].copy())
        wanted[-1][:, :, 1] = begin
        ring.send(rows, begin, begin + rows - skipped, Later())
    ring.finish()
    sink.finish()
    np.testing.assert_array_equal(sink.rows, np.concatenate(wanted))
    ring.close(keep=True)
    assert len(pool.take()) == RING
    assert pool.take() == [], "they are in use"


def slot_of(ring):
    return ring._slot


@pytest.mark.parametrize(("rows", "kept"), [(8, True), (7, True), (9, False)])
def test_memory_of_bands_is_kept_while_it_is_large_enough(kernels, rows, kept):
    pool = BufferPool()

    def ring(rows):
        form = BandFormat(rows=rows, width=256, dtype=np.dtype(np.uint8), channels={0: 1})
        return BandRing(kernels, form, Bands(256, channels=1), lambda *_: None, pool, 1)

    first = ring(8)
    slot = first._slots[0]
    first.close(keep=True)
    assert (ring(rows)._slots[0] is slot) == kept


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_an_upscaler_on_cuda(model, monkeypatch, precision):
    """All of it: network, plan, alpha, and a PNG file that is written while tiles run."""
    import io

    from tilewright import Upscaler
    from tilewright.codecs.decode import decode
    from tilewright.engine.sessions import select
    from tilewright.picture import Picture

    monkeypatch.setattr("tilewright.engine.networks.resolve_device", lambda device: device)
    monkeypatch.setattr(select, "kernels_problem", lambda: None)
    on_cpu = Upscaler(model=model.path, device="cpu", precision="fp32", store="memory://cuda", tile=48)
    on_cuda = Upscaler(model=model.path, device="cuda", precision=precision, store="memory://cuda", tile=48)
    picture = make_picture(120, 100, 4)
    got, want = on_cuda.upscale_array(picture, 2), on_cpu.upscale_array(picture, 2)
    report = on_cuda.last_report
    assert report.network == f"small x2 on onnxruntime emulated, {'fp16' if precision == 'auto' else 'fp32'}"
    assert report.tile_size == (48, 48)
    assert np.abs(got.astype(int) - want).max() <= 1
    file = io.BytesIO()
    parted = Picture(picture[:, :, :3].copy(), picture[:, :, 3].copy())
    on_cuda.upscale_to_file(parted, 2, file, "PNG")
    written = decode(file.getvalue())
    np.testing.assert_array_equal(np.dstack([written.pixels, written.alpha]), got)
    assert on_cuda.estimate(1000, 800, 2).memory > 1000 * 800 * 3
    on_cuda.close()
    np.testing.assert_array_equal(on_cuda.upscale_array(picture, 2), got)


@pytest.mark.gpu
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_upscaler_on_a_real_device(channels):
    from tilewright import Upscaler

    picture = make_picture(700, 900, channels)
    on_cpu = Upscaler(model="realesr-animevideov3", device="cpu", precision="fp32", store="memory://gpu")
    want = on_cpu.upscale_array(picture, 4)
    for precision in ("fp32", "auto"):
        for tile in (None, 200):
            on_cuda = Upscaler(
                model="realesr-animevideov3", device="cuda", precision=precision, tile=tile, store="memory://gpu"
            )
            assert np.abs(on_cuda.upscale_array(picture, 4).astype(int) - want).max() <= 1
