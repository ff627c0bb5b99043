"""Runs the Python code and command lines of the documentation, and compares its pages with the code."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest
from PIL import Image

import tilewright.errors
from support.paths import ROOT
from tilewright.cli import main
from tilewright.testing import make_picture

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_blocks(page, language):
    return [code for kind, code in BLOCK.findall(page.read_text()) if kind == language]


def pages_with(language, text=""):
    found = [page for page in PAGES if any(text in code for code in code_blocks(page, language))]
    assert found, f"no page has {language} blocks"
    return [pytest.param(page, id=page.name) for page in found]


@pytest.fixture
def example_files(tmp_path, monkeypatch):
    """Makes the working directory a folder with the files that the pages mention."""
    photo = Image.fromarray(make_picture(24, 32))
    for name in ("photo.jpg", "holiday/one.png", "holiday/two.jpg", "photos/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo.save(tmp_path / name)
    (tmp_path / "notes.png").write_text("hello\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("example_files")
@pytest.mark.parametrize("page", pages_with("python"))
def test_python_code_runs(page):
    names = {}
    for code in code_blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)


@pytest.mark.usefixtures("example_files")
@pytest.mark.parametrize("page", pages_with("console", "$ tilewright "))
def test_command_lines_run(page, capsys):
    for code in code_blocks(page, "console"):
        for line in re.findall(r"^\$ tilewright (.*)$", code, re.MULTILINE):
            expected = 1 if " failed" in code else 0
            overwrite = ["--overwrite"] if line.startswith("upscale") else []
            assert main([*shlex.split(line), *overwrite]) == expected, (line, capsys.readouterr().err)


def test_navigation_of_the_site_has_every_page():
    navigation = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    sections = [page for entry in navigation for page in entry.values()]
    entries = [page for section in sections for page in (section if isinstance(section, list) else [{"": section}])]
    expected = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *PAGES, *(ROOT / "training").glob("*.md")]
    assert sorted(ROOT / path for entry in entries for path in entry.values()) == sorted(expected)


def test_api_reference_has_every_public_name():
    names = re.findall(r"^::: tilewright\.(\w+)$", (ROOT / "docs" / "reference.md").read_text("utf-8"), re.MULTILINE)
    errors = {name for name in tilewright.__all__ if name in vars(tilewright.errors)}
    assert sorted(names) == sorted({*tilewright.__all__, "errors"} - errors)


def test_tests_that_pages_name_exist():
    for page in PAGES:
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8")):
            source = (ROOT / file).read_text("utf-8")
            assert f"def {name}(" in source, f"{page.name} names {file}::{name}"
