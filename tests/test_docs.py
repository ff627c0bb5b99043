"""Compares the pages of the documentation with each other and with the code."""

from __future__ import annotations

import re
import tomllib

import tilewright.errors
from support.pages import PAGES
from support.paths import DOCS, ROOT

# A figure with a unit, and what makes figures: a benchmark, a script, or a test.
FIGURE = re.compile(r"\d ?(?:ms|s|µs|dB|MP/s|MB|MiB|MFLOP|%|× (?:faster|its))(?!\w)")
SOURCE = re.compile(
    r"(?:pytest|python(?: -m)?) (?:benchmarks|examples|training|tests)|benchmarks/gpu\.sh|tests/[\w/]+\.py"
    r"|\.ci/run wheel|pip install --no-index"
)

# Tables whose figures no command makes.
NOT_MEASURED = {
    ("architecture.md", "Sessions"): "thresholds",
    ("configuration.md", "Precision"): "thresholds",
    ("engine.md", "What was tried"): "experiments whose code was not kept",
    ("fidelity.md", "Limits"): "defaults of settings",
    ("models.md", "The catalog"): "sizes of files and of graphs",
}


def test_navigation_of_the_site_has_every_page():
    navigation = tomllib.loads((DOCS / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    sections = [page for entry in navigation for page in entry.values()]
    entries = [page for section in sections for page in (section if isinstance(section, list) else [{"": section}])]
    expected = [*PAGES, ROOT / "CHANGELOG.md", *(ROOT / "training").glob("*.md")]
    assert sorted(ROOT / path for entry in entries for path in entry.values()) == sorted(expected)


def test_api_reference_has_every_public_name():
    names = re.findall(r"^::: tilewright\.(\w+)$", (DOCS / "reference.md").read_text("utf-8"), re.MULTILINE)
    errors = {name for name in tilewright.__all__ if name in vars(tilewright.errors)}
    assert sorted(names) == sorted({*tilewright.__all__, "errors"} - errors)


def test_tests_that_pages_name_exist():
    for page in PAGES:
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8")):
            source = (ROOT / file).read_text("utf-8")
            assert f"def {name}(" in source, f"{page.name} names {file}::{name}"


def tables_with_figures():
    """Yields the page, its text before the first section, the heading, and the text of sections with such tables."""
    for page in PAGES:
        introduction, *sections = re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)
        for section in sections:
            heading, _, text = section.partition("\n")
            if re.search(rf"^\|.*{FIGURE.pattern}", text, re.MULTILINE):
                yield page.name, introduction, heading, text


def test_tables_of_figures_name_what_makes_them():
    found = list(tables_with_figures())
    assert len(found) > 10, "tables were not found"
    missing = {(name, heading) for name, introduction, heading, text in found if not SOURCE.search(introduction + text)}
    assert missing == set(NOT_MEASURED)
