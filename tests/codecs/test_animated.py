"""Animations: every frame goes in and comes out, as an independent reader shows it."""

from __future__ import annotations

import gc
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageCms

from tilewright import Upscaler
from tilewright.cli import main
from tilewright.codecs.animated import write_animation
from tilewright.codecs.decode import decode, decode_any
from tilewright.codecs.png_chunks import chunk
from tilewright.engine.networks import Networks
from tilewright.errors import DecodeError, EncodeError, ImageTooLargeError
from tilewright.limits import Limits
from tilewright.models.spec import ModelSpec
from tilewright.picture import Animation, Frame, Picture
from tilewright.testing import FakeSession, make_picture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = ["GIF", "PNG", "WEBP"]
DURATIONS = [40, 1000, 250, 70_000]


@pytest.fixture
def copying(monkeypatch, tmp_path):
    """An Upscaler whose network only repeats pixels."""

    def session(_, name, factor, precision):
        return FakeSession(ModelSpec(name=str(name), scale=factor), precision=precision)

    monkeypatch.setattr(Networks, "session", session)
    with Upscaler(device="cpu", store=tmp_path / "store") as upscaler:
        yield upscaler


def moving_square(count=4, size=(32, 24)):
    """A square that moves over a photograph and changes its colour; one frame is the same as that before."""
    ground = Image.fromarray(make_picture(size[1], size[0])).convert("RGBA")
    frames = []
    for number in range(count):
        frame = ground.copy()
        step = number if number != 2 else 1
        frame.paste((255, 60 * step, 0, 255), (3 + 5 * step, 4 + 2 * step, 9 + 5 * step, 11 + 2 * step))
        frames.append(frame)
    return frames


def animation_file(kind, frames=None, durations=DURATIONS, **options):
    frames = frames or moving_square()
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=durations[: len(frames)], **options)
    return file.getvalue()


def shown(data):
    """What Pillow shows, frame by frame: pixels and milliseconds; and how often."""
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append((np.asarray(image.convert("RGBA")), image.info["duration"]))
        return frames, image.info.get("loop")


def enlarged(upscaler, data, file_format, **options):
    file = io.BytesIO()
    upscaler.upscale_to_file(decode_any(data), 2, file, file_format, **options)
    return file.getvalue()


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_comes_out(copying, kind, target):
    data = animation_file(kind, loop=0, **({"lossless": True} if kind == "WEBP" else {}))
    wanted, _ = shown(data)
    found, plays = shown(enlarged(copying, data, target, lossless=True))
    # Writers leave out a frame that repeats the one before, and show that longer.
    assert len(found) == len(wanted) >= 3
    assert plays == 0
    for (pixels, milliseconds), (source, source_milliseconds) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(pixels, source.repeat(2, 0).repeat(2, 1))
        assert milliseconds == pytest.approx(source_milliseconds, abs=1 if source_milliseconds < 65_536 else 10)


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
def test_lossy_frames_leave_nothing_of_each_other_behind(copying, target):
    frames, _ = shown(enlarged(copying, animation_file("PNG"), target, quality=90))
    for (pixels, _), source in zip(frames, moving_square()[:2] + moving_square()[3:], strict=True):
        difference = pixels[:, :, :3].astype(int) - np.asarray(source)[:, :, :3].repeat(2, 0).repeat(2, 1)
        assert np.abs(difference).mean() < (0.1 if target == "PNG" else 6)


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
@pytest.mark.parametrize(
    ("kind", "loop", "plays"),
    [("GIF", None, 1), ("GIF", 0, 0), ("GIF", 2, 3), ("PNG", 0, 0), ("PNG", 3, 3), ("WEBP", 0, 0), ("WEBP", 5, 5)],
)
def test_it_plays_as_often_as_before(copying, kind, loop, plays, target):
    data = animation_file(kind, **({} if loop is None else {"loop": loop}))
    assert decode_any(data).plays == plays
    assert shown(enlarged(copying, data, target))[1] == plays


@pytest.mark.parametrize("disposal", [0, 1, 2])
@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_disposal_is_applied(copying, kind, disposal):
    """Frames with holes, which show what the disposal of the frame before has left."""
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (16, 12), (0, 0, 0, 0))
        frame.paste((80 * number, 255, 0, 255), (4 * number, 2, 4 * number + 6, 9))
        frames.append(frame)
    data = animation_file(kind, frames, disposal=disposal, **({"blend": 1} if kind == "PNG" else {}))
    found, _ = shown(enlarged(copying, data, "PNG"))
    for (pixels, _), (source, _) in zip(found, shown(data)[0], strict=True):
        visible = source[:, :, 3:] > 0
        np.testing.assert_array_equal((pixels * (pixels[:, :, 3:] > 0)), (source * visible).repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_colour_resolution_and_orientation_of_an_animation(copying, target, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B], exif[0x010F] = orientation, 100.0, 50.0, "Maker"
    data = animation_file("WEBP", icc_profile=SRGB, exif=exif.tobytes(), lossless=True)
    for keep in (False, True):
        animation, file = decode_any(data, keep_metadata=keep), io.BytesIO()
        copying.upscale_to_file(animation, 2, file, target)
        with Image.open(file) as image:
            assert image.size == ((64, 48) if orientation == 1 else (48, 64))
            assert (animation.width * 2, animation.height * 2) == image.size
            assert image.info["icc_profile"] == SRGB
            assert image.getexif().get(0x0112, 1) == 1
            assert image.getexif().get(0x010F) == ("Maker" if keep else None)
            if target == "PNG":
                wanted = (200, 100) if orientation == 1 else (100, 200)
                assert image.info["dpi"] == pytest.approx(wanted, abs=0.1)


def test_a_default_picture_that_is_no_frame_is_left_out(copying):
    frames = moving_square()
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], default_image=True)
    animation = decode_any(file.getvalue())
    first = next(iter(animation.frames())).picture
    np.testing.assert_array_equal(first.pixels, np.asarray(frames[1])[:, :, :3])
    assert animation.count == len(list(animation.frames())) == len(shown(enlarged(copying, file.getvalue(), "PNG"))[0])


def test_only_what_changes_is_written(copying):
    photo = Image.fromarray(make_picture(120, 160)).convert("RGBA")
    frames = [photo.copy() for _ in range(5)]
    for number, frame in enumerate(frames):
        frame.putpixel((100, 7 + number), (255, 0, 0, 255))
    for target in ("PNG", "WEBP"):
        one = len(enlarged(copying, animation_file("PNG", frames[:2], [50] * 2), target))
        five = len(enlarged(copying, animation_file("PNG", frames, [50] * 5), target))
        assert five < 1.1 * one


@pytest.mark.parametrize("kind", KINDS)
def test_a_format_without_animations_is_refused_by_name_before_any_work(copying, kind, monkeypatch):
    monkeypatch.setattr(Networks, "session", lambda *_: pytest.fail("a network was opened"))
    with pytest.raises(EncodeError, match=r"animation of \d frames, and outputFormat JPG") as caught:
        enlarged(copying, animation_file(kind), "JPG")
    assert (caught.value.parameter, caught.value.allowed_values) == ("outputFormat", ["PNG", "WEBP"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_animation_cut_short_or_damaged_is_a_clear_error(copying, kind):
    noise = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (30, 40, 3), np.uint8)) for n in range(4)]
    data = animation_file(kind, noise)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(DecodeError, match="corrupt or cut short"):
            enlarged(copying, data[: int(len(data) * share)], "PNG")
    assert len(list(decode_any(data).frames())) == 4


def test_limits_count_all_frames():
    for kind in KINDS:
        data = animation_file(kind)
        count = decode_any(data).count
        pixels = 32 * 24 * count
        assert decode_any(data, limits=Limits(pixels=pixels, frames=count)).count == count
        with pytest.raises(ImageTooLargeError, match=rf"32 x 24 x {count} frames = {pixels} pixels"):
            decode_any(data, limits=Limits(pixels=pixels - 1))
        with pytest.raises(ImageTooLargeError, match=rf"has {count} frames, the limit is {count - 1}; .*MAX_FRAMES"):
            decode_any(data, limits=Limits(frames=count - 1))


def test_a_lying_number_of_frames_costs_nothing():
    data = animation_file("PNG")
    at = data.index(b"acTL") + 4
    lying = data[: at - 8] + chunk(b"acTL", struct.pack(">II", 2**31, 0)) + data[at + 12 :]
    with pytest.raises(ImageTooLargeError, match="2147483648 frames"):
        decode_any(lying, limits=Limits(frames=1000))
    with pytest.raises(DecodeError, match="frame 4 of the 2147483648 in the PNG file"):
        list(decode_any(lying).frames())


@pytest.mark.parametrize("target", ["PNG", "WEBP"])
def test_memory_does_not_grow_with_frames(target):
    def peak(count):
        def frames():
            for number in range(count):
                gc.collect()  # what Python has not come round to yet is not kept
                pixels = np.full((300, 400, 3), number, np.uint8)
                yield Frame(Picture(pixels, np.full((300, 400), 255, np.uint8)), 20)

        animation = Animation(400, 300, count, 0, None, "GIF", frames)
        tracemalloc.start()
        try:
            write_animation(io.BytesIO(), animation, animation.frames(), target)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)  # modules load
    assert peak(12) < peak(3) + 300 * 400 * 4


def test_a_task_gives_an_animation_and_asks_the_classifier_about_every_frame(copying, monkeypatch):
    asked = []

    def is_nsfw(picture):
        asked.append(picture.pixels[10, 10].tolist())
        return len(asked) == 3

    monkeypatch.setattr(copying, "is_nsfw", is_nsfw)
    monkeypatch.setattr("tilewright.nsfw.nsfw_problem", lambda: None)
    data = animation_file("GIF")
    task = {
        "taskType": "imageUpscale",
        "taskUUID": "19abad0d-6ec5-40a6-b7af-203775fa5b7f",
        "inputImage": data,
        "outputFormat": "WEBP",
        "upscaleFactor": 2,
        "checkNSFW": True,
    }
    item = copying.upscale(task)["data"][0]
    assert item["NSFWContent"] is True
    assert len(asked) == len(shown(data)[0]) == len(shown(copying.store.get(item["imageUUID"]))[0])


def test_a_broken_animation_is_not_stored(copying, tmp_path):
    for image in (animation_file("GIF")[:-400], animation_file("PNG")[:-400]):
        assert copying.upload(image)["errors"][0]["code"] == "invalidImage"
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("copying")
def test_the_command_line_takes_animations(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "move.gif").write_bytes(animation_file("GIF"))
    assert main(["upscale", "move.gif", "-o", "large/", "-x", "2", "--device", "cpu", "--report"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["output"] == [64, 48]
    assert len(shown((tmp_path / "large/move.png").read_bytes())[0]) >= 3
    assert main(["upscale", "move.gif", "-o", "move.jpg", "-x", "2", "--device", "cpu"]) == 1
    assert "move.gif: the picture is an animation" in capsys.readouterr().err
    assert not (tmp_path / "move.jpg").exists()


def test_still_pictures_stay_still():
    for kind in KINDS:
        file = io.BytesIO()
        moving_square()[0].convert("RGB").save(file, kind, save_all=True)
        assert isinstance(decode_any(file.getvalue()), Picture)
        with pytest.raises(DecodeError, match="animation"):
            decode(animation_file(kind))


def gif_of_13_by_9():
    """Two frames, to be changed."""
    return bytearray(animation_file("GIF", [Image.fromarray(make_picture(9, 13, 3) // shade) for shade in (1, 2)]))


def test_a_frame_beyond_the_screen_is_refused():
    """Pillow would give frames of two sizes."""
    data = gif_of_13_by_9()
    second = data.rfind(b"\x2c\x00\x00\x00\x00")  # an image descriptor: left, top, width, height
    data[second + 1 : second + 3] = (4).to_bytes(2, "little")
    with pytest.raises(DecodeError, match=r"frame 2 of the 2 in the GIF file .* reaches beyond the 13 x 9"):
        list(decode_any(bytes(data)).frames())


def test_a_screen_that_readers_see_differently_is_held_to_the_limit():
    """Pillow makes room for the first frame beside the screen, libvips takes the frame alone: found by fuzzing."""
    data = gif_of_13_by_9()
    data[6:10] = struct.pack("<HH", 15661, 137)
    first = data.find(b"\x2c\x00\x00\x00\x00")
    data[first + 3 : first + 5] = (2048).to_bytes(2, "little")
    with pytest.raises(ImageTooLargeError, match="15661 x 2057 x 2 frames"):
        decode_any(bytes(data), limits=Limits(pixels=1_000_000))
