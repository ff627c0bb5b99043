"""The CUDA executor when device memory runs out: smaller batches, then smaller tiles, then an error."""

from __future__ import annotations

import numpy as np
import pytest

from support.cuda_jobs import RecordingSink, open_cuda, run_on_device, run_on_host, with_spec
from support.device import set_free_memory
from tilewright.engine.cuda.planner import DeviceDemand, batch_size
from tilewright.engine.planner import plan_tiles
from tilewright.engine.report import Report
from tilewright.engine.sessions.base import DeviceMemoryError
from tilewright.testing import make_picture

pytestmark = pytest.mark.usefixtures("runtime")


def budget_for(model, plan, count):
    """Returns a memory budget that allows batches of exactly `count` tiles."""
    demand = DeviceDemand.of(open_cuda(model), plan.width * plan.height, 3)
    budget = demand.bytes_for(plan, count, model.spec.scale)
    assert batch_size(plan, model.spec.scale, len(plan), demand=demand, memory_budget=budget) == count
    return budget


@pytest.mark.parametrize("feather", [0, 4])
def test_out_of_memory_in_the_middle_of_a_picture_makes_batches_smaller(runtime, model, feather):
    """Another program may have taken the memory. Finished tiles are kept."""
    model = with_spec(model, feather=feather)
    picture, plan = make_picture(90, 100), plan_tiles(100, 90, model.spec, tile=30)

    def fail(session, _result):
        if len(session.runs) == 2 and session.batch_shape[0] > 1:
            raise RuntimeError("CUDA failure 2: out of memory")

    runtime.spoil = fail
    runtime.sessions.clear()
    report = Report()
    budget = budget_for(model, plan, 4)
    result = run_on_device(picture, open_cuda(model), plan, report=report, memory_budget=budget)
    np.testing.assert_array_equal(result, run_on_host(picture, model, plan))
    assert [session.batch_shape[0] for session in runtime.sessions] == [4, 2, 1]
    assert report.tiles == len(plan), "no tile may run twice"


@pytest.mark.parametrize("multiple", [1, 4])
@pytest.mark.parametrize("rows_before", [0, 1, 2])
def test_out_of_memory_with_single_tiles_makes_tiles_smaller_below_finished_bands(
    runtime, model, rows_before, multiple
):
    model = with_spec(model, multiple_of=multiple)
    picture, plan = make_picture(301, 150), plan_tiles(150, 301, model.spec, tile=100)
    assert (plan.columns, plan.rows) == (2, 4)

    def fail(session, _result):
        if session.batch_shape[1] >= 96 and len(session.runs) == 1 + 2 * rows_before:
            raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")

    runtime.spoil = fail
    runtime.sessions.clear()
    sink, updates, report = RecordingSink(300), [], Report()
    run_on_device(
        picture, open_cuda(model), plan, sink=sink, on_progress=updates.append, report=report, memory_budget=1
    )
    # The network is exact, so tiles of any size give the same bytes.
    np.testing.assert_array_equal(sink.rows, run_on_host(picture, model, plan))
    assert sink.ends[1 : 1 + rows_before] == [plan[row * plan.columns].y.end * 2 for row in range(rows_before)]
    assert max(session.batch_shape[1] for session in runtime.sessions[1:]) < 100
    assert report.tile_size < (100, 100)
    assert [progress.done for progress in updates] == list(range(len(updates)))
    assert [progress.rows for progress in updates] == sorted(progress.rows for progress in updates)
    assert updates[-1].done == updates[-1].total
    assert updates[-1].rows == 602


def test_tile_larger_than_the_device_memory_is_divided(kernels, runtime, model):
    picture, plan = make_picture(200, 200), plan_tiles(200, 200, model.spec, tile=200)
    expected = run_on_host(picture, model, plan)
    session = open_cuda(model)
    runtime.arena_bytes = 100
    set_free_memory(kernels, 4_000_000)
    np.testing.assert_array_equal(run_on_device(picture, session, plan), expected)
    assert runtime.last.batch_shape[1] < 200


def test_device_without_memory_is_an_error_and_can_be_used_again_later(kernels, model):
    picture, plan = make_picture(64, 64), plan_tiles(64, 64, model.spec, tile=32)
    session, sink = open_cuda(model), RecordingSink(128)
    set_free_memory(kernels, 20_000)
    with pytest.raises(DeviceMemoryError, match=r"small: cannot allocate .* bytes on CUDA device 0"):
        run_on_device(picture, session, plan, sink=sink)
    assert not sink.bands
    kernels.emulate()
    np.testing.assert_array_equal(run_on_device(picture, session, plan), run_on_host(picture, model, plan))
