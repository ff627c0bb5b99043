"""`tilewright upscale`: pictures that fail, and command lines that are refused."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from support.cli import files_in, write_picture
from tilewright.cli import main


@pytest.mark.usefixtures("nearest_neighbour")
def test_unexpected_failure_is_one_line_with_traceback_if_verbose(replace_run, capsys):
    def fail(*_, **__):
        raise ZeroDivisionError("test")

    replace_run(fail)
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert capsys.readouterr().err == "tilewright: a.png: unexpected failure: ZeroDivisionError: test\n"
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("nearest_neighbour")
def test_unreadable_file(monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "a.png")

    write_picture("a.png")
    monkeypatch.setattr(Path, "open", refuse)
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert capsys.readouterr().err == "tilewright: the file 'a.png' cannot be read: permission denied\n"


@pytest.mark.usefixtures("nearest_neighbour")
def test_unwritable_result(capsys):
    write_picture("a.png")
    Path("file").write_text("not a folder")
    assert main(["upscale", "a.png", "-o", "file/large.png", "-x", "2"]) == 1
    assert re.fullmatch(r"tilewright: a\.png: file/large\.png cannot be written: .+\n", capsys.readouterr().err)


@pytest.mark.usefixtures("nearest_neighbour")
def test_format_limits_are_checked_before_the_network_runs(replace_run, capsys):
    write_picture("wide.png", 4096, 1)
    replace_run(lambda *_, **__: pytest.fail("the network ran"))
    assert main(["upscale", "wide.png", "-o", "large.webp", "-x", "4"]) == 1
    assert re.search(r"wide\.png: .*WEBP.* 16383 .*16384 x 4.*PNG", capsys.readouterr().err)
    assert not Path("large.webp").exists()


@pytest.mark.usefixtures("nearest_neighbour")
def test_input_limits_apply(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_MAX_INPUT_PIXELS", "100")
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert "TILEWRIGHT_MAX_INPUT_PIXELS" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_an_existing_result_is_refused_without_overwrite(capsys):
    write_picture("a.png")
    Path("large.png").write_text("existing")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert "large.png already exists; use --overwrite to replace it" in capsys.readouterr().err
    assert Path("large.png").read_text() == "existing"


@pytest.mark.usefixtures("nearest_neighbour")
def test_result_that_appears_meanwhile_is_kept(replace_run, capsys):
    def slow(*arguments, **options):
        Path("large.png").write_text("existing")
        return run(*arguments, **options)

    run = replace_run(slow)
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert Path("large.png").read_text() == "existing"


@pytest.mark.parametrize("arguments", [["a.png", "-o", "a.png"], ["a.png", "b.png", "-o", "."], [".", "-o", "."]])
@pytest.mark.usefixtures("no_network")
def test_inputs_are_never_overwritten(arguments, capsys):
    before = write_picture("a.png").read_bytes()
    write_picture("b.png")
    assert main(["upscale", *arguments, "-x", "2", "--overwrite"]) == 2
    assert "a.png would replace the picture a.png" in capsys.readouterr().err
    assert Path("a.png").read_bytes() == before


@pytest.mark.usefixtures("no_network")
def test_inputs_are_never_overwritten_through_a_link(capsys):
    write_picture("a.png")
    Path("link.png").symlink_to("a.png")
    assert main(["upscale", "a.png", "-o", "link.png", "-x", "2", "--overwrite"]) == 2
    assert "link.png would replace the picture a.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "options"),
    [(["a.png", "a.jpg"], ["--format", "png"]), (["a.png", "a.gif"], []), (["x/a.png", "y/a.png"], [])],
)
@pytest.mark.usefixtures("no_network")
def test_colliding_results_are_refused_before_any_work(names, options, capsys):
    for name in [*names, "first.png"]:
        write_picture(name)
    assert main(["upscale", "first.png", *names, "-o", "out", "-x", "2", *options]) == 2
    assert f"{names[0]} and {names[1]} would both become out/a.png" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "b.png", "-o", "out.png", "-x", "2"], "several pictures need a folder"),
        (["a.png", "b.png", "-o", "b.png", "-x", "2"], "several pictures need a folder"),
        ([".", "-o", "b.png", "-x", "2"], "several pictures need a folder"),
        (["a.png", "-o", "large", "-x", "2"], "the name has no extension"),
        (["a.png", "-o", "large.gif", "-x", "2"], "cannot write .gif; use .png, .jpg, .webp or .tif"),
        (["a.png", "-o", "b.png/", "-x", "2"], "several pictures need a folder"),
        (["a.png", "-o", "large.png", "-x", "5"], "invalid choice: 5"),
        (["a.png", "-o", "large.png", "-x", "2.5"], "invalid int value"),
        (["a.png", "-o", "large.png"], "one of the arguments -x/--factor --size is required"),
        (["-o", "large.png", "-x", "2"], "required: IN"),
        (["a.png", "-o", "large.png", "-x", "2", "--format", "gif"], "invalid choice: 'gif'"),
        (["a.png", "-o", "large.png", "-x", "2", "--quality", "101"], "'101' is not a number from 1 to 100"),
        (["a.png", "-o", "large.png", "-x", "2", "--quality", "0"], "'0' is not a positive integer"),
        (["a.png", "-o", "large.png", "-x", "2", "--tile", "many"], "'many' is not a positive integer"),
        (["a.png", "-o", "large.png", "-x", "2", "--device", "tpu"], "invalid choice: 'tpu'"),
        (["a.png", "-o", "large.png", "-x", "2", "--over"], "unknown option --over; did you mean --overwrite?"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_invalid_command_lines(arguments, message, working_folder, capsys):
    write_picture("a.png")
    write_picture("b.png")
    assert main(["upscale", *arguments]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""
    assert files_in(working_folder) == ["a.png", "b.png"]


@pytest.mark.parametrize("options", [[], ["-x", "2", "--size", "9x9"], ["--size", "9"], ["--size", "0x9"]])
@pytest.mark.usefixtures("no_network")
def test_factor_and_size_exclude_each_other(options, capsys):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", *options]) == 2
    assert "--size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "no-such-network"], "there is no network named 'no-such-network'"),
        (["--model", "missing.onnx"], "no network file at missing.onnx"),
    ],
)
def test_unknown_network_is_one_error(arguments, message, capsys):
    write_picture("a.png")
    write_picture("b.png")
    assert main(["upscale", "a.png", "b.png", "-o", "out", "-x", "2", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.usefixtures("no_network")
def test_unknown_network_with_size_is_one_error(capsys):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "--size", "50x50", "--model", "nothing"]) == 2
    assert capsys.readouterr().err.count("no network named") == 1


def test_unsupported_denoise_is_one_error(capsys):
    write_picture("small.png")
    assert main(["upscale", "small.png", "-o", "large.png", "-x", "2", "--denoise", "3"]) == 2
    err = capsys.readouterr().err
    assert "does not offer denoise '3'" in err
    assert err.count("\n") == 1
    assert not Path("large.png").exists()


def test_unavailable_device_gives_the_reason(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.sessions.select.cuda_problem", lambda: "no such card")
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2", "--device", "cuda"]) == 2
    assert "no such card" in capsys.readouterr().err


def test_invalid_setting_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_THREADS", "some")
    write_picture("a.png")
    assert main(["upscale", "a.png", "-o", "large.png", "-x", "2"]) == 2
    assert "TILEWRIGHT_THREADS" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "parameter"), [(["-x", "2"], "-x"), (["--size", "40x40"], "size")])
def test_limit_on_output_pixels_is_enforced(replace_run, monkeypatch, capsys, size, parameter):
    replace_run(lambda *_, **__: pytest.fail("the network ran"))
    monkeypatch.setenv("TILEWRIGHT_MAX_OUTPUT_PIXELS", "1599")
    write_picture("small.png", 20, 20)
    assert main(["upscale", "small.png", "-o", "large.png", *size]) == 1
    message = capsys.readouterr().err
    assert f"40 x 40 = 1600 pixels, the limit is 1599; choose a smaller {parameter}" in message
    assert not Path("large.png").exists()
