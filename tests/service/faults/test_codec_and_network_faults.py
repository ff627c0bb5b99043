"""Networks, encoders, inputs and threads that fail."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from support.faults import FORMATS, PICTURE, failing_at, fault_of, raising, task
from tilewright.codecs import png
from tilewright.codecs.libvips import vips
from tilewright.errors import InferenceError


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    ("error", "start"),
    [
        (InferenceError("the network failed"), "the network failed"),
        (MemoryError("Unable to allocate 1 GiB"), "out of memory: Unable to allocate 1 GiB"),
        (RuntimeError("odd"), "unexpected failure: RuntimeError: odd"),
    ],
    ids=["runtime", "memory", "ours"],
)
def test_a_network_that_fails_at_a_tile(upscaler, at_tile, tiles, place, file_format, error, start):
    at_tile(tiles[place], raising(error))
    code, parameter, message = fault_of(upscaler, task(file_format))
    assert (code, parameter) == ("internalServerError", None)
    assert message.startswith(start)


def broken_encoder(file_format):
    """Returns what to patch for an encoder that fails, and the error to raise there."""
    return {
        "PNG": ("tilewright.codecs.png._deflate", RuntimeError("deflate failed")),
        "JPG": ("tilewright.codecs.encode._vips_image", vips().Error("unable to call jpegsave")),
        "WEBP": ("tilewright.codecs.encode._vips_image", vips().Error("unable to call webpsave")),
    }[file_format]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_encoder_that_fails(upscaler, monkeypatch, file_format):
    name, error = broken_encoder(file_format)
    with monkeypatch.context() as patch:
        patch.setattr(name, raising(error))
        code, parameter, message = fault_of(upscaler, task(file_format))
    assert (code, parameter) == ("internalServerError", None)
    assert "failed" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("number", [0, 3, 6])
def test_an_encoder_thread_that_fails_in_the_middle_of_a_file(upscaler, monkeypatch, number):
    with monkeypatch.context() as patch:
        patch.setattr(png, "_deflate", failing_at(number, png._deflate, raising(RuntimeError("deflate failed"))))
        [error] = upscaler.run(task())["errors"]
    assert error["code"] == "internalServerError"
    assert "deflate failed" in error["message"]


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("end", [100, -40, -2])
def test_a_truncated_input(upscaler, end):
    code, parameter, message = fault_of(upscaler, {**task(), "inputImage": PICTURE[:end]})
    assert (code, parameter) == ("invalidInputImage", "inputImage")
    assert "corrupt or cut short" in message


@pytest.mark.usefixtures("unharmed")
def test_a_file_object_that_fails_while_it_is_read(upscaler):
    class Broken:
        def read(self, _size=-1):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    code, parameter, message = fault_of(upscaler, {**task(), "inputImage": Broken()})
    assert (code, parameter) == ("failedToTransferImage", "inputImage")
    assert "Input/output error" in message


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", ["tilewright-network", "tilewright-png"])
def test_a_thread_that_cannot_be_started(upscaler, monkeypatch, name):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        code, parameter, message = fault_of(upscaler, task())
    assert (code, parameter) == ("internalServerError", None)
    assert "can't start new thread" in message
