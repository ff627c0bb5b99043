"""`tilewright upscale`: results that exist, and several processes that work on one folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.cli import files_in, format_and_size, write_picture
from tilewright.cli import existing, main
from tilewright.cli.claims import claimed
from tilewright.settings import Settings

pytestmark = pytest.mark.usefixtures("nearest_neighbour")

needs_attributes = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="needs extended attributes")
posix = pytest.mark.skipif(os.name != "posix", reason="needs file locks")


def upscale(*arguments, factor=2):
    return main(["upscale", *map(str, arguments), "-o", "out/", "-x", str(factor)])


def test_results_of_another_factor_are_named_and_fail(capsys):
    for name in "abcd":
        write_picture(f"{name}.png")
    assert upscale("a.png", "b.png", "c.png", "d.png") == 0
    before = Path("out/a.png").read_bytes()
    write_picture("e.png")
    capsys.readouterr()
    assert upscale("a.png", "b.png", "c.png", "d.png", "e.png", factor=3) == 1
    err = capsys.readouterr().err
    assert "4 results exist but differ: out/a.png is 48x32, not 72x48; " in err
    assert "out/c.png is 48x32, not 72x48 …; use --overwrite to replace" in err
    assert "e.png -> out/e.png 72x48" in err, "the others are upscaled"
    assert err.splitlines()[-1] == "tilewright: 4 differ and were kept"
    assert Path("out/a.png").read_bytes() == before
    assert upscale("a.png", factor=3) == 1
    assert upscale("a.png", "--overwrite", factor=3) == 0
    assert format_and_size("out/a.png") == ("PNG", (72, 48))


def test_failed_kept_and_skipped_pictures_are_counted_apart(capsys):
    for name in "abcd":
        write_picture(f"{name}.png")
    assert upscale("a.png", "b.png", "c.png") == 0
    write_picture("out/b.png", 5, 5)
    write_picture("out/c.png", 5, 5)
    Path("broken.png").write_text("this is not a picture")
    capsys.readouterr()
    assert upscale("a.png", "b.png", "c.png", "d.png", "broken.png", "missing.png") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "tilewright: 2 failed, 2 differ and were kept, 1 skipped"


def test_results_of_bmp_pictures_are_compared(capsys):
    write_picture("a.bmp")
    assert upscale("a.bmp") == 0
    assert upscale("a.bmp") == 0
    capsys.readouterr()
    assert upscale("a.bmp", factor=3) == 1
    assert "out/a.png is 48x32, not 72x48" in capsys.readouterr().err


def test_results_that_cannot_be_compared_are_named(capsys):
    for name in "abc":
        write_picture(f"{name}.png")
        write_picture(f"out/{name}.png", 48, 32)
    Path("a.png").write_bytes(b"no picture")
    Path("b.png").write_bytes(b"no picture either")
    assert upscale("a.png", "b.png", "c.png") == 0
    assert capsys.readouterr().err.splitlines() == [
        "3 skipped because their results exist; use --overwrite to replace them",
        "2 of them were not checked, because a size cannot be read: out/a.png, out/b.png",
    ]


def test_results_of_the_requested_size_are_skipped_even_if_turned(capsys):
    """The orientation in Exif exchanges width and height."""
    write_picture("a.jpg", 40, 20)
    write_picture("out/a.jpg", 40, 80)
    assert upscale("a.jpg") == 0
    assert "1 skipped because their results exist" in capsys.readouterr().err
    fit = ["upscale", "a.jpg", "-o", "out/", "--size", "80x80"]
    assert main(fit) == 0
    assert main([*fit, "--fit", "exact"]) == 1


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_results_that_were_cut_short_are_named_and_fail(ending, capsys):
    """A power failure or an interrupted copy leaves them."""
    names = [f"{name}.{ending}" for name in ("cut", "empty", "sound", "zeros")]
    for name in names:
        write_picture(name)
    assert upscale(*names) == 0
    result = Path(f"out/cut.{ending}").read_bytes()
    Path(f"out/cut.{ending}").write_bytes(result[:-30])
    Path(f"out/empty.{ending}").write_bytes(b"")
    Path(f"out/zeros.{ending}").write_bytes(bytes(len(result)))
    capsys.readouterr()
    assert upscale(*names) == 1
    err = capsys.readouterr().err
    for name in ("cut", "empty", "zeros"):
        assert f"out/{name}.{ending} is incomplete or damaged" in err
    assert "1 skipped because their results exist" in err
    assert upscale(*names, "--overwrite") == 0
    assert upscale(*names) == 0


@needs_attributes
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([], ["--model", "realesr-animevideov3"], "with tilewright-photo, not realesr-animevideov3"),
        ([], ["--tta"], "with tilewright-photo, not tilewright-photo, self-ensemble"),
        ([], ["--true-colour"], "with tilewright-photo, not tilewright-photo, true colour"),
        (["--model", "waifu2x-cunet", "--denoise", "2"], ["--model", "waifu2x-cunet"], "denoise 2, not waifu2x-cunet"),
        ([], ["--model", "my.onnx"], "with tilewright-photo, not my.onnx"),
    ],
)
def test_results_of_another_network_are_named_and_fail(first, second, message, capsys):
    write_picture("a.png")
    assert upscale("a.png", *first) == 0
    if existing.recorded_network(Path("out/a.png")) is None:
        pytest.skip("this file system has no extended attributes")
    assert upscale("a.png", *first) == 0
    capsys.readouterr()
    assert upscale("a.png", *second) == 1
    err = capsys.readouterr().err
    assert message in err
    assert err.startswith("tilewright: 1 result exists but differs: out/a.png was made ")


@needs_attributes
def test_the_default_network_and_denoise_level_are_the_same_when_named():
    write_picture("a.png")
    assert upscale("a.png", "--model", "waifu2x-cunet") == 0
    written = existing.recorded_network(Path("out/a.png"))
    if written is None:
        pytest.skip("this file system has no extended attributes")
    level = written.rpartition(" ")[2]
    assert upscale("a.png", "--model", "waifu2x-cunet", "--denoise", level) == 0
    assert upscale("a.png", "--model", "auto", "--overwrite") == 0
    assert upscale("a.png", "--model", "tilewright-photo") == 0


def test_every_network_can_be_described(monkeypatch):
    from tilewright.cli.parser import parser
    from tilewright.models.catalog import CATALOG

    monkeypatch.setenv("TILEWRIGHT_TTA", "on")
    settings = Settings.from_environment()
    for name in [*CATALOG, "no-such-network", "folder/my.onnx"]:
        for size in (["-x", "2"], ["-x", "4"], ["--size", "9x9"]):
            arguments = parser().parse_args(["upscale", "a.png", "-o", "b.png", "--model", name, *size])
            assert existing.network_description(arguments, settings).startswith(Path(name).name)


def test_results_that_appear_meanwhile_are_skipped(replace_run, capsys):
    """Another worker finishes b while a is upscaled, and c while c is upscaled."""

    def slow(*arguments, **options):
        started.append(1)
        for name in "b" if len(started) == 1 else "c":
            write_picture(f"out/{name}.png", 1, 1)
        return run(*arguments, **options)

    started = []
    run = replace_run(slow)
    for name in "abc":
        write_picture(f"in/{name}.png")
    assert upscale("in") == 0
    err = capsys.readouterr().err
    assert len(started) == 2, "b was not upscaled"
    assert "2 skipped because another process has made their results meanwhile" in err
    assert format_and_size("out/a.png") == ("PNG", (48, 32))
    assert format_and_size("out/c.png") == ("PNG", (1, 1)), "the other worker's result is kept"


@posix
def test_picture_of_another_worker_comes_last(replace_run, capsys):
    """It is upscaled if that worker has given up by then."""

    def run_and_release(*arguments, **options):
        claim.__exit__(None, None, None)
        return run(*arguments, **options)

    run = replace_run(run_and_release)
    write_picture("a.png")
    write_picture("b.png")
    claim = claimed(Path("out/a.png"))
    assert claim.__enter__()
    assert upscale("a.png", "b.png") == 0
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["b.png", "a.png"]
    assert files_in("out") == ["a.png", "b.png"]


@posix
def test_picture_that_another_worker_still_upscales_is_left_to_it(capsys):
    write_picture("a.png")
    write_picture("b.png")
    with claimed(Path("out/a.png")) as is_mine:
        assert is_mine
        assert upscale("a.png", "b.png") == 0
        assert "1 left to another process that is working on them" in capsys.readouterr().err
        assert main(["upscale", "a.png", "-o", "out/a.png", "-x", "2"]) == 1
        assert "another process is writing out/a.png" in capsys.readouterr().err
    assert files_in("out") == ["b.png"]


@posix
def test_claim_of_a_killed_process_is_free():
    code = "import os; from pathlib import Path; from tilewright.cli.claims import claimed"
    code += "; claim = claimed(Path('out/a.png')); assert claim.__enter__(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True)
    (left,) = files_in("out")
    assert left.endswith(".claim")
    with claimed(Path("out/a.png")) as is_mine:
        assert is_mine
    assert files_in("out") == []


@posix
def test_only_one_of_many_has_the_claim():
    holders, lost, together = [], [], threading.Barrier(8)

    def work():
        together.wait(60)
        for _ in range(50):
            with claimed(Path("out/a.png")) as is_mine:
                if is_mine:
                    holders.append(1)
                    lost.extend(holders[1:])
                    holders.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert lost == []
    assert files_in("out") == []
