"""`tilewright upscale` on one file: size, format and options."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.cli import files_in, format_and_size, load, write_picture
from support.picture_files import SRGB_PROFILE
from tilewright.cli import main
from tilewright.codecs.decode import decode
from tilewright.codecs.encode import encode
from tilewright.engine.networks import Networks
from tilewright.engine.report import STAGES
from tilewright.options import new_picture_upscaler
from tilewright.picture import Picture
from tilewright.testing import make_picture


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_output_size_is_input_size_times_factor(factor, capsys):
    write_picture("small.png", 64, 48)
    assert main(["upscale", "small.png", "-o", "large.png", "-x", str(factor)]) == 0
    assert format_and_size("large.png") == ("PNG", (64 * factor, 48 * factor))
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"small\.png -> large\.png {64 * factor}x{48 * factor} in \d+\.\d s\n", err)


def test_result_comes_from_the_network():
    """The result is not nearest-neighbour upscaling, and shrinks back to about the input."""
    write_picture("small.png", 64, 48)
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "4"]) == 0
    small = np.asarray(Image.open("small.png")).astype(int)
    large = np.asarray(Image.open("large.png")).astype(int)
    assert not np.array_equal(large, small.repeat(4, 0).repeat(4, 1))
    assert np.abs(large.reshape(48, 4, 64, 4, 3).mean(axis=(1, 3)) - small).mean() < 8


def test_no_store_and_no_partial_file_remain(working_folder):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2"]) == 0
    assert files_in(working_folder) == ["large.png", "small.png"]


@pytest.mark.parametrize(
    ("out", "options", "file_format"),
    [
        ("large.jpg", [], "JPEG"),
        ("large.JPEG", [], "JPEG"),
        ("large.webp", [], "WEBP"),
        ("large", ["--format", "webp"], "WEBP"),
        ("large", ["--format", "JPEG"], "JPEG"),
        ("new/folder/large.png", [], "PNG"),
    ],
)
@pytest.mark.usefixtures("nearest_neighbour")
def test_format_follows_extension_or_option(out, options, file_format):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", out, "-x", "2", *options]) == 0
    assert format_and_size(out) == (file_format, (48, 32))


@pytest.mark.usefixtures("nearest_neighbour")
def test_extension_and_format_option_must_agree(capsys):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2", "--format", "jpg"]) == 2
    assert "large.png names a PNG file, but --format is JPG" in capsys.readouterr().err
    assert not Path("large.png").exists()


@pytest.mark.usefixtures("nearest_neighbour")
@pytest.mark.parametrize("url", ["https://example.com/cat.jpg", "HTTP://example.com/cat.jpg?size=1"])
def test_urls_are_refused(url, capsys):
    assert main(["upscale", url, "-o", "large.png", "-x", "2"]) == 1
    assert f"{url}: this is a URL; download the picture first" in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
def test_empty_output_name_is_refused(capsys):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "", "-x", "2"]) == 2
    assert "-o is empty" in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
@pytest.mark.parametrize("given_as", ["option", "variable"])
def test_format_options_and_settings(given_as, monkeypatch):
    def result(name, option):
        if given_as == "variable":
            monkeypatch.setenv(f"TILEWRIGHT_{option}", "on")
        options = [f"--{option.split('_', 1)[-1].lower()}"] if given_as == "option" and option else []
        options = ["--keep-metadata"] if options == ["--metadata"] else options
        assert main(["upscale", "small.jpg", "-o", name, "-x", "2", "--overwrite", *options]) == 0
        return Path(name).read_bytes()

    exif = Image.Exif()
    exif[0x010F] = "Maker"
    write_picture("small.jpg")
    load("small.jpg").save("small.jpg", exif=exif, dpi=(100, 100))
    larger = np.repeat(np.repeat(np.asarray(load("small.jpg")), 2, 0), 2, 1)
    assert b"\xff\xc2" in result("progressive.jpg", "JPG_PROGRESSIVE")
    result("lossless.webp", "WEBP_LOSSLESS")
    np.testing.assert_array_equal(np.asarray(load("lossless.webp")), larger)
    for name in ("kept.png", "kept.jpg", "kept.webp"):
        assert b"Maker" in result(name, "KEEP_METADATA")
        monkeypatch.delenv("TILEWRIGHT_KEEP_METADATA", raising=False)
        assert b"Maker" not in result(f"plain-{name}", "")
    assert load("kept.png").info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_quality_changes_the_file_size():
    write_picture("small.png", 200, 200)
    for quality in ("10", "95"):
        assert main(["upscale", "small.png", "-o", f"q{quality}.jpg", "-x", "2", "--quality", quality]) == 0
    assert main(["upscale", "small.png", "-o", "default.jpg", "-x", "2"]) == 0
    assert Path("q10.jpg").stat().st_size < Path("q95.jpg").stat().st_size
    assert Path("q95.jpg").read_bytes() == Path("default.jpg").read_bytes()


@pytest.mark.usefixtures("nearest_neighbour")
def test_options_reach_the_upscaler(monkeypatch):
    given = {}

    def recording(settings, options):
        given.update(options)
        return new_picture_upscaler(settings, options)

    monkeypatch.setattr("tilewright.cli.upscale.new_picture_upscaler", recording)
    write_picture("small.png")
    options = ["--model", "waifu2x-cunet", "--denoise", "2", "--device", "cpu", "--precision", "fp32", "--tile", "64"]
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2", *options]) == 0
    unset = {"pre": None, "spec": None, "tta": None, "true_colour": None}
    assert given == {"model": "waifu2x-cunet", "denoise": "2", "device": "cpu", "precision": "fp32", "tile": 64} | unset


@pytest.mark.usefixtures("nearest_neighbour")
def test_tta_and_true_colour_reach_the_networks(monkeypatch):
    given = []
    initialise = Networks.__init__

    def recording(self, *arguments, **options):
        given.append((options["additions"].tta, options["additions"].true_colour))
        initialise(self, *arguments, **options)

    monkeypatch.setattr(Networks, "__init__", recording)
    monkeypatch.setenv("TILEWRIGHT_TRUE_COLOUR", "on")
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "a.png", "-x", "2"]) == 0
    assert main(["upscale", "small.png", "-o", "b.png", "-x", "2", "--tta"]) == 0
    monkeypatch.delenv("TILEWRIGHT_TRUE_COLOUR")
    assert main(["upscale", "small.png", "-o", "c.png", "-x", "2", "--true-colour"]) == 0
    assert given == [(False, True), (True, True), (False, True)]


def test_settings_apply_without_options(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_MODEL", "no-such-network")
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2"]) == 2
    assert "no-such-network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "size"), [(["--size", "60x100"], (60, 40)), (["--size", "60x64", "--fit", "exact"], (60, 64))]
)
@pytest.mark.usefixtures("nearest_neighbour")
def test_size_instead_of_factor(options, size, capsys):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", *options]) == 0
    assert format_and_size("large.png") == ("PNG", size)
    assert f"large.png {size[0]}x{size[1]} in" in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
def test_report_prints_json_per_picture(capsys):
    write_picture("a.png", 40, 30)
    write_picture("b.png", 20, 10)
    assert main(["upscale", "a.png", "b.png", "-o", "large", "-x", "2", "--report", "--tile", "16", "-q"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["file"], second["file"]) == (str(Path("large/a.png")), str(Path("large/b.png")))
    assert (first["input"], first["output"], first["tileSize"]) == ([40, 30], [80, 60], [16, 16])
    assert first["tiles"] == 6
    assert first["redundancy"] == pytest.approx(6 * 256 / 1200, abs=1e-4)
    assert list(first["seconds"]) == list(STAGES)
    assert all(seconds >= 0 for seconds in first["seconds"].values())
    assert sum(first["seconds"].values()) == pytest.approx(first["totalSeconds"], rel=0.2)
    assert first["peakMemory"] > 2**20


@pytest.mark.usefixtures("nearest_neighbour")
def test_overwrite_replaces_an_existing_result():
    write_picture("a.png")
    Path("large.png").write_text("old")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "--overwrite"]) == 0
    assert format_and_size("large.png") == ("PNG", (48, 32))


@pytest.mark.usefixtures("nearest_neighbour")
@pytest.mark.parametrize(
    ("out", "options"), [("large.tif", []), ("large.TIFF", []), ("large.scan", ["--format", "tiff"])]
)
def test_tiff_keeps_16_bits_transparency_and_profile(out, options):
    picture = Picture(
        make_picture(24, 32, 3, np.uint16), make_picture(24, 32, 2, np.uint16)[:, :, 1].copy(), SRGB_PROFILE
    )
    Path("small.png").write_bytes(encode(picture, "PNG"))
    assert main(["upscale", "small.png", "-o", out, *options, "-x", "2"]) == 0
    result = decode(Path(out).read_bytes())
    assert (result.source_format, result.icc) == ("TIFF", SRGB_PROFILE)
    visible = picture.alpha > 0
    np.testing.assert_array_equal(result.pixels[::2, ::2][visible], picture.pixels[visible])
    np.testing.assert_array_equal(result.alpha[::2, ::2], picture.alpha)


@pytest.mark.parametrize(("verdict", "note"), [(True, ", NSFW content"), (False, "")])
@pytest.mark.usefixtures("nearest_neighbour")
def test_results_are_checked_if_the_settings_ask_for_it(verdict, note, monkeypatch, capsys):
    checked = []

    def is_nsfw(_, picture):
        checked.append((picture.width, picture.height))
        return verdict

    monkeypatch.setattr("tilewright.nsfw.nsfw_problem", lambda: None)
    monkeypatch.setattr("tilewright.nsfw.NsfwClassifier.is_nsfw", is_nsfw)
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "1.png", "-x", "2", "--report", "-q"]) == 0
    assert "NSFWContent" not in json.loads(capsys.readouterr().out)
    assert checked == []
    monkeypatch.setenv("TILEWRIGHT_CHECK_NSFW", "on")
    assert main(["upscale", "a.png", "-o", "2.png", "-x", "2", "--report"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["NSFWContent"] is verdict
    assert re.fullmatch(rf"a\.png -> 2\.png 48x32 in [0-9.]+ s{note}\n", err)
    assert checked == [(48, 32)]


@pytest.mark.usefixtures("no_network")
def test_a_missing_classifier_is_one_error(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.nsfw.nsfw_problem", lambda: "no classifier is installed")
    monkeypatch.setenv("TILEWRIGHT_CHECK_NSFW", "on")
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "b.png", "-x", "2"]) == 2
    assert capsys.readouterr().err == "tilewright: TILEWRIGHT_CHECK_NSFW is on, and no classifier is installed\n"
