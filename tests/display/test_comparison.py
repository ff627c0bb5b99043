"""Comparisons: what they accept, and the HTML that notebooks show. A browser shows it in `tests/browser`."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilewright
from support.picture_files import SRGB_PROFILE, opened
from tilewright.codecs.encode import encode
from tilewright.errors import DecodeError, SourceError
from tilewright.picture import Picture
from tilewright.testing import make_picture


def shown_images(comparison):
    """Returns the images in the HTML, and checks that it needs nothing else."""
    text = comparison._repr_html_()
    found = re.findall(r'src="data:image/(?:webp|png);base64,([^"]+)"', text)
    rest = re.sub(r'src="data:[^"]+"', "", text)
    assert not re.search(r"\bsrc=|\bhref=|url\(|://|<script|@import", rest)
    return [opened(base64.b64decode(data)) for data in found]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_picture(20, 30)).save("small.png")
    Image.fromarray(make_picture(40, 60)).save("large.png")


@pytest.mark.usefixtures("files")
def test_files_images_and_arrays_can_be_compared():
    with Image.open("small.png") as image:
        small = np.asarray(image)
        for before in ("small.png", Path("small.png"), image, small, (small / 255).astype(np.float32)):
            comparison = tilewright.compare(before, "large.png")
            assert repr(comparison) == "<Comparison of before (30 x 20) and after (60 x 40)>"
            first, second = shown_images(comparison)
            assert (first.size, second.size) == ((30, 20), (60, 40))
            assert np.abs(np.asarray(first).astype(int) - small).mean() < 12, "lossy, but the same picture"


@pytest.mark.usefixtures("files")
def test_large_pictures_are_reduced_and_keep_transparency_and_profile():
    deep = Picture(make_picture(100, 2100, 3, np.uint16), np.full((100, 2100), 9, np.uint16), SRGB_PROFILE)
    Path("deep.png").write_bytes(encode(deep, "PNG"))
    comparison = tilewright.compare("deep.png", "deep.png")
    assert "2100 × 100" in comparison._repr_html_()
    for image in shown_images(comparison):
        assert (image.size, image.mode) == ((2048, 98), "RGBA")
        assert image.info["icc_profile"] == SRGB_PROFILE


def test_labels_are_escaped():
    picture = make_picture(4, 4)
    text = tilewright.compare(picture, picture, labels=('<b>"', "& after"))._repr_html_()
    assert 'alt="&lt;b&gt;&quot;"' in text
    assert 'alt="&amp; after"' in text


@pytest.mark.usefixtures("files")
def test_other_values_are_refused():
    Path("notes.txt").write_text("hello")
    with pytest.raises(SourceError, match=r"there is no file 'gone\.png'"):
        tilewright.compare("gone.png", "large.png")
    with pytest.raises(DecodeError):
        tilewright.compare("small.png", "notes.txt")
    with pytest.raises(TypeError, match="pixels must be an array, not int"):
        tilewright.compare(3, "large.png")


def test_upscaler_is_shown_as_a_table(upscaler):
    text = upscaler._repr_html_()
    assert "<th>Network</th><td>tilewright-photo</td>" in text
    assert "<th>Factors</th><td>2, 3, 4</td>" in text
    assert "<th>Device</th><td>cpu</td>" in text
