"""Pictures in every accepted form, and what is said about the others."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import subprocess
import sys
import uuid

import numpy as np
import pytest
from PIL import Image

from support.inputs import load_picture
from support.picture_files import saved
from tilewright.codecs.decode import decode
from tilewright.errors import DecodeError, ImageTooLargeError, SourceError
from tilewright.inputs.forms import form_problem
from tilewright.limits import InputLimits
from tilewright.store.image_store import ImageStore

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def png(pixels=PIXELS):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


PNG = png()
TEXT = base64.b64encode(PNG).decode()


@pytest.fixture
def store(tmp_path):
    return ImageStore(tmp_path / "images")


@pytest.mark.parametrize(
    "value",
    [
        PNG,
        bytearray(PNG),
        memoryview(PNG),
        io.BytesIO(PNG),
        TEXT,
        f"data:image/png;base64,{TEXT}",
        f"DATA:image/JPEG;charset=x;BASE64,{TEXT}",
    ],
    ids=["bytes", "bytearray", "memoryview", "file", "base64", "data URI", "wrong media type"],
)
def test_bytes_in_every_wrapping_are_decoded_and_kept_as_they_are(store, value):
    picture, image_uuid = load_picture(value, store)
    assert np.array_equal(picture.pixels, PIXELS)
    assert store.get(image_uuid) == PNG
    assert store.url(image_uuid).endswith(".png")


def test_a_path_is_read(store, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(PNG)  # the content decides, not the name
    picture, image_uuid = load_picture(tmp_path / "photo.jpg", store)
    assert np.array_equal(picture.pixels, PIXELS)
    assert store.url(image_uuid).endswith(".png")


def test_a_stored_image_is_taken_from_the_store_and_not_kept_again(store, tmp_path):
    image_uuid = store.put(PNG, "png")
    picture, same = load_picture(image_uuid.upper(), store)
    assert np.array_equal(picture.pixels, PIXELS)
    assert same == image_uuid
    assert len(list((tmp_path / "images").iterdir())) == 1


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_are_kept_as_png_without_loss(store, channels, dtype):
    shape = (4, 6) if channels is None else (4, 6, channels)
    array = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    picture, image_uuid = load_picture(array, store)
    again = decode(store.get(image_uuid))
    for each in (picture, again):
        whole = each.pixels if each.alpha is None else np.dstack([each.pixels, each.alpha])
        assert np.array_equal(whole.squeeze(), array.squeeze())
        assert whole.dtype == dtype


def test_pillow_images_are_kept_as_png(store):
    picture, image_uuid = load_picture(Image.fromarray(PIXELS), store)
    assert np.array_equal(picture.pixels, PIXELS)
    assert np.array_equal(decode(store.get(image_uuid)).pixels, PIXELS)


def test_a_file_object_is_read_from_where_it_stands(store):
    file = io.BytesIO(b"header" + PNG)
    file.seek(6)
    assert load_picture(file, store)[0].width == 7


@pytest.mark.parametrize(("position", "found"), [(len(PNG), "it ends"), (8, "no picture begins")])
def test_a_file_object_that_has_been_read_gets_advice(store, position, found):
    file = io.BytesIO(PNG)
    file.seek(position)
    with pytest.raises(SourceError, match=rf"at byte {position}, where {found}; call seek\(0\) first") as caught:
        load_picture(file, store)
    assert (caught.value.code, caught.value.parameter) == ("invalidInputImage", "inputImage")


def test_a_file_object_without_a_position_is_read(store):
    class Stream:
        read = io.BytesIO(PNG).read

    assert load_picture(Stream(), store)[0].width == 7
    with pytest.raises(DecodeError, match="it is empty"):
        load_picture(io.BytesIO(), store)


@pytest.mark.parametrize("file_format", ["TIFF", "AVIF", "BMP"])
def test_files_of_every_format_are_kept_as_they_are(store, file_format):
    data = saved(Image.fromarray(PIXELS), file_format)
    _, image_uuid = load_picture(data, store)
    assert store.get(image_uuid) == data
    assert store.url(image_uuid).endswith(f".{file_format.lower()}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("photo.jpg", "pathlib.Path('photo.jpg')"),
        ("./photo", "pathlib.Path('./photo')"),
        ("~/photo", "pathlib.Path"),
        ("C:\\photos\\a.png", "pathlib.Path"),
        ("/home/me/my photo.png", "pathlib.Path"),
        ("https://example.com/a.png", "not enabled"),
        ("HTTP://example.com/a.png", "not enabled"),
        ("file:///tmp/a.png", "file URL"),
        ("e9f7fa64-ec8e-11f1-97a6-02fc00000001", "version 4"),
        ("data:text/plain;base64,aGVsbG8=", "data:image/"),
        ("data:image/png,abc", "base64"),
        ("", "not a picture"),
        ("hello world", "not a picture"),
        (TEXT.rstrip("=")[:-1], "padding"),
        (TEXT.replace("/", "_").replace("+", "-"), "URL-safe"),
        (TEXT[:76] + "\n" + TEXT[76:], "line breaks"),
        ("é" * 100, "characters outside"),
    ],
)
def test_a_text_that_is_no_picture_is_told_what_it_looks_like(store, text, hint):
    assert hint in form_problem(text)
    with pytest.raises(SourceError) as caught:
        load_picture(text, store)
    assert (caught.value.code, caught.value.parameter) == ("invalidInputImage", "inputImage")


def test_a_fault_deep_inside_base64_is_found(store):
    long = base64.b64encode(bytes(3000)).decode()
    with pytest.raises(DecodeError, match="not base64") as caught:
        load_picture(long[:2000] + "!" + long[2001:], store)
    assert caught.value.code == "invalidInputImage"


def test_base64_that_is_no_picture_is_told_apart(store, tmp_path):
    with pytest.raises(DecodeError, match="the text 'aGVsbG8gd29ybGQh' was read as base64 and is no picture"):
        load_picture("aGVsbG8gd29ybGQh", store)
    assert not (tmp_path / "images").exists()  # rubbish is not kept


@pytest.mark.parametrize("value", [None, 7, [PNG], {"image": TEXT}, object()])
def test_other_types_are_told_what_to_give(store, value):
    with pytest.raises(SourceError, match=f"given as {type(value).__name__}") as caught:
        load_picture(value, store)
    assert caught.value.code == "invalidInputImage"


def test_a_missing_file_and_a_folder_are_named(store, tmp_path):
    with pytest.raises(SourceError, match=r"no file .*nope\.png") as caught:
        load_picture(tmp_path / "nope.png", store)
    assert (caught.value.code, caught.value.parameter) == ("failedToTransferImage", "inputImage")
    with pytest.raises(SourceError, match="is a folder"):
        load_picture(tmp_path, store)
    with pytest.raises(SourceError, match="cannot be read"):
        load_picture(tmp_path / "nul\0.png", store)


def test_a_file_without_permission_is_named(store, tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(PNG)
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read anything

        def refused(_path, _mode):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(SourceError, match=r"secret\.png.*permission denied"):
        load_picture(path, store)


def test_file_objects_that_cannot_give_bytes(store):
    with pytest.raises(SourceError, match="binary mode"):
        load_picture(io.StringIO("text"), store)
    closed = io.BytesIO(PNG)
    closed.close()
    with pytest.raises(SourceError, match="closed file"):
        load_picture(closed, store)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [("inputImage", "invalidInputImage"), ("inputs.image", "invalidInputImage"), ("image", "invalidImage")],
)
def test_errors_carry_the_parameter_they_came_by(store, parameter, code):
    for value in (b"no picture", str(uuid.uuid4()), "photo.png"):
        with pytest.raises((DecodeError, SourceError)) as caught:
            load_picture(value, store, parameter=parameter)
        assert (caught.value.code, caught.value.parameter) == (code, parameter)


def test_the_cause_of_an_error_is_the_exception_that_it_was_mapped_from(store, tmp_path):
    with pytest.raises(SourceError) as caught:
        load_picture(tmp_path / "absent.png", store)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize(
    "value", [PNG, PIXELS, Image.fromarray(PIXELS), TEXT], ids=["bytes", "array", "pillow", "text"]
)
def test_the_pixel_limit_holds_for_every_form(store, value):
    assert load_picture(value, store, limits=InputLimits(pixels=35))[0].width == 7
    with pytest.raises(ImageTooLargeError, match=r"7 x 5 = 35 .* 34") as caught:
        load_picture(value, store, limits=InputLimits(pixels=34))
    assert (caught.value.code, caught.value.parameter) == ("imageTooLarge", "inputImage")


def test_importing_the_request_path_loads_no_codec_and_no_store_driver():
    program = (
        "import sys, tilewright.service.tasks, tilewright.service.responses\n"
        "import tilewright.inputs.resolve, tilewright.settings\n"
        "print([name for name in ('pyvips', 'PIL', 'fsspec', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def forms(data, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    encoded = base64.b64encode(data).decode()
    yield from (data, path, io.BytesIO(data), path.open("rb", buffering=0), encoded, f"data:image/png;base64,{encoded}")


def test_files_larger_than_the_limit_are_refused_in_every_form(store, tmp_path):
    for value in forms(PNG, tmp_path):
        with contextlib.closing(value) if hasattr(value, "close") else contextlib.nullcontext():
            with pytest.raises(ImageTooLargeError, match=r"bytes, the limit is \d+; .*MAX_INPUT_BYTES") as caught:
                load_picture(value, store, limits=InputLimits(file_bytes=len(PNG) - 1))
            assert (caught.value.code, caught.value.parameter) == ("imageTooLarge", "inputImage")
    for value in forms(PNG, tmp_path):
        with contextlib.closing(value) if hasattr(value, "close") else contextlib.nullcontext():
            assert load_picture(value, store, limits=InputLimits(file_bytes=len(PNG))).picture.source_format == "PNG"


def test_an_endless_file_object_is_not_read_to_its_end(store):
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size=-1):
            self.given += min(size, 1000)
            return bytes(min(size, 1000))

    endless = Endless()
    with pytest.raises(ImageTooLargeError):
        load_picture(endless, store, limits=InputLimits(file_bytes=12_345))
    assert endless.given == 12_346
