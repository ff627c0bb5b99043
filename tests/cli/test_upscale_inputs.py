"""`tilewright upscale`: which pictures are taken from files, folders and patterns, and what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.cli import files_in, write_picture
from tilewright.cli import main

pytestmark = pytest.mark.usefixtures("nearest_neighbour")


def upscale(*arguments):
    return main(["upscale", *map(str, arguments), "-x", "2"])


@pytest.mark.parametrize(
    ("pattern", "fixed"),
    [
        ("**/cover.jpg", ""),
        ("*/*/*.jpg", ""),
        ("music/**/cover.jpg", "music/"),
        ("./music/*/*.jpg", "music/"),
        ("music/?/[c]over.jpg", "music/"),
        ("music/x/*.jpg", "music/x/"),
    ],
)
def test_pattern_keeps_the_place_below_its_fixed_part(pattern, fixed):
    names = ["music/x/cover.jpg", "music/y/cover.jpg"]
    for name in names:
        write_picture(name)
    assert upscale(pattern, "-o", "out/") == 0
    assert files_in("out") == [name.removeprefix(fixed) for name in names if name.startswith(fixed)]


def test_pattern_with_parent_folders_does_not_lead_out_of_the_output_folder():
    write_picture("x/a.png")
    assert upscale("x/*/../../*/a.png", "x/../*/a.png", "-o", "new/out/") == 1, "the first pattern matches nothing"
    assert files_in("new") == ["out/x/a.png"]


def test_pattern_that_matches_folders_keeps_their_place(working_folder):
    for name in ("in/x/a.png", "in/y/a.png", "in/y/z/b.png"):
        write_picture(name)
    assert upscale(f"{working_folder}/in/*", "-o", "out", "-r") == 0
    assert files_in("out") == ["x/a.png", "y/a.png", "y/z/b.png"]


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    "inputs",
    [
        ["*"],
        ["*.png", "out"],
        ["**/*.png"],
        ["a.png", "b.png", "out"],
        ["a.png", "b.png", "out/a.png", "out/b.png"],
        ["a.png", "b.png", "./out/../out/"],
        [".", "-r"],
        [".", "out", "-r"],
    ],
)
def test_output_folder_is_left_out_in_every_run(inputs, options):
    write_picture("a.png")
    write_picture("b.png")
    Path("out").mkdir()
    for _ in range(3):
        assert upscale(*inputs, "-o", "out/", *options) == 0
    assert files_in("out") == ["a.png", "b.png"]


def test_arguments_in_the_output_folder_are_said_to_be_left_out(capsys):
    write_picture("a.png")
    write_picture("out/b.png")
    assert upscale("a.png", "out/b.png", "-o", "out/") == 0
    assert "out: left out 1 argument in this output folder" in capsys.readouterr().err
    assert files_in("out") == ["a.png", "b.png"]


@pytest.mark.parametrize("inputs", [["in/a.png"], ["in/a.png", "in/b.png"], ["in"], ["in/*.png"]])
def test_pictures_in_the_output_folder_are_upscaled_if_nothing_else_is_named(inputs):
    write_picture("in/a.png")
    write_picture("in/b.png")
    assert upscale(*inputs, "-o", "in/", "--format", "webp") == 0
    assert "a.webp" in files_in("in")


def test_inputs_below_a_wide_output_folder_are_upscaled():
    """No other argument is in a folder that contains the output folder, so none has swept it up."""
    write_picture("home/pictures/a.png")
    write_picture("home/other/b.png")
    assert upscale("home/pictures", "home/other/b.png", "-o", "home") == 0
    assert {"a.png", "b.png"} < set(files_in("home"))


def test_one_picture_under_several_names_is_upscaled_once(capsys):
    write_picture("a.png")
    Path("s").mkdir()
    Path("link").symlink_to(".")
    names = ["a.png", "s/../a.png", "link/a.png", Path("a.png").absolute(), "**/a.png", "."]
    assert upscale(*names, "-o", "out") == 0
    err = capsys.readouterr().err
    assert err.count(" -> ") == 1
    assert files_in("out") == ["a.png"]


def test_one_file_with_the_same_name_in_two_folders_is_upscaled_once(capsys):
    write_picture("x/a.png")
    Path("y").mkdir()
    Path("y/a.png").hardlink_to("x/a.png")
    assert upscale("x/a.png", "y/a.png", "-o", "out") == 0
    assert capsys.readouterr().err.count(" -> ") == 1


def test_two_names_of_one_file_in_a_folder_have_two_results():
    write_picture("in/a.png")
    Path("in/b.png").symlink_to("a.png")
    assert upscale("in", "-o", "out") == 0
    assert files_in("out") == ["a.png", "b.png"]


@pytest.mark.usefixtures("no_network")
def test_all_collisions_are_named_at_once(capsys):
    for name in ("a.png", "a.gif", "b.png", "x/b.png", "y/b.png", "c.png", "first.png"):
        write_picture(name)
    assert upscale("first.png", "a.png", "a.gif", "b.png", "x/b.png", "y/b.png", "c.png", "-o", "out") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("tilewright: a.png and a.gif would both become out/a.png; rename them")
    assert lines[1].startswith("tilewright: b.png, x/b.png and y/b.png would all become out/b.png; rename them")
    assert not Path("out").exists()


@pytest.mark.usefixtures("no_network")
def test_all_pictures_that_would_be_replaced_are_named_at_once(capsys):
    write_picture("a.png")
    write_picture("b.png")
    assert upscale("a.png", "b.png", "-o", ".", "--overwrite") == 2
    err = capsys.readouterr().err
    assert "a.png would replace the picture a.png" in err
    assert "b.png would replace the picture b.png" in err


@pytest.mark.usefixtures("no_network")
def test_results_that_are_links_to_one_file_collide(capsys):
    write_picture("a.png")
    write_picture("b.png")
    write_picture("out/a.png")
    Path("out/b.png").symlink_to("a.png")
    assert upscale("a.png", "b.png", "-o", "out", "--overwrite") == 2
    assert "a.png and b.png would both become out/a.png" in capsys.readouterr().err


def test_other_files_and_subfolders_of_a_folder_are_counted_and_named(capsys):
    write_picture("in/a.png")
    write_picture("in/x/b.png")
    for name in ("d.psd", "c.txt", "e.mov", "f.pdf", "g", ".hidden"):
        Path("in", name).write_text("not a picture")
    assert upscale("in", "-o", "out") == 0
    line = "in: left out 5 other files (c.txt, d.psd, e.mov and 2 more) and 1 subfolder (use -r)"
    assert line in capsys.readouterr().err.splitlines()
    assert upscale("in", "-o", "out", "-r") == 0
    assert "in: left out 5 other files (c.txt, d.psd, e.mov and 2 more)" in capsys.readouterr().err.splitlines()
    assert upscale("in", "-o", "out", "-r", "-q") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("no_network")
def test_folder_without_anything_usable_fails_and_names_what_is_there(capsys):
    Path("in").mkdir()
    Path("in/a.psd").write_text("not a picture")
    assert upscale("in", "-o", "out", "-r") == 1
    assert "in: no pictures (" in (err := capsys.readouterr().err)
    assert "in this folder, only a.psd" in err


def test_home_folder_is_expanded(monkeypatch, working_folder):
    monkeypatch.setenv("HOME", str(working_folder / "home"))
    write_picture("home/in/a.png")
    assert upscale("~/in/a.png", "-o", "~/out/a.png") == 0
    assert upscale("~/in", "-o", "~/all") == 0
    assert upscale("~/i*/a.png", "-o", "~/matched/") == 0
    assert files_in("home") == ["all/a.png", "in/a.png", "matched/in/a.png", "out/a.png"]
    Path("~").mkdir()
    write_picture("~/b.png")
    assert upscale("~/b.png", "-o", "./~/c.png") == 0, "a name that exists is taken literally"
    assert files_in("~") == ["b.png", "c.png"]


@pytest.mark.skipif(os.name == "nt", reason="all names are Unicode there")
def test_names_of_any_bytes_are_names(capsys):
    write_picture("in/plain.png")
    picture = Path("in/plain.png").read_bytes()
    names = [
        b"caf\xe9.png",
        b"two\nlines.png",
        b"-o.png",
        b" .png",
        b"\x1b[31m.png",
        b"a[b]*?.png",
        "漢字.png".encode(),
    ]
    for name in names:
        try:
            Path("in", os.fsdecode(name)).write_bytes(picture)
        except OSError:
            pytest.skip("this file system takes Unicode only")
    assert upscale("in", "-o", "out") == 0
    assert sorted(os.listdir(b"out")) == sorted([b"plain.png", *names])  # noqa: PTH208
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(names) + 1
    assert all(line.isprintable() for line in lines)
