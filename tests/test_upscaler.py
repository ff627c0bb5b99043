"""From a request to a response and from pixels to pixels, with real networks."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import threading
import tracemalloc
import uuid
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from PIL import Image

import tilewright
from tilewright import Settings, Upscaler, new_task, raise_for_errors
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.codecs.in_memory import picture_from_array
from tilewright.codecs.png import PngWriter
from tilewright.errors import DeviceError, InferenceError, ModelError, StoreError, TilewrightError
from tilewright.testing import FakeSession, make_picture

RESULT_KEYS = ["taskType", "taskUUID", "imageUUID", "inputImageUUID", "imageURL"]


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def open_url(url):
    return Image.open(io.BytesIO(Path(unquote(urlparse(url).path)).read_bytes()))


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo of mine.png"
    path.write_bytes(png(make_picture(40, 56)))
    return path


def test_the_seeds_own_request_gets_the_seeds_own_response(photo):
    uploaded = tilewright.upload(photo)["data"][0]
    assert list(uploaded) == ["taskType", "taskUUID", "imageUUID", "imageURL"]
    assert open_url(uploaded["imageURL"]).size == (56, 40)

    request = {
        "taskType": "imageUpscale",
        "taskUUID": "19ABAD0D-6ec5-40a6-b7af-203775fa5b7f",
        "inputImage": uploaded["imageUUID"],
        "outputType": "URL",
        "outputFormat": "JPG",
        "upscaleFactor": 2,
    }
    response = tilewright.upscale(request)
    assert json.loads(json.dumps(response)) == response
    assert list(response) == ["data"]
    (item,) = response["data"]
    assert list(item) == RESULT_KEYS
    assert item["taskUUID"] == request["taskUUID"], "byte for byte"
    assert item["inputImageUUID"] == uploaded["imageUUID"]
    assert uuid.UUID(item["imageUUID"]).version == 4
    picture = open_url(item["imageURL"])
    assert (picture.format, picture.size) == ("JPEG", (112, 80))

    again = tilewright.upscale(tilewright.new_task(item["imageUUID"], 2))
    assert open_url(again["data"][0]["imageURL"]).size == (224, 160)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("name", "pillow_name"), [("PNG", "PNG"), ("jpg", "JPEG"), ("WEBP", "WEBP")])
def test_every_factor_and_format(upscaler, photo, factor, name, pillow_name):
    task = tilewright.new_task(photo, factor, outputFormat=name, outputType=["base64Data", "dataURI"], includeCost=True)
    (item,) = upscaler.upscale(task)["data"]
    assert list(item) == [*RESULT_KEYS[:-1], "imageBase64Data", "imageDataURI", "cost"]
    assert item["imageDataURI"].endswith(item["imageBase64Data"])
    picture = Image.open(io.BytesIO(base64.b64decode(item["imageBase64Data"])))
    assert (picture.format, picture.size) == (pillow_name, (56 * factor, 40 * factor))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "RGB", "P", "I;16"])
@pytest.mark.parametrize("size", [(56, 40), (1, 1), (1, 30)])
def test_every_kind_of_picture_goes_through(upscaler, mode, size):
    width, height = size
    if mode == "I;16":
        picture = Image.fromarray(make_picture(height, width, 1, np.uint16)[:, :, 0])
    else:
        picture = Image.fromarray(make_picture(height, width, 4)).convert(mode)
    task = tilewright.new_task(picture, 3, outputFormat="PNG", outputType="base64Data")
    response = upscaler.upscale(task)
    tilewright.raise_for_errors(response)
    result = Image.open(io.BytesIO(base64.b64decode(response["data"][0]["imageBase64Data"])))
    assert result.size == (3 * width, 3 * height)
    assert result.mode == {"P": "RGB"}.get(mode, mode)
    if "A" in mode and min(size) > 1:
        small = result.getchannel("A").resize(size, Image.Resampling.BOX)
        assert np.abs(np.asarray(small, int) - np.asarray(picture.getchannel("A"))).mean() < 8


def test_a_store_is_opened_only_when_it_is_needed():
    upscaler = Upscaler(device="cpu", store="nowhere://bucket")
    assert upscaler.upscale_array(np.zeros((8, 8, 3), np.uint8), 2).shape == (16, 16, 3)
    with pytest.raises(StoreError, match="nowhere"):
        _ = upscaler.store


def test_tasks_of_one_call_do_not_disturb_each_other(upscaler, photo):
    good = tilewright.new_task(photo, 2)
    twin = dict(good)
    tasks = [tilewright.new_task(photo, 5), good, tilewright.new_task(Path("nowhere.png"), 2), twin]
    response = upscaler.upscale(tasks)
    assert [item["taskUUID"] for item in response["data"]] == [good["taskUUID"]]
    assert [(item["code"], item["taskUUID"]) for item in response["errors"]] == [
        ("unsupportedUpscaleFactor", tasks[0]["taskUUID"]),
        ("failedToTransferImage", tasks[2]["taskUUID"]),
        ("conflictTaskUUID", twin["taskUUID"]),
    ]
    with pytest.raises(tilewright.TaskError, match="unsupportedUpscaleFactor"):
        tilewright.raise_for_errors(response)


def error_of(upscaler, task):
    response = upscaler.upscale(task)
    assert response["data"] == []
    (error,) = response["errors"]
    return error


def test_bad_tasks_are_answered_with_clear_errors(upscaler, photo, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("this is no picture")
    error = error_of(upscaler, tilewright.new_task(text, 2))
    assert (error["code"], error["parameter"]) == ("invalidInputImage", "inputImage")

    error = error_of(upscaler, tilewright.new_task(photo, 2, model="realesr-animevideo"))
    assert error["code"] == "invalidModel"
    assert "realesr-animevideov3" in error["message"]

    error = error_of(upscaler, tilewright.new_task(photo, 2, model="/etc/own.onnx"))
    assert (error["code"], error["parameter"]) == ("invalidModel", "model")

    error = error_of(upscaler, tilewright.new_task(photo, 5))
    assert error["allowedValues"] == [2, 3, 4]

    upload = {"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": photo}
    assert error_of(upscaler, upload)["code"] == "unsupportedTaskType"

    error = error_of(upscaler, tilewright.new_task(photo, 10**400))
    assert error["code"] == "unsupportedUpscaleFactor"

    wide = png(np.zeros((1, 5000, 3), np.uint8))
    error = error_of(upscaler, tilewright.new_task(wide, 4, outputFormat="WEBP"))
    assert error["code"] == "unsupportedOutputFormat"

    for no_task in (["task"], "task", Path("task.json"), None):
        with pytest.raises(TypeError, match="a task must be a mapping"):
            upscaler.upscale(no_task)


def test_run_takes_tasks_of_every_kind(photo):
    upload = {"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": photo}
    upscale = tilewright.new_task(photo, 2)
    response = tilewright.run([upload, upscale])
    assert [item["taskType"] for item in response["data"]] == ["imageUpload", "imageUpscale"]
    again = tilewright.run(tilewright.new_task(response["data"][0]["imageUUID"], 2))
    assert "errors" not in again


def test_a_network_that_cuda_cannot_run_goes_to_the_cpu_unless_cuda_was_asked_for(monkeypatch, caplog):
    from tilewright.engine.sessions import cuda_problem

    if cuda_problem() is None:
        pytest.skip("CUDA runs here")
    monkeypatch.setattr("tilewright.engine.networks.resolve_device", lambda _: "cuda")
    wanted = Upscaler(device="cuda", model="realesr-animevideov3", store="memory://cuda")
    with pytest.raises(DeviceError, match="CUDA cannot run realesr-animevideov3"):
        wanted.session(factor=4)
    automatic = Upscaler(device="auto", model="realesr-animevideov3", store="memory://cuda")
    assert automatic.session(factor=4).device == "cpu"
    assert "realesr-animevideov3 runs on the CPU: CUDA cannot run" in caplog.text


def test_the_services_name_for_real_esrgan_is_understood(upscaler):
    assert upscaler.session("runware:504@1").spec.name == "realesrgan-x4plus"


def test_a_network_has_one_session_by_whatever_name(upscaler):
    assert upscaler.session() is upscaler.session("auto") is upscaler.session("tilewright-photo")


def test_a_failure_that_is_not_foreseen_is_an_error_item_too(upscaler, photo, monkeypatch, caplog):
    monkeypatch.setattr("tilewright.engine.execute.plan_tiles", lambda *_, **__: 1 / 0)
    error = error_of(upscaler, tilewright.new_task(photo, 2))
    assert error["code"] == "internalServerError"
    assert "division by zero" in error["message"]
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 1), (5, 3000), (3000, 5), (17, 33)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_every_size_is_exactly_multiplied(upscaler, shape, factor):
    picture = np.full((*shape, 3), 100, np.uint8)
    result = upscaler.upscale_array(picture, factor)
    assert result.shape == (shape[0] * factor, shape[1] * factor, 3)
    assert result.dtype == np.uint8
    assert abs(int(np.median(result)) - 100) <= 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_array_keeps_its_kind_and_its_look(upscaler, dtype, channels):
    picture = make_picture(48, 64, channels, dtype)
    result = upscaler.upscale_array(picture, 2)
    assert (result.shape, result.dtype) == ((96, 128, channels), dtype)
    shrunk = result.reshape(48, 2, 64, 2, channels).mean(axis=(1, 3))
    shown = picture[:, :, -1] > 0 if channels in (2, 4) else np.ones((48, 64), bool)
    difference = np.abs(shrunk - picture)[shown].mean(axis=0) / np.iinfo(dtype).max
    assert (difference < 0.03).all()
    assert len(np.unique(result)) > (300 if dtype == np.uint16 else 50)


def test_arrays_that_are_no_picture_are_refused(upscaler):
    with pytest.raises(TypeError, match="pixels must be a uint8 or uint16 array, not float32"):
        upscaler.upscale_array(np.zeros((4, 4, 3), np.float32), 2)
    with pytest.raises(TypeError, match="not list"):
        upscaler.upscale_array([[1]], 2)
    for shape in [(4, 4), (4, 4, 5), (0, 4, 3)]:
        with pytest.raises(TilewrightError, match="pixels must be"):
            upscaler.upscale_array(np.zeros(shape, np.uint8), 2)
    for factor in (2.0, "2", True, None, [2]):
        with pytest.raises(TilewrightError, match="the factor must be an integer, not"):
            upscaler.upscale_array(np.zeros((4, 4, 3), np.uint8), factor)
    assert upscaler.upscale_array(np.zeros((4, 4, 3), np.uint8), 2).shape == (8, 8, 3), "nothing was spoilt"
    with pytest.raises(ModelError, match="does not offer the factor 5") as caught:
        upscaler.upscale_array(np.zeros((4, 4, 3), np.uint8), 5)
    assert caught.value.allowed_values == [2, 3, 4]


def test_an_array_view_is_read_as_it_looks(upscaler):
    picture = make_picture(32, 40)
    deep = make_picture(9, 8, 3, np.uint16)
    unaligned = np.frombuffer(b"x" + deep.tobytes(), np.uint16, offset=1).reshape(deep.shape)
    want = upscaler.upscale_array(deep, 2)
    np.testing.assert_array_equal(upscaler.upscale_array(unaligned, 2), want)
    np.testing.assert_array_equal(upscaler.upscale_array(deep.astype(">u2"), 2), want)
    np.testing.assert_array_equal(
        upscaler.upscale_array(picture[::-1, ::2], 2), upscaler.upscale_array(picture[::-1, ::2].copy(), 2)
    )


def test_progress_counts_tiles_and_a_listener_can_stop(upscaler_for):
    small_tiles = upscaler_for(device="cpu", tile=64)
    heard = []
    small_tiles.upscale_array(make_picture(100, 100), 4, on_progress=heard.append)
    assert [progress.done for progress in heard] == list(range(heard[-1].total + 1))
    assert heard[-1].rows == 400

    class Stop(Exception):  # noqa: N818
        pass

    def stop(_):
        raise Stop

    with pytest.raises(Stop):
        small_tiles.upscale_array(make_picture(100, 100), 4, on_progress=stop)
    assert small_tiles.upscale_array(make_picture(8, 8), 4).shape == (32, 32, 3), "still usable"


def test_threads_share_an_upscaler(upscaler):
    pictures = [make_picture(20 + i, 30) for i in range(6)]
    expected = [upscaler.upscale_array(picture, 2) for picture in pictures]
    results = [None] * len(pictures)

    def work(i):
        for _ in range(3):
            results[i] = upscaler.upscale_array(pictures[i], 2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, want)


def test_while_a_network_runs_other_threads_reach_the_store_and_find_networks(upscaler):
    reached = []

    def other_thread():
        reached.append(upscaler.store.put(png(make_picture(4, 4)), "png"))
        reached.append(upscaler.upscale(tilewright.new_task(reached[0], 2, model="no such network"))["errors"][0])

    def listen(progress):
        if progress.done == 0:
            thread = threading.Thread(target=other_thread, daemon=True)
            thread.start()
            thread.join(timeout=20)

    upscaler.upscale_array(make_picture(8, 8), 2, on_progress=listen)
    assert reached[1]["code"] == "invalidModel"


def test_a_context_manager_lets_go_and_can_be_used_again():
    with Upscaler(device="cpu", store="memory://context") as upscaler:
        before = upscaler.session(factor=2)
        assert upscaler.session(factor=2) is before
    assert upscaler.session(factor=2) is not before


def test_arguments_out_of_range_are_refused():
    with pytest.raises(TilewrightError, match="precision must be 'auto', 'fp32' or 'fp16', not 'int4'"):
        Upscaler(device="cpu", precision="int4")
    with pytest.raises(TilewrightError, match="tile must be a positive integer, not 0"):
        Upscaler(device="cpu", tile=0)
    with pytest.raises(TilewrightError, match="memory_budget must be a positive integer, not -1"):
        Upscaler(device="cpu", memory_budget=-1)
    with pytest.raises(DeviceError, match="device must be 'auto', 'cpu' or 'cuda', not 'tpu'"):
        Upscaler(device="tpu")


def test_cuda_where_it_cannot_run_is_an_error_with_the_reason():
    from tilewright.engine.sessions import cuda_problem

    if cuda_problem() is None:
        pytest.skip("CUDA runs here")
    with pytest.raises(DeviceError, match=r"device 'cuda' cannot run: .+"):
        Upscaler(device="cuda")


def test_a_tile_that_is_not_finite_is_run_again_through_the_upscaler():
    """The session in float32 is the one the Upscaler opens itself; like the false one, it has no tail."""
    chosen = {"model": "realesr-animevideov3", "device": "cpu", "store": "memory://redo"}
    upscaler = Upscaler(**chosen)
    picture = make_picture(16, 16)
    want = Upscaler(precision="fp32", **chosen).upscale_array(picture, 2)
    spec = upscaler.session(factor=2).spec

    def spoil(_, result):
        result[:] = np.nan

    broken = FakeSession(spec, precision="bf16", spoil=spoil)
    upscaler._networks._sessions["realesr-animevideov3", 2, "auto"] = broken
    np.testing.assert_array_equal(upscaler.upscale_array(picture, 2), want)
    assert len(broken.batches) == 1


def test_the_networks_that_can_be_named():
    models = tilewright.list_models()
    assert json.loads(json.dumps(models)) == models
    base = {model["name"]: model for model in models}["realesr-animevideov3"]
    assert base["scales"] == [2, 3, 4]
    assert base["installed"] is True
    assert base["licence"]


def picture_of(channels, dtype=np.uint8, icc=None):
    array = make_picture(70, 90, channels, dtype)
    return dataclasses.replace(picture_from_array(array), icc=icc)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("tile", [None, 48])
def test_a_png_file_written_while_tiles_run_is_the_picture(upscaler_for, channels, dtype, tile):
    upscaler = upscaler_for(device="cpu", tile=tile)
    picture = picture_of(channels, dtype)
    file = io.BytesIO()
    upscaler.upscale_to_file(picture, 2, file, "PNG")
    found, wanted = decode(file.getvalue()), upscaler.upscale_picture(picture, 2)
    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    assert (found.alpha is None) == (wanted.alpha is None)
    if wanted.alpha is not None:
        np.testing.assert_array_equal(found.alpha, wanted.alpha)


@pytest.mark.parametrize("compression", [None, "fast", "balanced", "small"])
def test_the_compression_is_the_one_asked_for(upscaler, compression, monkeypatch):
    asked = []
    writer = PngWriter.__init__

    def watched(*arguments, **options):
        asked.append(options["compression"])
        writer(*arguments, **options)

    monkeypatch.setattr(PngWriter, "__init__", watched)
    upscaler.upscale_to_file(picture_of(1), 2, io.BytesIO(), "PNG", compression=compression)
    assert asked == [compression or "fast"]


def test_alpha_that_is_the_same_everywhere_is_written_too(upscaler_for):
    upscaler = upscaler_for(device="cpu", tile=48)
    picture = dataclasses.replace(picture_of(4), alpha=np.full((70, 90), 77, np.uint8))
    file = io.BytesIO()
    upscaler.upscale_to_file(picture, 2, file, "PNG")
    assert (decode(file.getvalue()).alpha == 77).all()


@pytest.mark.parametrize("file_format", ["JPG", "WEBP"])
def test_other_formats_are_the_encoded_picture(upscaler, file_format):
    picture, file = picture_of(4), io.BytesIO()
    upscaler.upscale_to_file(picture, 2, file, file_format, quality=80)
    assert file.getvalue() == encode(upscaler.upscale_picture(picture, 2), file_format, 80)


def test_rows_reach_the_file_while_tiles_still_run(upscaler_for):
    upscaler = upscaler_for(device="cpu", tile=64)
    # Noise: no strip of it is small.
    pixels = np.random.default_rng(5).integers(0, 256, (900, 300, 3), np.uint8)
    file, sizes = io.BytesIO(), []
    upscaler.upscale_to_file(
        picture_from_array(pixels),
        2,
        file,
        "PNG",
        on_progress=lambda progress: sizes.append((progress.done, file.tell())),
    )
    last = max(done for done, _ in sizes)
    assert next(done for done, size in sizes if size > 100_000) < 0.9 * last


class FullDisk(io.RawIOBase):
    def write(self, _data):
        raise OSError(28, "No space left on device")


def test_a_file_that_cannot_be_written_ends_the_work(upscaler):
    with pytest.raises(OSError, match="No space left"):
        upscaler.upscale_to_file(picture_of(3), 2, FullDisk(), "PNG")
    assert upscaler.upscale_array(make_picture(8, 8), 2).shape == (16, 16, 3), "still usable"


def test_a_failure_of_the_network_leaves_nothing_in_the_store(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise InferenceError("broken")

    with Upscaler(device="cpu", store=tmp_path) as upscaler:
        for file_format in ("PNG", "JPG"):
            uploaded = upscaler.upload(make_picture(8, 8))["data"][0]["imageUUID"]
            with monkeypatch.context() as patch:
                patch.setattr("tilewright.engine.host.pipeline.run", fail)
                [error] = upscaler.run(new_task(uploaded, 2, outputFormat=file_format))["errors"]
            assert (error["code"], error["message"]) == ("internalServerError", "broken")
            upscaler.store.delete(uploaded)
        assert list(tmp_path.iterdir()) == []


def test_the_last_report_tells_of_the_task(upscaler_for):
    upscaler = upscaler_for(device="cpu", tile=48)
    raise_for_errors(upscaler.run(new_task(make_picture(70, 90, 4), 2, outputFormat="PNG")))
    report = upscaler.last_report
    assert (report.input_size, report.output_size, report.tile_size) == ((90, 70), (180, 140), (48, 48))
    assert report.tiles > 12, "those of the alpha channel too"
    for stage in ("decode", "gather", "network", "blend", "encode", "store"):
        assert report.seconds[stage] > 0, stage
    assert sum(report.seconds.values()) <= report.total_seconds * 1.01
    assert report.network.startswith("tilewright-photo x2 on ")


def test_an_estimate_is_of_the_plan_that_is_carried_out(upscaler_for):
    upscaler = upscaler_for(device="cpu")
    found = upscaler.estimate(90, 70, 2)
    upscaler.upscale_to_file(picture_of(3), 2, io.BytesIO(), "PNG")
    assert upscaler.last_report.tile_size == (found.plan.tile_width, found.plan.tile_height)
    assert found.seconds > 0
    assert found.memory >= 90 * 70 * 3


@pytest.mark.parametrize("fields", [{}, {"outputFormat": "WEBP"}])
def test_nothing_of_a_task_that_is_refused_for_its_size_is_stored(tmp_path, fields):
    limit = None if fields else 1000
    settings = dataclasses.replace(Settings.from_environment(), max_output_pixels=limit)
    with Upscaler(device="cpu", store=tmp_path / "images", settings=settings) as upscaler:
        [error] = upscaler.run(new_task(make_picture(1, 8000), 3, **fields))["errors"]
    assert error["code"] == ("unsupportedOutputFormat" if fields else "imageTooLarge")
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", ["key", "model"])
def test_very_long_names_take_little_memory(upscaler, name):
    long = "x" * 5_000_000
    task = new_task(make_picture(4, 4), 2, **({long: 1} if name == "key" else {"model": long}))
    tracemalloc.start()
    try:
        assert len(upscaler.run(task)["errors"]) == 1
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_result_that_is_wanted_as_text_alone_needs_no_url(upscaler, monkeypatch):
    monkeypatch.setattr(upscaler.store, "url", lambda _: pytest.fail("asked for a URL"))
    raise_for_errors(upscaler.run(new_task(make_picture(8, 8), 2, outputType="base64Data")))
