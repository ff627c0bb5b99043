"""`tilewright upscale` says what it leaves out of a picture, and keeps lossless WEBP lossless."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from PIL import Image

from support.cli import load, run_module
from support.metadata_files import PARAMETERS, captioned, generated
from support.paths import SHARED_DATA
from support.picture_files import photo_image, saved
from tilewright.cli import main
from tilewright.codecs.decode import decode

pytestmark = pytest.mark.usefixtures("nearest_neighbour")

GAIN_MAP = b'<x xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/" h:Version="1.0"/>'


def lines_of(capsys, *arguments):
    """Returns what a command prints before its last line."""
    assert main(["upscale", *arguments, "-x", "2"]) == 0
    return capsys.readouterr().err.splitlines()[:-1]


def test_one_line_says_what_is_left_out(capsys):
    Path("a.png").write_bytes(generated())
    assert lines_of(capsys, "a.png", "-o", "a2.png") == [
        "a.png: leaves out 3 text entries (--keep-metadata keeps Exif, text and IPTC)"
    ]
    Path("b.jpg").write_bytes(captioned(xmp=GAIN_MAP))
    assert lines_of(capsys, "b.jpg", "-o", "b2.jpg") == [
        "b.jpg: leaves out the gain map and the IPTC data (--keep-metadata keeps Exif, text and IPTC)"
    ]
    assert lines_of(capsys, "b.jpg", "-o", "b3.jpg", "--keep-metadata") == ["b.jpg: leaves out the gain map"]
    assert lines_of(capsys, "a.png", "-o", "a3.png", "--keep-metadata") == []
    assert load("a3.png").text["parameters"] == PARAMETERS
    assert lines_of(capsys, "a.png", "-o", "a3.jpg", "--keep-metadata") == [
        "a.png: leaves out 1 text entry that JPG has no place for (workflow)"
    ]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_exif_that_is_left_out_is_announced(name, capsys):
    exif = Image.Exif()
    exif[0x010E] = "my garden"
    photo_image().save(name, exif=exif)
    hint = "(--keep-metadata keeps Exif, text and IPTC)"
    assert lines_of(capsys, name, "-o", "b.png") == [f"{name}: leaves out the Exif data {hint}"]
    assert lines_of(capsys, name, "-o", "c.png", "--keep-metadata") == []
    assert load("c.png").getexif()[0x010E] == "my garden"


def test_nothing_is_said_of_plain_pictures_or_if_asked_to_be_quiet(capsys):
    Path("plain.jpg").write_bytes(saved(photo_image(), "JPG"))
    assert lines_of(capsys, "plain.jpg", "-o", "plain2.jpg") == []
    Path("a.png").write_bytes(generated())
    assert main(["upscale", "a.png", "-o", "a2.png", "-x", "2", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_the_report_lists_what_is_left_out(capsys):
    Path("a.png").write_bytes(generated())
    assert main(["upscale", "a.png", "-o", "a2.png", "-x", "2", "--report", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["leftOut"] == ["3 text entries"]


def test_lossless_webp_stays_lossless_unless_a_quality_is_asked_for():
    Path("in").mkdir()
    Path("in/a.webp").write_bytes(saved(photo_image(), "WEBP", lossless=True))
    Path("in/b.webp").write_bytes(saved(photo_image(), "WEBP"))
    frames = [photo_image(), photo_image().rotate(180)]
    Path("in/c.webp").write_bytes(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert main(["upscale", "in", "-o", "out/", "-x", "2"]) == 0
    kinds = {path.name: b"VP8L" in path.read_bytes() for path in Path("out").iterdir()}
    assert kinds == {"a.webp": True, "b.webp": False, "c.webp": True}
    assert main(["upscale", "in/a.webp", "-o", "q.webp", "-x", "2", "--quality", "90"]) == 0
    assert not decode(Path("q.webp").read_bytes()).lossless
    assert main(["upscale", "in/b.webp", "-o", "l.webp", "-x", "2", "--lossless"]) == 0
    assert decode(Path("l.webp").read_bytes()).lossless


@pytest.mark.usefixtures("shared_data")
def test_field_cases(capsys):
    field = SHARED_DATA / "field"
    assert lines_of(capsys, str(field / "04_gainmap.jpg"), "-o", "g.jpg", "--keep-metadata") == [
        f"{field / '04_gainmap.jpg'}: leaves out the gain map"
    ]
    assert b"hdrgm" not in Path("g.jpg").read_bytes()
    lines_of(capsys, str(field / "03_pano_motion_xmp.jpg"), "-o", "p.jpg", "--keep-metadata")
    panorama = Path("p.jpg").read_bytes()
    assert b'FullPanoWidthPixels="400"' in panorama
    assert b"MicroVideo" not in panorama
    assert lines_of(capsys, str(field / "06_png_text.png"), "-o", "t.png", "--keep-metadata") == []
    assert set(load("t.png").text) >= {"parameters", "workflow", "Title"}
    lines_of(capsys, str(field / "06_iptc.jpg"), "-o", "i.jpg", "--keep-metadata")
    assert b"My title" in Path("i.jpg").read_bytes()
    lines_of(capsys, str(field / "09_lossless.webp"), "-o", "l/")
    assert decode(Path("l/09_lossless.webp").read_bytes()).lossless


def test_damaged_exif_tags_are_no_reason_for_messages(working_folder):
    """In a process of its own, because pytest handles warnings itself."""
    count = 20
    tags = b"".join(struct.pack("<HHII", 0x011A + index, 5, 1000, 99_999) for index in range(count))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + tags + bytes(4)
    Image.new("RGB", (8, 8)).save("a.jpg", exif=exif)
    done = run_module("upscale", "a.jpg", "-o", "large.jpg", "-x", "2", "--keep-metadata", text=True)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert (working_folder / "large.jpg").exists()
