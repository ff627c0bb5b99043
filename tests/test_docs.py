"""Runs the Python code and command lines of the documentation, and checks its links."""

from __future__ import annotations

import re
import shlex

import pytest
from PIL import Image

from support.pages import PAGES, code_blocks
from support.paths import ROOT
from tilewright.cli import main
from tilewright.testing import make_picture


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


def test_links_have_targets():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "training").glob("*.md"))]:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^):]*))?\)", page.read_text()):
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in heading_anchors(linked), f"{page.name} links to {target}#{anchor}"


def heading_anchors(page):
    """Returns the anchors that GitHub derives from the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_tests_that_pages_name_exist():
    for page in PAGES:
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8")):
            source = (ROOT / file).read_text("utf-8")
            assert f"def {name}(" in source, f"{page.name} names {file}::{name}"
