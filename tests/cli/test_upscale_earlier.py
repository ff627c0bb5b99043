"""`tilewright upscale`: earlier results among the pictures of a folder or pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli import files_in, format_and_size, write_picture
from tilewright.cli import earlier, existing, main

pytestmark = pytest.mark.usefixtures("nearest_neighbour")


@pytest.fixture
def attributes(working_folder):
    """Skips the test where the file system has no extended attributes."""
    probe = working_folder / ".probe"
    with probe.open("wb") as file:
        existing.record_network(file, "probe")
    if existing.recorded_network(probe) is None:
        pytest.skip("this file system has no extended attributes")


def upscale(*arguments, factor=2):
    return main(["upscale", *map(str, arguments), "-x", str(factor)])


@pytest.mark.usefixtures("attributes")
@pytest.mark.parametrize("inputs", [["pr"], ["pr/*"], ["pr", "-r"], ["pr/photo.jpg", "pr/photo.webp"]])
def test_a_command_whose_results_lie_beside_its_pictures_can_be_repeated(inputs, capsys):
    write_picture("pr/photo.jpg")
    assert upscale("pr", "-o", "pr", "--format", "webp") == 0
    before = Path("pr/photo.webp").stat()
    capsys.readouterr()
    for _ in range(2):
        assert upscale(*inputs, "-o", "pr", "--format", "webp") == 0
        assert capsys.readouterr().err == "1 skipped because their results exist; use --overwrite to replace them\n"
    assert Path("pr/photo.webp").stat().st_mtime_ns == before.st_mtime_ns
    write_picture("pr/new.jpg")
    assert upscale("pr", "-o", "pr", "--format", "webp") == 0
    assert files_in("pr") == ["new.jpg", "new.webp", "photo.jpg", "photo.webp"]
    assert upscale("pr", "-o", "pr", "--format", "webp", "--overwrite") == 0
    assert format_and_size("pr/photo.webp") == ("WEBP", (48, 32))


@pytest.mark.usefixtures("attributes")
def test_a_result_that_is_named_is_not_overwritten(capsys):
    write_picture("pr/photo.jpg")
    assert upscale("pr", "-o", "pr", "--format", "webp") == 0
    capsys.readouterr()
    assert upscale("pr/photo.jpg", "pr/photo.webp", "-o", "pr", "--format", "webp", "--overwrite") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tilewright: pr/photo.webp would replace the picture pr/photo.webp; ")


def test_a_picture_that_would_be_replaced_is_reported_once(monkeypatch, capsys):
    """As where the file system has no extended attributes."""
    monkeypatch.setattr(earlier, "recorded_network", lambda _: None)
    write_picture("pr/photo.jpg")
    assert upscale("pr", "-o", "pr", "--format", "webp") == 0
    capsys.readouterr()
    assert upscale("pr", "-o", "pr", "--format", "webp") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tilewright: pr/photo.webp would replace the picture pr/photo.webp; ")


@pytest.mark.usefixtures("attributes")
@pytest.mark.parametrize("inputs", [["-r", "."], ["**/*.png"], ["-r", "a.png", "b.png", "x2"]])
def test_results_in_searched_folders_are_left_out_and_named(inputs, capsys):
    write_picture("a.png")
    write_picture("b.png")
    assert upscale("a.png", "b.png", "-o", "x2/") == 0
    capsys.readouterr()
    assert upscale(*inputs, "-o", "x3", factor=3) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "left out 2 results of tilewright (x2/a.png, x2/b.png); name them to upscale them again" in lines
    assert files_in("x3") == ["a.png", "b.png"]


@pytest.mark.usefixtures("attributes")
def test_results_are_upscaled_again_if_they_are_named(capsys):
    write_picture("a.png")
    assert upscale("a.png", "-o", "x2/") == 0
    assert upscale("x2/a.png", "-o", "x4/") == 0
    assert format_and_size("x4/a.png") == ("PNG", (96, 64))
    assert upscale("x2", "x2/a.png", "-o", "again/") == 0
    assert files_in("again") == ["a.png"]
    capsys.readouterr()
    assert upscale("x2", "-o", "new") == 1
    assert capsys.readouterr().err == (
        "tilewright: x2: nothing to do: left out 1 result of tilewright (x2/a.png); name it to upscale it again\n"
    )
    assert not Path("new").exists()
