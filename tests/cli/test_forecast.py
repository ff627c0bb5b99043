"""Long commands are announced, with what would be faster."""

from __future__ import annotations

import pytest

from support.cli import write_picture
from tilewright.cli import main
from tilewright.engine import estimate
from tilewright.engine.networks import Networks
from tilewright.models.spec import ModelSpec
from tilewright.picture_upscaler import PictureUpscaler
from tilewright.testing import FakeSession

pytestmark = pytest.mark.usefixtures("nearest_neighbour")


@pytest.fixture
def speed(monkeypatch):
    """Sets the seconds that each network takes for a pixel, by the network's name."""
    measured = []

    def set_speeds(speeds):
        def seconds_per_pixel(session):
            measured.append(session.spec.name)
            return speeds[session.spec.name]

        monkeypatch.setattr(estimate, "_seconds_per_pixel", seconds_per_pixel)
        return measured

    return set_speeds


def upscale(capsys, *arguments):
    assert main(["upscale", *arguments, "-x", "2"]) == 0
    return capsys.readouterr().err.splitlines()


def test_a_long_picture_is_announced_with_the_faster_network(speed, capsys):
    speed({"realesrgan-x4plus": 0.01, "tilewright-photo": 0.001})
    write_picture("a.png", 300, 200)
    lines = upscale(capsys, "a.png", "-o", "b.png", "--model", "realesrgan-x4plus")
    assert lines[0] == "tilewright: a.png will take about 10 min; with --model tilewright-photo about 60 s"
    assert lines[1].startswith("a.png -> b.png")


def test_a_batch_is_announced_as_a_whole(speed, capsys):
    speed({"auto": 0.001})
    for name in ("a.png", "b.png", "c.gif"):
        write_picture(f"in/{name}", 300, 200)
    lines = upscale(capsys, "in/a.png", "in/b.png", "in/c.gif", "-o", "out")
    assert lines[0] == "tilewright: 3 pictures will take about 3 min"


def test_a_small_tile_is_announced_with_the_time_without_it(speed, monkeypatch, capsys):
    speed({"wide": 0.001})
    wide = FakeSession(ModelSpec(name="wide", scale=2, halo=16))
    monkeypatch.setattr(Networks, "session", lambda *_: wide)
    write_picture("a.png", 300, 200)
    lines = upscale(capsys, "a.png", "-o", "b.png", "--tile", "38")
    assert lines[0].startswith("tilewright: wide: tiles of 38 x 38 pixels compute 3")
    assert lines[1].startswith("tilewright: a.png will take about ")
    assert lines[1].endswith("; without --tile about 60 s")


@pytest.mark.parametrize("size", [(300, 200), (20, 20)])
def test_short_commands_are_not_announced(size, speed, capsys):
    measured = speed({"auto": 0.0001})
    write_picture("a.png", *size)
    (line,) = upscale(capsys, "a.png", "-o", "b.png")
    assert line.startswith("a.png -> b.png")
    assert len(measured) == (size == (300, 200)), "small pictures are not worth a measurement"


def test_quiet_commands_are_not_announced(speed, capsys):
    speed({"auto": 0.01})
    write_picture("a.png", 300, 200)
    assert upscale(capsys, "a.png", "-o", "b.png", "--quiet") == []


def test_few_headers_of_many_files_are_read(monkeypatch, capsys):
    read = []

    def pixel_count(path):
        read.append(path)
        return 400

    monkeypatch.setattr("tilewright.cli.forecast.pixel_count", pixel_count)
    monkeypatch.setattr("tilewright.cli.forecast._SAMPLED_FILES", 4)
    monkeypatch.setattr(PictureUpscaler, "estimate", lambda *_, **__: pytest.fail("the speed was measured"))
    for index in range(9):
        write_picture(f"in/{index}.png", 20, 20)
    upscale(capsys, "in", "-o", "out")
    assert len(read) == 3
