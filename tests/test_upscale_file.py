"""Files upscaled into files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilewright
from support.fake_networks import with_fake_networks
from support.picture_files import noise, opened
from tilewright import Upscaler
from tilewright.codecs.decode import decode
from tilewright.errors import DecodeError, EncodeError, ImageTooLargeError, SourceError, TilewrightError
from tilewright.testing import make_picture


@pytest.fixture
def repeater():
    """An Upscaler whose network repeats pixels."""
    return with_fake_networks(Upscaler(device="cpu", store="memory://files"))


@pytest.fixture
def photo_file(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(make_picture(24, 32)).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [("b.png", "PNG"), ("b.JPG", "JPG"), ("b.jpeg", "JPG"), ("b.webp", "WEBP"), ("b.tif", "TIFF"), ("b.tiff", "TIFF")],
)
def test_extension_says_the_format(repeater, photo_file, name, kind):
    target = photo_file.parent / "new" / name
    repeater.upscale_file(str(photo_file), str(target), np.int64(2))
    result = decode(target.read_bytes())
    assert (result.source_format, result.width, result.height) == (kind, 64, 48)
    assert [path.name for path in target.parent.iterdir()] == [name], "no partial file remains"


def test_options_reach_the_encoder_and_progress_is_reported(repeater, photo_file):
    updates, sizes = [], []
    for quality in (20, 90):
        target = photo_file.with_name(f"{quality}.jpg")
        repeater.upscale_file(photo_file, target, 2, quality=quality, on_progress=updates.append)
        sizes.append(target.stat().st_size)
    assert sizes[0] < sizes[1]
    assert updates[0].done == 0 < updates[-1].done == updates[-1].total
    assert repeater.last_report.seconds["decode"] > 0
    repeater.upscale_file(photo_file, target, size=(50, 50), fit="exact")
    assert opened(target.read_bytes()).size == (50, 50)


def test_animation_and_lossless_webp_stay_what_they_are(repeater, tmp_path):
    frames = [Image.fromarray(samples) for samples in (noise(8, 8, 3), make_picture(8, 8))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.webp", lossless=True)
    repeater.upscale_file(tmp_path / "a.gif", tmp_path / "b.png", 2)
    assert opened((tmp_path / "b.png").read_bytes()).n_frames == 2
    repeater.upscale_file(tmp_path / "a.webp", tmp_path / "b.webp", 2)
    np.testing.assert_array_equal(decode((tmp_path / "b.webp").read_bytes()).pixels[::2, ::2], np.asarray(frames[0]))
    repeater.upscale_file(tmp_path / "a.webp", tmp_path / "c.webp", 2, quality=50)
    assert not decode((tmp_path / "c.webp").read_bytes()).lossless


def test_existing_file_is_replaced_when_the_result_is_complete_and_a_link_stays(repeater, photo_file):
    old, link = photo_file.with_name("old.png"), photo_file.with_name("link.png")
    old.write_text("old")
    link.symlink_to(old)

    def stop(_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        repeater.upscale_file(photo_file, link, 2, on_progress=stop)
    assert old.read_text() == "old"
    repeater.upscale_file(photo_file, link, 2)
    assert link.is_symlink()
    assert opened(old.read_bytes()).size == (64, 48)


def test_picture_is_never_replaced_by_its_result(repeater, photo_file):
    before = photo_file.read_bytes()
    photo_file.with_name("link.png").symlink_to(photo_file)
    for name in ("photo.png", "link.png"):
        with pytest.raises(TilewrightError, match="would replace the picture that it is made from"):
            repeater.upscale_file(photo_file, photo_file.with_name(name), 2)
    assert photo_file.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "target", "error", "message"),
    [
        ("missing.png", "b.png", SourceError, "there is no file"),
        ("notes.txt", "b.png", DecodeError, "not a picture"),
        ("photo.png", "b.gif", EncodeError, r"b.gif: the extension must be one of .png, .jpg, .webp, .tif"),
        ("photo.png", "b", EncodeError, "the extension must be one of"),
    ],
)
def test_impossible_files_are_refused_and_nothing_is_written(repeater, photo_file, source, target, error, message):
    photo_file.with_name("notes.txt").write_text("hello")
    with pytest.raises(error, match=message):
        repeater.upscale_file(photo_file.with_name(source), photo_file.with_name(target), 2)
    assert {path.name for path in photo_file.parent.iterdir()} == {"photo.png", "notes.txt"}


def test_limits_and_unknown_options(repeater, photo_file, monkeypatch):
    target = photo_file.with_name("b.png")
    with pytest.raises(TypeError, match=r"upscale_file\(\) got an unexpected keyword argument 'qualty'"):
        repeater.upscale_file(photo_file, target, 2, qualty=3)
    monkeypatch.setattr(repeater, "settings", tilewright.Settings(max_input_pixels=10))
    with pytest.raises(ImageTooLargeError):
        repeater.upscale_file(photo_file, target, 2)


def test_module_level_call_uses_the_shared_upscaler(repeater, photo_file, monkeypatch):
    monkeypatch.setattr("tilewright.default._upscaler.get", lambda: repeater)
    monkeypatch.chdir(photo_file.parent)
    tilewright.upscale_file("photo.png", "large.png", 2)
    np.testing.assert_array_equal(
        np.asarray(opened(Path("large.png").read_bytes())), make_picture(24, 32).repeat(2, 0).repeat(2, 1)
    )
