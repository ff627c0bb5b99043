"""Pictures given by URL: loading them, and tasks that use them."""

from __future__ import annotations

import base64
from functools import partial

import pytest

import tilewright
from support.http_server import PNG
from support.inputs import load_picture
from tilewright.errors import DecodeError, ImageTooLargeError, InvalidTaskError, SourceError
from tilewright.inputs.fetch import fetch
from tilewright.limits import InputLimits
from tilewright.service.parsing import parse_task
from tilewright.store.image_store import ImageStore


def test_fetched_picture_is_decoded_by_content_and_stored(server, tmp_path):
    store = ImageStore(tmp_path)

    fetcher = partial(fetch, allow=(server.authority,))

    server.reply("/photo.jpg", PNG, Content_Type="image/jpeg")
    picture, image_uuid = load_picture(server.url("/photo.jpg"), store, fetcher=fetcher)
    assert (picture.width, picture.height) == (7, 5)
    assert store.get(image_uuid) == PNG
    server.reply("/page", b"<!doctype html><title>Login</title>", Content_Type="image/png")
    with pytest.raises(DecodeError, match="not a picture") as caught:
        load_picture(server.url("/page"), store, fetcher=fetcher, parameter="image")
    assert (caught.value.code, caught.value.parameter) == ("invalidImage", "image")
    with pytest.raises(ImageTooLargeError):
        load_picture(server.url("/photo.jpg"), store, fetcher=fetcher, limits=InputLimits(pixels=34))
    server.reply("/gone", status=404)
    with pytest.raises(SourceError, match="answers 404") as caught:
        load_picture(server.url("/gone"), store, fetcher=fetcher, parameter="inputs.image")
    assert (caught.value.code, caught.value.parameter) == ("failedToTransferImage", "inputs.image")


def test_fetcher_is_called_only_for_urls(tmp_path):
    def fetcher(url, **_):
        raise AssertionError(url)

    assert load_picture(base64.b64encode(PNG).decode(), ImageStore(tmp_path), fetcher=fetcher)[0].width == 7
    with pytest.raises(SourceError, match="file URL"):
        load_picture("file:///etc/passwd", ImageStore(tmp_path), fetcher=fetcher)


def test_tasks_accept_urls_only_if_enabled():
    uuid4 = "19abad0d-6ec5-40a6-b7af-203775fa5b7f"
    url = "https://user:hunter2@example.com/a.png?token=hunter2"
    for task, code in (
        (
            {"taskType": "imageUpscale", "taskUUID": uuid4, "inputImage": url, "upscaleFactor": 2},
            "unsupportedInputImage",
        ),
        ({"taskType": "imageUpload", "taskUUID": uuid4, "image": url}, "unsupportedImage"),
    ):
        assert parse_task(task, urls=True).task_uuid == uuid4
        with pytest.raises(InvalidTaskError) as caught:
            parse_task(task)
        assert [fault.code for fault in caught.value.faults] == [code]
        assert "TILEWRIGHT_FETCH_URLS" in caught.value.message
        assert "hunter2" not in caught.value.message


def test_upscale_and_upload_by_url_if_enabled(monkeypatch, tmp_path):
    fetched = []

    def fake_fetch(url, **_):
        fetched.append(url)
        return PNG

    monkeypatch.setenv("TILEWRIGHT_FETCH_URLS", "public")
    monkeypatch.setattr("tilewright.inputs.fetch.fetch", fake_fetch)
    upscaler = tilewright.Upscaler(device="cpu", store=tmp_path)
    task = tilewright.new_task("https://example.com/a.png", 2, outputType="base64Data")
    upload = {
        "taskType": "imageUpload",
        "taskUUID": tilewright.new_task(0)["taskUUID"],
        "image": "https://example.com/b.png",
    }
    response = upscaler.run([task, upload])
    assert "errors" not in response
    assert sorted(fetched) == ["https://example.com/a.png", "https://example.com/b.png"]

    monkeypatch.delenv("TILEWRIGHT_FETCH_URLS")
    refused = tilewright.Upscaler(device="cpu", store=tmp_path).run(task)
    assert refused["errors"][0]["code"] == "unsupportedInputImage"
    assert len(fetched) == 2
