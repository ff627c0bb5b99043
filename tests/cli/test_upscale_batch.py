"""`tilewright upscale` on several files, folders and patterns."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from support.cli import files_in, format_and_size, write_picture
from tilewright.cli import main


@pytest.mark.usefixtures("nearest_neighbour")
def test_results_in_a_folder_keep_stem_and_format():
    """The format is detected from the content; the extension may be wrong."""
    write_picture("a.png")
    write_picture("b.jpeg")
    write_picture("c.webp")
    write_picture("d.gif")
    write_picture("e.png", file_format="JPEG")
    assert main(["upscale", "a.png", "b.jpeg", "c.webp", "d.gif", "e.png", "-o", "out", "-x", "2"]) == 0
    assert files_in("out") == ["a.png", "b.jpg", "c.webp", "d.png", "e.jpg"]
    formats = [format_and_size(path)[0] for path in sorted(Path("out").iterdir())]
    assert formats == ["PNG", "JPEG", "WEBP", "PNG", "JPEG"]


@pytest.mark.usefixtures("nearest_neighbour")
def test_format_option_applies_to_all_results():
    write_picture("a.png")
    write_picture("b.jpg")
    assert main(["upscale", "a.png", "b.jpg", "-o", "out", "-x", "2", "--format", "webp"]) == 0
    assert files_in("out") == ["a.webp", "b.webp"]


@pytest.mark.parametrize("out", ["out/", "out"])
@pytest.mark.usefixtures("nearest_neighbour")
def test_one_picture_into_a_folder(out):
    write_picture("a.png")
    if not out.endswith("/"):
        Path(out).mkdir()
    assert main(["upscale", "a.png", "-o", out, "-x", "2"]) == 0
    assert files_in("out") == ["a.png"]


@pytest.mark.usefixtures("nearest_neighbour")
def test_folder_yields_its_own_pictures_sorted(capsys):
    names = [f"in/{letter}.png" for letter in "hcfbgde"]
    for name in [*names, "in/a.JPG", "in/sub/c.png", "in/.hidden.png"]:
        write_picture(name)
    Path("in/notes.txt").write_text("not a picture")
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    assert files_in("out") == ["a.jpg", *(f"{letter}.png" for letter in "bcdefgh")]
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "in: left out 1 other file (notes.txt) and 1 subfolder (use -r)"
    assert [line.split()[0] for line in lines] == ["in/a.JPG", *sorted(names)]


@pytest.mark.usefixtures("nearest_neighbour")
def test_folder_yields_every_ending_of_the_formats_that_are_read(capsys):
    formats = {
        "jfif": "JPEG",
        "jpe": "JPEG",
        "apng": "PNG",
        "tif": "TIFF",
        "TIFF": "TIFF",
        "avif": "AVIF",
        "bmp": "BMP",
    }
    for ending, file_format in formats.items():
        write_picture(f"in/{ending}.{ending}", file_format=file_format)
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0, capsys.readouterr().err
    written = {"JPEG": "jpg", "TIFF": "tif"}
    assert files_in("out") == sorted(
        f"{ending}.{written.get(file_format, 'png')}" for ending, file_format in formats.items()
    )


@pytest.mark.usefixtures("nearest_neighbour")
def test_pages_that_are_left_out_are_named(capsys):
    image = Image.new("RGB", (8, 6))
    image.save("scan.tif", save_all=True, append_images=[image] * 2)
    assert main(["upscale", "scan.tif", "-o", "out.png", "-x", "2"]) == 0
    assert "scan.tif: leaves out 2 further pages\n" in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
def test_recursive_keeps_subfolders():
    for name in ("in/a.png", "in/x/a.png", "in/x/y/a.png", "in/.git/a.png"):
        write_picture(name)
    assert main(["upscale", "-r", "in", "-o", "out", "-x", "2"]) == 0
    assert files_in("out") == ["a.png", "x/a.png", "x/y/a.png"]


@pytest.mark.usefixtures("nearest_neighbour")
def test_recursive_skips_the_output_folder():
    write_picture("in/a.png")
    for _ in range(2):
        assert main(["upscale", "-r", "in", "-o", "in/large/", "-x", "2", "--overwrite"]) == 0
    assert files_in("in/large") == ["a.png"]


@pytest.mark.usefixtures("nearest_neighbour")
def test_unexpanded_patterns(working_folder):
    for name in ("b.png", "a.png", "c.jpg", "sub/d.png"):
        write_picture(name)
    assert main(["upscale", "*.png", f"{working_folder}/su*/d.png", "-o", "out", "-x", "2"]) == 0
    assert files_in("out") == ["a.png", "b.png", "sub/d.png"]


@pytest.mark.usefixtures("nearest_neighbour")
def test_pattern_with_one_match_needs_an_output_folder(capsys):
    write_picture("a.png")
    assert main(["upscale", "*.png", "-o", "out.png", "-x", "2"]) == 2
    assert "need a folder" in capsys.readouterr().err
    assert main(["upscale", "*.png", "-o", "out", "-x", "2"]) == 0
    assert files_in("out") == ["a.png"]


@pytest.mark.usefixtures("nearest_neighbour")
def test_existing_path_is_taken_literally():
    write_picture("a.png")
    write_picture("[a].png")
    assert main(["upscale", "[a].png", "-o", "large.png", "-x", "2"]) == 0
    assert format_and_size("large.png") == ("PNG", (48, 32))


@pytest.mark.usefixtures("nearest_neighbour")
def test_duplicate_inputs_are_upscaled_once(capsys):
    write_picture("a.png")
    assert main(["upscale", "a.png", "./a.png", "*.png", "-o", "out", "-x", "2"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.usefixtures("nearest_neighbour")
def test_repeated_run_upscales_only_missing_results(capsys):
    write_picture("in/a.png")
    write_picture("in/b.png")
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    existing = Path("out/a.png").read_bytes() + b"existing"
    Path("out/a.png").write_bytes(existing)
    Path("out/b.png").unlink()
    capsys.readouterr()
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    err = capsys.readouterr().err
    assert "1 skipped because their results exist; use --overwrite to replace them" in err
    assert Path("out/a.png").read_bytes() == existing
    assert format_and_size("out/b.png") == ("PNG", (48, 32))
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0, "a run with nothing left to do succeeds"


@pytest.mark.usefixtures("nearest_neighbour")
def test_failed_pictures_do_not_stop_the_others(capsys):
    write_picture("good.png")
    Path("text.png").write_text("this is not a picture")
    Path("cut.png").write_bytes(write_picture("whole.png").read_bytes()[:-30])
    Path("empty").mkdir()
    names = ["missing.png", "text.png", "cut.png", "empty", "nothing*.png", "good.png"]
    assert main(["upscale", *names, "-o", "out", "-x", "2"]) == 1
    assert files_in("out") == ["good.png"]
    lines = capsys.readouterr().err.splitlines()
    expected = [
        "tilewright: missing.png: No such file or directory",
        r"tilewright: empty: no pictures \(.*\.png.*\) in this folder; use -r to search subfolders",
        r"tilewright: nothing\*\.png: no file matches this pattern",
        "tilewright: text.png: not a picture .* looks like text.*",
        "tilewright: cut.png: the PNG file is corrupt or cut short.*",
        "good.png -> out/good.png 48x32 in .*",
        "tilewright: 5 of 6 failed",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


@pytest.mark.usefixtures("nearest_neighbour")
def test_unreadable_folder_is_reported(monkeypatch, capsys):
    """Its pictures must not be skipped silently."""
    original = os.scandir

    def scandir(path):
        if str(path) == "in/x":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path)

    write_picture("in/a.png")
    write_picture("in/x/b.png")
    monkeypatch.setattr(os, "scandir", scandir)
    assert main(["upscale", "-r", "in", "-o", "out", "-x", "2"]) == 1
    assert files_in("out") == ["a.png"]
    assert capsys.readouterr().err.startswith("tilewright: in/x: Permission denied\n")


@pytest.mark.usefixtures("nearest_neighbour")
def test_too_large_size_fails_only_its_picture(capsys):
    write_picture("small.png")
    write_picture("large.png", 100, 100)
    assert main(["upscale", "small.png", "large.png", "-o", "out/", "--size", "200x200"]) == 1
    assert "small.png: size 200 x 133 is more than 4 times 24 x 16" in capsys.readouterr().err
    assert files_in("out") == ["large.png"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.usefixtures("nearest_neighbour")
def test_full_disk_stops_the_batch(number, monkeypatch, capsys):
    for name in ("a", "b", "c", "d"):
        write_picture(f"in/{name}.png")
    flushes = []

    def flush(descriptor):
        flushes.append(descriptor)
        if len(flushes) > 1:
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", flush)
        assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 1
    assert files_in("out") == ["a.png"]
    assert len(flushes) == 2, "the others are not computed"
    assert capsys.readouterr().err.splitlines()[-3:] == [
        f"tilewright: in/b.png: out/b.png cannot be written: {os.strerror(number)}",
        "tilewright: stopped, 2 not tried; free some space and repeat the command",
        "tilewright: 1 of 4 failed",
    ]
    assert main(["upscale", "in", "-o", "out", "-x", "2"]) == 0
    assert files_in("out") == ["a.png", "b.png", "c.png", "d.png"]
