"""What the Containerfile says of the package, as no engine builds it here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from support.paths import ROOT
from support.running_server import running_server

# As an engine reads it: a backslash continues a line.
TEXT = (ROOT / "Containerfile").read_text().replace("\\\n", "")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_health_check_tells_whether_the_server_answers(tmp_path):
    name, *arguments = json.loads(re.search(r"^HEALTHCHECK .* CMD (.*)$", TEXT, re.MULTILINE)[1])
    assert name == "python"

    def status():
        command = [sys.executable, *(argument.replace("8080", str(server.port)) for argument in arguments)]
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode

    with running_server(tmp_path) as server:
        assert status() == 0
    assert status() == 1


def test_settings_exist():
    documented = set(re.findall(r"`(TILEWRIGHT_\w+)`", (ROOT / "docs" / "configuration.md").read_text()))
    used = set(re.findall(r"(TILEWRIGHT_\w+)=", TEXT)) - {"TILEWRIGHT_CUDA"}  # a setting of the build
    assert len(used) == 4
    assert used <= documented


def test_extras_exist():
    extras = re.search(r"\.whl\)\[([\w,]+)\]", TEXT)[1].split(",")
    assert (
        set(extras) <= tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    )


def test_all_that_is_needed_is_sent_to_the_engine_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sent)
    assert {"CMakeLists.txt", "pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= sent
