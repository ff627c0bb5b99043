"""Animations: every frame is decoded, upscaled and encoded, as Pillow confirms."""

from __future__ import annotations

import gc
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from support.picture_files import SRGB_PROFILE
from tilewright import Upscaler
from tilewright.cli import main
from tilewright.codecs.animation_writer import write_animation
from tilewright.codecs.decode import decode, decode_any
from tilewright.engine.networks import Networks
from tilewright.errors import DecodeError, EncodeError, ImageTooLargeError
from tilewright.limits import InputLimits
from tilewright.models.spec import ModelSpec
from tilewright.picture import Animation, Frame, Picture
from tilewright.testing import FakeSession, make_picture

KINDS = ["GIF", "PNG", "WEBP"]
DURATIONS = [40, 1000, 250, 70_000]


@pytest.fixture
def repeater(monkeypatch, tmp_path):
    """An Upscaler whose network repeats pixels."""

    def session(_, name, factor, precision):
        return FakeSession(ModelSpec(name=str(name), scale=factor), precision=precision)

    monkeypatch.setattr(Networks, "session", session)
    with Upscaler(device="cpu", store=tmp_path / "store") as upscaler:
        yield upscaler


def moving_square(count=4, size=(32, 24)):
    """Returns frames of a moving square that changes colour; frame 2 repeats frame 1."""
    background = Image.fromarray(make_picture(size[1], size[0])).convert("RGBA")
    frames = []
    for number in range(count):
        frame = background.copy()
        step = number if number != 2 else 1
        frame.paste((255, 60 * step, 0, 255), (3 + 5 * step, 4 + 2 * step, 9 + 5 * step, 11 + 2 * step))
        frames.append(frame)
    return frames


def animation_file(kind, frames=None, durations=DURATIONS, **options):
    """Returns an animation written by Pillow; durations are in milliseconds."""
    frames = frames or moving_square()
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=durations[: len(frames)], **options)
    return file.getvalue()


def shown(data):
    """Returns (pixels, milliseconds) of every frame, and the number of plays, as read by Pillow."""
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append((np.asarray(image.convert("RGBA")), image.info["duration"]))
        return frames, image.info.get("loop")


def upscaled(upscaler, data, file_format, **options):
    """Returns an animation upscaled by 2."""
    file = io.BytesIO()
    upscaler.upscale_to_file(decode_any(data), 2, file, file_format, **options)
    return file.getvalue()


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_upscaled(repeater, kind, target):
    data = animation_file(kind, loop=0, **({"lossless": True} if kind == "WEBP" else {}))
    source, _ = shown(data)
    result, plays = shown(upscaled(repeater, data, target, lossless=True))
    # Writers merge a frame that repeats the one before into that frame, with a longer duration.
    assert len(result) == len(source) >= 3
    assert plays == 0
    for (pixels, milliseconds), (source_pixels, source_milliseconds) in zip(result, source, strict=True):
        np.testing.assert_array_equal(pixels, source_pixels.repeat(2, 0).repeat(2, 1))
        assert milliseconds == pytest.approx(source_milliseconds, abs=1 if source_milliseconds < 65_536 else 10)


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
def test_lossy_frames_do_not_show_earlier_frames(repeater, target):
    frames, _ = shown(upscaled(repeater, animation_file("PNG"), target, quality=90))
    for (pixels, _), source in zip(frames, moving_square()[:2] + moving_square()[3:], strict=True):
        difference = pixels[:, :, :3].astype(int) - np.asarray(source)[:, :, :3].repeat(2, 0).repeat(2, 1)
        assert np.abs(difference).mean() < (0.1 if target == "PNG" else 6)


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
@pytest.mark.parametrize(
    ("kind", "loop", "plays"),
    [("GIF", None, 1), ("GIF", 0, 0), ("GIF", 2, 3), ("PNG", 0, 0), ("PNG", 3, 3), ("WEBP", 0, 0), ("WEBP", 5, 5)],
)
def test_number_of_plays_is_kept(repeater, kind, loop, plays, target):
    data = animation_file(kind, **({} if loop is None else {"loop": loop}))
    assert decode_any(data).plays == plays
    assert shown(upscaled(repeater, data, target))[1] == plays


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_frame_disposal_is_applied(repeater, kind, disposal):
    """Frames with transparent areas, which show what the disposal of the frame before left there."""
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (16, 12), (0, 0, 0, 0))
        frame.paste((80 * number, 255, 0, 255), (4 * number, 2, 4 * number + 6, 9))
        frames.append(frame)
    data = animation_file(kind, frames, disposal=disposal, **({"blend": 1} if kind == "PNG" else {}))
    result, _ = shown(upscaled(repeater, data, "PNG"))
    for (pixels, _), (source, _) in zip(result, shown(data)[0], strict=True):
        visible = source[:, :, 3:] > 0
        np.testing.assert_array_equal((pixels * (pixels[:, :, 3:] > 0)), (source * visible).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_profile_resolution_and_orientation_of_an_animation(repeater, target, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B], exif[0x010F] = orientation, 100.0, 50.0, "Maker"
    data = animation_file("WEBP", icc_profile=SRGB_PROFILE, exif=exif.tobytes(), lossless=True)
    for keep in (False, True):
        animation, file = decode_any(data, keep_metadata=keep), io.BytesIO()
        repeater.upscale_to_file(animation, 2, file, target)
        with Image.open(file) as image:
            assert image.size == ((64, 48) if orientation == 1 else (48, 64))
            assert (animation.width * 2, animation.height * 2) == image.size
            assert image.info["icc_profile"] == SRGB_PROFILE
            assert image.getexif().get(0x0112, 1) == 1
            assert image.getexif().get(0x010F) == ("Maker" if keep else None)
            if target == "PNG":
                dpi = (200, 100) if orientation == 1 else (100, 200)
                assert image.info["dpi"] == pytest.approx(dpi, abs=0.1)


def test_default_image_that_is_not_a_frame_is_skipped(repeater):
    frames = moving_square()
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], default_image=True)
    animation = decode_any(file.getvalue())
    first = next(iter(animation.frames())).picture
    np.testing.assert_array_equal(first.pixels, np.asarray(frames[1])[:, :, :3])
    assert animation.count == len(list(animation.frames())) == len(shown(upscaled(repeater, file.getvalue(), "PNG"))[0])


def test_only_changed_pixels_are_written(repeater):
    photo = Image.fromarray(make_picture(120, 160)).convert("RGBA")
    frames = [photo.copy() for _ in range(5)]
    for number, frame in enumerate(frames):
        frame.putpixel((100, 7 + number), (255, 0, 0, 255))
    for target in ("PNG", "WEBP"):
        one = len(upscaled(repeater, animation_file("PNG", frames[:2], [50] * 2), target))
        five = len(upscaled(repeater, animation_file("PNG", frames, [50] * 5), target))
        assert five < 1.1 * one


@pytest.mark.parametrize("kind", KINDS)
def test_format_without_animations_is_refused_before_any_work(repeater, kind, monkeypatch):
    monkeypatch.setattr(Networks, "session", lambda *_: pytest.fail("a network was opened"))
    with pytest.raises(EncodeError, match=r"animation of \d frames, and outputFormat JPG") as caught:
        upscaled(repeater, animation_file(kind), "JPG")
    assert (caught.value.parameter, caught.value.allowed_values) == ("outputFormat", ["PNG", "WEBP"])


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_animation_is_refused(repeater, kind):
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (30, 40, 3), np.uint8)) for n in range(4)]
    data = animation_file(kind, frames)
    for fraction in (0.3, 0.6, 0.9):
        with pytest.raises(DecodeError, match="corrupt or cut short"):
            upscaled(repeater, data[: int(len(data) * fraction)], "PNG")
    assert len(list(decode_any(data).frames())) == 4


def test_limits_count_all_frames():
    for kind in KINDS:
        data = animation_file(kind)
        count = decode_any(data).count
        pixels = 32 * 24 * count
        assert decode_any(data, limits=InputLimits(pixels=pixels, frames=count)).count == count
        with pytest.raises(ImageTooLargeError, match=rf"32 x 24 x {count} frames = {pixels} pixels"):
            decode_any(data, limits=InputLimits(pixels=pixels - 1))
        with pytest.raises(ImageTooLargeError, match=rf"has {count} frames, the limit is {count - 1}; .*MAX_FRAMES"):
            decode_any(data, limits=InputLimits(frames=count - 1))


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
def test_memory_does_not_grow_with_the_number_of_frames(target):
    def peak(count):
        def frames():
            for number in range(count):
                gc.collect()  # uncollected garbage must not count
                pixels = np.full((300, 400, 3), number, np.uint8)
                yield Frame(Picture(pixels, np.full((300, 400), 255, np.uint8)), 20)

        animation = Animation(400, 300, count, 0, None, "GIF", frames)
        tracemalloc.start()
        try:
            write_animation(io.BytesIO(), animation, animation.frames(), target)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # loads modules
    frame = 300 * 400 * 4
    assert peak(12) < peak(3) + 3 * frame, "the nine additional frames must not be in memory together"


def test_task_returns_an_animation_and_classifies_every_frame(repeater, monkeypatch):
    classified = []

    def is_nsfw(picture):
        classified.append(picture.pixels[10, 10].tolist())
        return len(classified) == 3

    monkeypatch.setattr(repeater._classifier, "is_nsfw", is_nsfw)
    monkeypatch.setattr("tilewright.service.runner.nsfw_problem", lambda: None)
    data = animation_file("GIF")
    task = {
        "taskType": "imageUpscale",
        "taskUUID": "19abad0d-6ec5-40a6-b7af-203775fa5b7f",
        "inputImage": data,
        "outputFormat": "WEBP",
        "upscaleFactor": 2,
        "checkNSFW": True,
    }
    item = repeater.upscale(task)["data"][0]
    assert item["NSFWContent"] is True
    assert len(classified) == len(shown(data)[0]) == len(shown(repeater.store.get(item["imageUUID"]))[0])


def test_truncated_animation_is_not_stored(repeater, tmp_path):
    for image in (animation_file("GIF")[:-400], animation_file("PNG")[:-400]):
        assert repeater.upload(image)["errors"][0]["code"] == "invalidImage"
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("repeater")
def test_command_line_upscales_animations(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "move.gif").write_bytes(animation_file("GIF"))
    assert main(["upscale", "move.gif", "-o", "large/", "-x", "2", "--device", "cpu", "--report"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["output"] == [64, 48]
    assert len(shown((tmp_path / "large/move.png").read_bytes())[0]) >= 3
    assert main(["upscale", "move.gif", "-o", "move.jpg", "-x", "2", "--device", "cpu"]) == 1
    assert "move.gif: the picture is an animation" in capsys.readouterr().err
    assert not (tmp_path / "move.jpg").exists()


def test_file_with_one_frame_is_a_still_picture():
    for kind in KINDS:
        file = io.BytesIO()
        moving_square()[0].convert("RGB").save(file, kind, save_all=True)
        assert isinstance(decode_any(file.getvalue()), Picture)
        with pytest.raises(DecodeError, match="animation"):
            decode(animation_file(kind))


def gif_of_13_by_9():
    """Returns a mutable GIF file of two frames."""
    return bytearray(animation_file("GIF", [Image.fromarray(make_picture(9, 13, 3) // shade) for shade in (1, 2)]))


def test_gif_frame_beyond_the_screen_is_refused():
    """Pillow would return frames of two sizes."""
    data = gif_of_13_by_9()
    second = data.rfind(b"\x2c\x00\x00\x00\x00")  # an image descriptor: left, top, width, height
    data[second + 1 : second + 3] = (4).to_bytes(2, "little")
    with pytest.raises(DecodeError, match=r"frame 2 of the 2 in the GIF file .* extends beyond the 13 x 9"):
        list(decode_any(bytes(data)).frames())


def test_gif_size_that_readers_disagree_about_is_checked_against_the_limit():
    """Pillow extends the screen to hold the first frame, libvips uses the frame alone."""
    data = gif_of_13_by_9()
    data[6:10] = struct.pack("<HH", 15661, 137)
    first = data.find(b"\x2c\x00\x00\x00\x00")
    data[first + 3 : first + 5] = (2048).to_bytes(2, "little")
    with pytest.raises(ImageTooLargeError, match="15661 x 2057 x 2 frames"):
        decode_any(bytes(data), limits=InputLimits(pixels=1_000_000))
