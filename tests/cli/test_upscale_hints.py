"""The command line: lines about options without effect, reduced pictures, and formats that cannot hold a result."""

from __future__ import annotations

import pytest
from PIL import Image

from support.cli import format_and_size, write_picture
from tilewright.cli import main

pytestmark = pytest.mark.usefixtures("nearest_neighbour")


def lines_of(capsys, *arguments, status=0):
    assert main(list(arguments)) == status
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("out", "options", "expected"),
    [
        ("b.png", ["--quality", "80"], ["--quality has no effect on PNG"]),
        ("b.png", ["--lossless"], ["--lossless has no effect on PNG"]),
        ("b.jpg", ["--lossless", "--quality", "80"], ["--lossless has no effect on JPG"]),
        ("b.jpg", ["--compression", "small"], ["--compression has no effect on JPG"]),
        ("b.webp", ["--progressive"], ["--progressive has no effect on WEBP"]),
        ("b.webp", ["--lossless", "--quality", "80"], ["--quality has no effect with --lossless"]),
        ("b.png", ["--fit", "exact"], ["--fit has no effect without --size"]),
        ("b.png", ["--compression", "small", "--fit", "inside"], []),
        ("b.png", ["--quality", "80", "--quiet"], []),
        ("out/", ["--quality", "80"], []),
        ("out/", ["--lossless"], ["--lossless has no effect on PNG and JPG"]),
    ],
)
def test_options_without_effect_are_named(out, options, expected, capsys):
    write_picture("a.png")
    write_picture("c.jpg")
    inputs = ["a.png", "c.jpg"] if out == "out/" else ["a.png"]
    lines = lines_of(capsys, "upscale", *inputs, "-o", out, "-x", "2", *options)
    assert [line.removeprefix("tilewright: ") for line in lines if "no effect" in line] == expected


def test_options_of_plans_are_named_without_one(capsys):
    options = ["--model", "waifu2x-cunet", "--denoise", "1", "--tile", "64", "-x", "2"]
    assert lines_of(capsys, "info", "--json", *options) == [
        f"tilewright: --{name} has no effect without --plan" for name in ("model", "denoise", "tile", "factor")
    ]
    assert lines_of(capsys, "info", "--json") == []


def test_pictures_that_are_reduced_are_named_before_the_network_runs(replace_run, capsys):
    def stop(*_, **__):
        raise RuntimeError("the network ran")

    write_picture("large.png", 90, 60)
    write_picture("small.png", 20, 10)
    command = ["upscale", "large.png", "small.png", "-o", "out/", "--size", "30x30"]
    lines = lines_of(capsys, *command)
    assert lines[0] == "large.png: 90x60 is larger than the requested size and is reduced to 30x20"
    assert "is larger" not in "".join(lines[1:])
    assert format_and_size("out/large.png") == ("PNG", (30, 20))
    assert not any("is larger" in line for line in lines_of(capsys, *command, "--overwrite", "--quiet"))
    replace_run(stop)
    assert "is larger" in lines_of(capsys, *command, "--overwrite", status=1)[0]


def test_formats_that_cannot_hold_a_result_are_named_by_their_option(capsys):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save("a.gif", save_all=True, append_images=frames[1:])
    write_picture("wide.png", 4096, 1)
    (animated,) = lines_of(capsys, "upscale", "a.gif", "-o", "b.jpg", "-x", "2", status=1)
    assert animated == (
        "tilewright: a.gif: the picture is an animation of 2 frames, and JPG holds one picture only: "
        "choose PNG or WEBP with --format or the ending of OUT, or give one frame as a still picture"
    )
    (wide,) = lines_of(capsys, "upscale", "wide.png", "-o", "b.webp", "-x", "4", status=1)
    assert wide == (
        "tilewright: wide.png: WEBP holds at most 16383 pixels per side; the result would be 16384 x 4: "
        "choose PNG or JPG with --format or the ending of OUT"
    )
