"""The CUDA executor when a result is not finite, or when the device, the sink or the progress callback fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from support.cuda_jobs import (
    UNLIMITED,
    RecordingSink,
    open_cuda,
    result_array,
    run_on_device,
    run_on_host,
    with_spec,
)
from support.emulated_runtime import small_network
from tilewright.engine.cuda import executor as cuda_executor
from tilewright.engine.cuda.planner import RING
from tilewright.engine.planner import plan_tiles
from tilewright.engine.report import Report
from tilewright.engine.sinks import ArraySink
from tilewright.errors import InferenceError
from tilewright.testing import make_picture

pytestmark = pytest.mark.usefixtures("runtime")


def is_exact(session):
    """Returns whether a session of the emulated runtime computes in float32."""
    return session.provider_options.get("use_tf32") == "0"


def spoil_tile(number, value):
    """Returns a function that writes a value into the result of the float16 tile of that number, from 0."""
    count = 0

    def spoil(_session, result):
        nonlocal count
        if result.dtype == np.float16:
            for index in range(len(result)):
                if count == number:
                    result[index, 5, 6, 1] = value
                count += 1

    return spoil


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("budget", "number"), [(1, 0), (1, 4), (UNLIMITED, 0), (UNLIMITED, 5), (UNLIMITED, 8)])
@pytest.mark.parametrize("feather", [0, 4])
def test_nonfinite_tile_is_repeated_in_float32(runtime, tmp_path, value, budget, number, feather):
    model = small_network(tmp_path / "flat.onnx", gain=0)  # results are exact to 8 bits in float16
    model = with_spec(model, feather=feather)
    picture, plan = make_picture(80, 80), plan_tiles(80, 80, model.spec, tile=34)
    assert len(plan) == 9
    exact = open_cuda(model)
    expected = run_on_device(picture, open_cuda(model, "fp16"), plan, memory_budget=budget)
    runtime.spoil = spoil_tile(number, value)
    runtime.sessions.clear()
    report = Report()
    result = run_on_device(picture, open_cuda(model, "fp16"), plan, exact=exact, report=report, memory_budget=budget)
    assert np.abs(result.astype(int) - expected).max() <= 1, "float16 and float32 round differently"
    assert report.repeated_tiles == 1
    repeated = [session for session in runtime.sessions if is_exact(session)]
    assert [(session.batch_shape[0], len(session.runs)) for session in repeated] == [(1, 2)], (
        "only the nonfinite tile is repeated"
    )


def test_tile_that_is_nonfinite_in_float32_too_raises_an_error_with_its_position(runtime, model):
    picture, plan = make_picture(80, 80), plan_tiles(80, 80, model.spec, tile=34)
    x, y = plan[3].x.origin, plan[3].y.origin

    def spoil(session, result):
        if session.batch_shape[0] == 1 and is_exact(session):
            result[...] = np.nan
        elif len(session.runs) == 1 + 3:
            result[0, 5, 6, 1] = np.nan

    runtime.spoil = spoil
    sink = RecordingSink(160)
    with pytest.raises(InferenceError, match=rf"small returned \d+ non-finite values .* \({x}, {y}\), even"):
        run_on_device(picture, open_cuda(model, "fp16"), plan, sink=sink, exact=open_cuda(model), memory_budget=1)
    assert len(sink.bands) <= 1, "no band below the failed tile may be delivered"


def test_exception_from_the_progress_callback_stops_the_work(runtime, model):
    picture, plan = make_picture(96, 96), plan_tiles(96, 96, model.spec, tile=34)
    session, sink = open_cuda(model), RecordingSink(192)
    threads = threading.active_count()

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    runtime.sessions.clear()
    with pytest.raises(KeyboardInterrupt):
        run_on_device(picture, session, plan, sink=sink, on_progress=stop, memory_budget=1)
    assert len(runtime.last.runs) - 1 == 3, "only the tile that is in the network finishes"
    assert len(sink.bands) == 0
    assert threading.active_count() <= threads + 1, "only the thread of the runtime may be new"
    np.testing.assert_array_equal(run_on_device(picture, session, plan), run_on_host(picture, model, plan))


def test_bands_in_transfer_are_not_delivered_after_an_exception(model, monkeypatch):
    picture, plan = make_picture(300, 40), plan_tiles(40, 300, model.spec, tile=34)
    stopped, delivered = threading.Event(), []

    class SignallingPool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopped.set()
            super().shutdown(wait=wait)

    class SlowSink(ArraySink):
        def band(self, begin, end):
            delivered.append(begin)
            assert stopped.wait(timeout=60)
            return super().band(begin, end)

    def stop(progress):
        if progress.done == 2 * plan.columns + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(cuda_executor, "ThreadPoolExecutor", SignallingPool)
    sink = SlowSink(result_array(picture, 2))
    with pytest.raises(KeyboardInterrupt):
        run_on_device(picture, open_cuda(model), plan, sink=sink, on_progress=stop, memory_budget=1)
    assert len(delivered) <= 1


def test_exception_from_the_sink_stops_the_work(model):
    picture, plan = make_picture(300, 40), plan_tiles(40, 300, model.spec, tile=34)
    assert plan.rows > 2 * RING
    updates = []

    class FullSink(ArraySink):
        def band(self, begin, end):
            if begin > 0:
                raise OSError("no space left on the device")
            return super().band(begin, end)

    sink = FullSink(result_array(picture, 2))
    with pytest.raises(OSError, match="no space left"):
        run_on_device(picture, open_cuda(model), plan, sink=sink, on_progress=updates.append)
    assert updates[-1].done < updates[-1].total


def test_device_failure_is_an_inference_error(kernels, model):
    picture, plan = make_picture(64, 64), plan_tiles(64, 64, model.spec, tile=34)
    session = open_cuda(model)
    run_on_device(picture, session, plan)
    kernels.fail_next("cudaEventSynchronize", 700)
    with pytest.raises(InferenceError, match="small failed on the CUDA device: cudaEventSynchronize failed with"):
        run_on_device(picture, session, plan)
