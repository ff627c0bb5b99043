"""`tilewright upscale`: names of results that the command line does not name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.cli import files_in, format_and_size, write_picture
from tilewright.cli import main

pytestmark = pytest.mark.usefixtures("nearest_neighbour")


def upscale(*arguments):
    return main(["upscale", *map(str, arguments)])


@pytest.fixture(params=["with attributes", "without attributes"])
def attributes(request, monkeypatch):
    """Results are known by an extended attribute, which not every file system has."""
    if request.param == "without attributes":
        monkeypatch.setattr("tilewright.cli.existing.hasattr", lambda *_: False, raising=False)


@pytest.mark.parametrize(
    ("options", "name", "file_format", "size"),
    [
        (["-x", "4"], "photo-x4.png", "PNG", (96, 64)),
        (["--size", "40x40"], "photo-40x40.png", "PNG", (40, 27)),
        (["-x", "2", "--format", "jpg"], "photo-x2.jpg", "JPEG", (48, 32)),
        (["-x", "2", "--format", "tiff"], "photo-x2.tif", "TIFF", (48, 32)),
        (["-x", "2", "--suffix", "_large"], "photo_large.png", "PNG", (48, 32)),
        (["-x", "2", "--suffix=-large"], "photo-large.png", "PNG", (48, 32)),
        (["-x", "2", "--suffix", ""], "photo.png", "PNG", (48, 32)),
    ],
)
def test_result_lies_beside_its_picture(options, name, file_format, size, working_folder, capsys):
    write_picture("album/photo.jpg")
    assert upscale("album/photo.jpg", *options) == 0
    assert f"album/photo.jpg -> album/{name}" in capsys.readouterr().err
    assert files_in(working_folder) == sorted(["album/photo.jpg", f"album/{name}"])
    assert format_and_size(f"album/{name}") == (file_format, size)


def test_existing_result_of_one_picture_is_an_error_and_is_kept(capsys):
    write_picture("photo.jpg")
    Path("photo-x2.png").write_text("mine")
    assert upscale("photo.jpg", "-x", "2") == 1
    assert "photo-x2.png already exists; use --overwrite to replace it" in capsys.readouterr().err
    assert Path("photo-x2.png").read_text() == "mine"
    assert upscale("photo.jpg", "-x", "2", "--overwrite") == 0
    assert format_and_size("photo-x2.png") == ("PNG", (48, 32))


@pytest.mark.usefixtures("attributes")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("recursive", [False, True])
def test_folder_can_be_repeated(recursive, overwrite, capsys):
    for name in ("album/a.png", "album/b.jpg", "album/more/c.webp"):
        write_picture(name)
    command = ["album", "-x", "2", *(["-r"] if recursive else [])]
    assert upscale(*command) == 0
    results = ["album/a-x2.png", "album/b-x2.png", *(["album/more/c-x2.png"] if recursive else [])]
    expected = sorted(["album/a.png", "album/b.jpg", "album/more/c.webp", *results])
    assert files_in(".") == expected
    before = Path("album/a-x2.png").stat().st_mtime_ns
    capsys.readouterr()
    assert upscale(*command, *(["--overwrite"] if overwrite else [])) == 0
    assert files_in(".") == expected
    assert (Path("album/a-x2.png").stat().st_mtime_ns == before) != overwrite
    assert overwrite or f"{len(results)} skipped because their results exist" in capsys.readouterr().err


@pytest.mark.usefixtures("attributes")
def test_pattern_that_the_shell_expands_can_be_repeated(working_folder, capsys):
    write_picture("a.png")
    write_picture("b.png")
    assert upscale("a.png", "b.png", "-x", "2") == 0
    names = sorted(path.name for path in working_folder.glob("*.png"))
    assert names == ["a-x2.png", "a.png", "b-x2.png", "b.png"]
    assert upscale(*names, "-x", "2") == 0
    assert "2 skipped" in capsys.readouterr().err
    assert files_in(".") == names
    assert upscale(*names, "-x", "2", "--overwrite") == 2, "a picture that is named is never replaced"
    assert "a-x2.png would replace the picture a-x2.png" in capsys.readouterr().err


def test_same_results_and_own_pictures_are_refused(capsys):
    write_picture("a.png")
    write_picture("a.gif")
    assert upscale("a.png", "a.gif", "-x", "2") == 2
    assert "a.png and a.gif would both become a-x2.png" in capsys.readouterr().err
    assert upscale("a.png", "-x", "2", "--suffix", "", "--overwrite") == 2
    assert "a.png would replace the picture a.png" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["-", "fifo"])
def test_pictures_without_a_name_need_out(name, capsys):
    if name == "fifo":
        if os.name != "posix":
            pytest.skip("needs FIFOs")
        os.mkfifo("fifo")
    assert upscale(name, "-x", "2") == 2
    assert "has no name for its result; give -o a file name, or - for stdout" in capsys.readouterr().err


def test_suffix_in_a_folder_and_for_a_file(capsys):
    write_picture("in/a.jpg")
    assert upscale("in", "-o", "out", "-x", "2", "--suffix", "@2x") == 0
    assert files_in("out") == ["a@2x.jpg"]
    assert upscale("in/a.jpg", "-o", "b.png", "-x", "2", "--suffix", "@2x") == 0
    assert "--suffix has no effect, because -o names the file" in capsys.readouterr().err
    assert Path("b.png").exists()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("suffix", ["/x", "../x", "a\0b"])
def test_suffix_that_leaves_the_folder_is_refused(suffix, capsys):
    write_picture("a.png")
    assert upscale("a.png", "-x", "2", "--suffix", suffix) == 2
    assert "argument --suffix" in capsys.readouterr().err
