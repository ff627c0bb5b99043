"""Messages with the text of other libraries."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tilewright.codecs.animation_reader import open_animation
from tilewright.codecs.messages import error_text
from tilewright.errors import DecodeError, SourceError
from tilewright.limits import InputLimits
from tilewright.service.responses import error_items


def test_address_of_an_object_is_left_out():
    with pytest.raises(Image.UnidentifiedImageError) as caught:
        Image.open(io.BytesIO(b"no picture"))
    assert " at 0x" in str(caught.value)
    assert error_text(caught.value) == "cannot identify image file"


def test_error_without_text_is_named_by_its_class():
    assert error_text(ValueError()) == "ValueError"
    assert error_text(OSError("two\n lines")) == "two lines"


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_message_about_a_broken_animation_has_no_address(kind):
    with pytest.raises(DecodeError, match=f"the {kind} file is corrupt or cut short: cannot identify image file$"):
        open_animation(b"no picture", kind, 2)


def test_message_about_a_file_object_names_its_type():
    with pytest.raises(SourceError, match=r"the file object \(StringIO\) gave str instead of bytes") as caught:
        InputLimits().read(io.StringIO("text"))
    assert "0x" not in caught.value.message


def test_unexpected_failure_is_reported_without_addresses():
    (item,) = error_items(ValueError(f"no use for {object()!r}"), {"taskUUID": "1"})
    assert item["message"] == "unexpected failure: ValueError: no use for"
