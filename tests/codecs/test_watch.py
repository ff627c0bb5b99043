"""Decoding ends when it takes too long or is cancelled."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from support.picture_files import saved
from tilewright.codecs import decode as decode_module
from tilewright.codecs.decode import decode, decode_any
from tilewright.errors import CancelledError, ImageTooLargeError
from tilewright.inputs.resolve import read_picture
from tilewright.limits import UNLIMITED, InputLimits

LARGE = Image.fromarray(np.resize(np.arange(256, dtype=np.uint8), (1024, 1024)))
FILES = {
    "PNG": saved(LARGE, "PNG"),
    "JPG": saved(LARGE, "JPG"),
    "progressive JPG": saved(LARGE, "JPG", progressive=True),
    "CMYK": saved(LARGE.convert("CMYK"), "JPG"),
    "WEBP": saved(LARGE, "WEBP"),
    "GIF": saved(LARGE, "GIF"),
}


@pytest.fixture
def killed(monkeypatch):
    """Holds decoding at its beginning until the picture is killed."""
    killed = threading.Event()
    image_class, picture = decode_module.vips().Image, decode_module._picture

    def set_kill(image, value, call=image_class.set_kill):
        call(image, value)
        killed.set()

    def wait(*args, **options):
        assert killed.wait(timeout=60)
        return picture(*args, **options)

    monkeypatch.setattr(image_class, "set_kill", set_kill)
    monkeypatch.setattr(decode_module, "_picture", wait)
    return killed


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize("name", FILES)
def test_picture_that_takes_too_long_is_refused(name):
    with pytest.raises(ImageTooLargeError, match=r"longer than 0\.01 s; .* raise TILEWRIGHT_MAX_DECODE_SECONDS"):
        decode(FILES[name], limits=InputLimits(seconds=0.01))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoding")]


def test_decoding_is_cancelled(killed, monkeypatch):
    stop = threading.Event()
    waiting = decode_module._picture

    def stopped(*args, **options):
        stop.set()
        return waiting(*args, **options)

    monkeypatch.setattr(decode_module, "_picture", stopped)
    with pytest.raises(CancelledError, match="cancelled while the picture was decoded"):
        decode_any(FILES["PNG"], stop=stop)
    assert killed.is_set()


@pytest.mark.parametrize("data", [FILES["JPG"], saved(Image.new("L", (8, 8)), "PNG")])
def test_cancelled_task_decodes_nothing_and_blames_no_parameter(data):
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError) as caught:
        read_picture(data, None, stop=stop)
    assert caught.value.parameter is None


def test_watched_pictures_are_decoded_as_always():
    for data in FILES.values():
        expected = decode_any(data, limits=UNLIMITED)
        found = decode_any(data, limits=InputLimits(seconds=600), stop=threading.Event())
        assert np.array_equal(found.pixels, expected.pixels)
