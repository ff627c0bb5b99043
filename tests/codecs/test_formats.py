"""Format names, and the checks that run before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.picture_files import smooth
from tilewright.codecs.formats import check_encodable, extension, format_of_name, media_type
from tilewright.errors import EncodeError
from tilewright.literals import FILE_FORMATS, FORMATS
from tilewright.picture import Animation, Picture


def test_extensions_and_media_types():
    assert [(extension(each), media_type(each)) for each in FILE_FORMATS] == [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
        ("tif", "image/tiff"),
    ]
    assert [format_of_name(f"a.{extension(each)}") for each in FILE_FORMATS] == list(FILE_FORMATS)
    assert [format_of_name(each) for each in ("A.JPEG", Path("b.TIFF"), "c.gif", "png")] == ["JPG", "TIFF", None, None]


def test_tasks_cannot_ask_for_tiff():
    assert FORMATS == ("PNG", "JPG", "WEBP")


@pytest.mark.parametrize(
    ("file_format", "longest", "allowed"),
    [("TIFF", 10**8, ["PNG"]), ("WEBP", 16_383, ["PNG", "JPG"]), ("JPG", 65_500, ["PNG"]), ("PNG", 2**31 - 1, [])],
)
def test_picture_too_large_for_the_format_is_refused(file_format, longest, allowed):
    picture = Picture(smooth(1, 1))
    check_encodable(picture, longest, 1, file_format)
    check_encodable(picture, 1, longest, file_format)
    for size in ((longest + 1, 1), (1, longest + 1)):
        with pytest.raises(EncodeError, match=str(longest)) as caught:
            check_encodable(picture, *size, file_format)
        assert (caught.value.code, caught.value.parameter) == ("unsupportedOutputFormat", "outputFormat")
        assert caught.value.allowed_values == allowed


def test_checks_run_in_order_of_size_colour_space_and_animation():
    animation = Animation(8, 8, 2, 0, bytes([9, 16, 0, 1]), "PNG", frames=lambda: iter(()))
    with pytest.raises(EncodeError, match="65500 pixels per side"):
        check_encodable(animation, 65_501, 8, "JPG")
    with pytest.raises(EncodeError, match="cICP 9-16-0-1"):
        check_encodable(animation, 8, 8, "JPG")
    with pytest.raises(EncodeError, match="cICP 9-16-0-1"):
        check_encodable(animation, 8, 8, "TIFF")
    with pytest.raises(EncodeError, match="animation of 2 frames"):
        check_encodable(replace(animation, cicp=None), 8, 8, "JPG")
    with pytest.raises(EncodeError, match="animation of 2 frames"):
        check_encodable(replace(animation, cicp=None), 8, 8, "TIFF")
    check_encodable(animation, 8, 8, "PNG")
