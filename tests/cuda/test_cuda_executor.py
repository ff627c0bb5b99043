"""The CUDA executor on the emulated device gives the same bytes as the host executor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.cuda_jobs import UNLIMITED, open_cuda, result_array, run_on_device, run_on_host, with_spec
from support.emulated_runtime import small_network
from support.jobs import run_layers
from tilewright.engine.cuda.executor import CudaExecutor
from tilewright.engine.layers import alpha_layers, colour_layers
from tilewright.engine.planner import plan_tiles
from tilewright.engine.sinks import ArraySink
from tilewright.testing import make_picture

pytestmark = pytest.mark.usefixtures("runtime")


@dataclass(frozen=True)
class Case:
    """A picture, a network and limits."""

    height: int
    width: int
    channels: int
    dtype: type
    constant_alpha: bool
    network: tuple[int, int, bool]  # scale, number of channels, whether it has a tail
    feather: int
    tile: int
    budget: int

    def picture(self):
        picture = make_picture(self.height, self.width, self.channels, self.dtype)
        if self.constant_alpha and self.channels in (2, 4):
            picture[:, :, -1] = 77
        return picture

    def model(self, folder):
        scale, planes, tail = self.network
        model = small_network(folder / f"{self.network}.onnx", scale=scale, planes=planes, tail=tail)
        return with_spec(model, feather=self.feather)


CASES = st.builds(
    Case,
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    constant_alpha=st.booleans(),
    network=st.sampled_from([(2, 3, True), (3, 3, True), (2, 3, False), (2, 1, True)]),
    feather=st.sampled_from([0, 3]),
    tile=st.integers(1, 48),
    budget=st.sampled_from([1, UNLIMITED]),
)


@given(case=CASES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_and_progress_equal_those_of_the_host_executor(tmp_path, case):
    picture, model = case.picture(), case.model(tmp_path)
    plan = plan_tiles(case.width, case.height, model.spec, tile=case.tile)
    updates, host_updates = [], []
    result = run_on_device(picture, open_cuda(model), plan, on_progress=updates.append, memory_budget=case.budget)
    np.testing.assert_array_equal(result, run_on_host(picture, model, plan, on_progress=host_updates.append))
    assert updates == host_updates


def test_alpha_in_a_separate_array(model):
    picture = make_picture(50, 41, 4)
    colour, alpha = picture[:, :, :3].copy(), picture[:, :, 3].copy()
    plan = plan_tiles(41, 50, model.spec, tile=24)
    results = result_array(colour, 2), result_array(alpha[:, :, None], 2)
    layers = colour_layers(colour, model.spec) + alpha_layers(alpha[:, :, None], model.spec, target=1)
    run_layers(layers, plan, open_cuda(model), ArraySink(*results), executor=CudaExecutor())
    np.testing.assert_array_equal(np.concatenate(results, axis=2), run_on_host(picture, model, plan))


@pytest.mark.parametrize("channels", [3, 4])
def test_rgb_with_equal_channels_is_upscaled_as_grey(model, channels):
    picture = make_picture(50, 41, channels)
    picture[:, :, :3] = picture[:, :, 1:2]
    plan = plan_tiles(41, 50, model.spec, tile=24)
    result = run_on_device(picture, open_cuda(model), plan)
    np.testing.assert_array_equal(result[:, :, 0], result[:, :, 1])
    np.testing.assert_array_equal(result[:, :, 0], result[:, :, 2])
    np.testing.assert_array_equal(result, run_on_host(picture, model, plan))


def alpha_of_tile(picture, plan, index):
    tile = plan[index]
    return picture[tile.y.origin :, tile.x.origin :, 3][: plan.tile_height, : plan.tile_width]


@pytest.mark.parametrize("tail", [True, False])
@pytest.mark.parametrize("budget", [1, UNLIMITED])
@pytest.mark.parametrize("feather", [0, 4])
def test_tiles_of_constant_alpha_do_not_go_through_the_network(tmp_path, runtime, tail, budget, feather):
    model = with_spec(small_network(tmp_path / "small.onnx", tail=tail), feather=feather)
    picture = make_picture(100, 100, 4)
    picture[:, :, 3] = 255
    picture[40:60, 70:, 3] = 90
    plan = plan_tiles(100, 100, model.spec, tile=30)
    runtime.sessions.clear()
    result = run_on_device(picture, open_cuda(model), plan, memory_budget=budget)
    np.testing.assert_array_equal(result, run_on_host(picture, model, plan))
    executed = sum(session.batch_shape[0] * (len(session.runs) - 1) for session in runtime.sessions)
    varying = sum(len(np.unique(alpha_of_tile(picture, plan, index))) > 1 for index in range(len(plan)))
    needed = len(plan) + varying
    assert needed < 1.5 * len(plan)
    assert needed <= executed < needed + runtime.last.batch_shape[0]


def test_batches_have_as_many_tiles_as_the_budget_allows(runtime, model):
    picture, plan = make_picture(100, 100), plan_tiles(100, 100, model.spec, tile=30)
    session = open_cuda(model)
    for budget, count in ((UNLIMITED, 16), (1, 1)):
        run_on_device(picture, session, plan, memory_budget=budget)
        assert runtime.last.batch_shape == (count, 30, 30, 3)
    assert len(plan) == 16


def test_picture_that_starts_during_another_gets_its_own_buffers(model):
    session, executor = open_cuda(model), CudaExecutor()
    inner, outer = make_picture(40, 44), make_picture(60, 64) // 2
    inner_plan, outer_plan = (plan_tiles(each.shape[1], each.shape[0], model.spec, tile=34) for each in (inner, outer))
    expected_inner = run_on_host(inner, model, inner_plan)

    def run_inner(progress):
        if progress.done == 1:
            result = run_on_device(inner, session, inner_plan, executor=executor, memory_budget=1)
            np.testing.assert_array_equal(result, expected_inner)

    result = run_on_device(outer, session, outer_plan, on_progress=run_inner, executor=executor, memory_budget=1)
    np.testing.assert_array_equal(result, run_on_host(outer, model, outer_plan))
