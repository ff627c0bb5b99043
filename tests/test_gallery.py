"""The pictures of README.md and docs/gallery.md, and the figures in the tables of networks."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.gallery import figures
from support.paths import DOCS, ROOT
from tilewright.models.catalog import ALIASES, CATALOG

README = (ROOT / "README.md").read_text("utf-8")
GALLERY = (DOCS / "gallery.md").read_text("utf-8")
MODELS = (DOCS / "models.md").read_text("utf-8")
LARGEST_FOLDER = 2_500_000


def before_after():
    spec = importlib.util.spec_from_file_location("before_after", DOCS / "images" / "before_after.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table_rows(page, columns):
    """Returns the rows of a table of figures."""
    table = re.search(rf"<!-- figures: {columns} -->\n(.*?)<!-- end of figures -->", page, re.DOTALL)
    return [line for line in table[1].splitlines() if line.startswith("| ")][1:]


def networks_in(rows):
    return [next(name for name in re.findall(r"`([\w-]+)`", row) if name in CATALOG) for row in rows]


def test_first_picture_of_the_readme_is_what_its_first_command_makes(tmp_path):
    module = before_after()
    assert re.search(r"!\[[^\]]+\]\(([^)]*)\)", README)[1] == module.PAIR.relative_to(ROOT).as_posix()
    made = module.pair(module.run(module.command(), tmp_path))
    kept = Image.open(module.PAIR).convert("RGB")
    assert kept.size == made.size
    # Runtimes and precisions differ by 2 levels of 255 here, another network by over 80.
    assert np.abs(np.asarray(made, int) - np.asarray(kept, int)).max() <= 6


@pytest.mark.parametrize(("page", "columns", "factor"), [(GALLERY, "psnr seconds x4", 4), (GALLERY, "seconds x2", 2)])
def test_the_gallery_has_every_network(page, columns, factor):
    wanted = [name for name, entry in CATALOG.items() if factor in {network.scale for network in entry.networks}]
    assert networks_in(table_rows(page, columns)) == wanted


def test_the_gallery_names_the_fidelity_of_bicubic_interpolation():
    assert f"Bicubic interpolation has {figures.load()['psnr']['bicubic']:.2f} dB" in " ".join(GALLERY.split())


def test_every_network_is_in_the_gallery_at_some_factor():
    found = networks_in(table_rows(GALLERY, "psnr seconds x4")) + networks_in(table_rows(GALLERY, "seconds x2"))
    assert set(found) == set(CATALOG)


def test_the_table_of_purposes_agrees_with_the_catalog():
    rows = table_rows(MODELS, "seconds x4")
    found = {}
    for row, network in zip(rows, networks_in(rows), strict=True):
        found |= dict.fromkeys((name for name in re.findall(r"`([\w-]+)`", row) if name in ALIASES), network)
    assert found == {alias: name for alias, name in ALIASES.items() if ":" not in alias}


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_figures_in_tables_are_the_measured_ones(page):
    text = page.read_text("utf-8")
    assert "<!-- figures: " in text
    assert figures.filled(text, figures.load()) == text


def test_pictures_are_shown_described_and_small():
    folder = DOCS / "images" / "gallery"
    shown = dict(re.findall(r"!\[([^\]]*)\]\(images/gallery/([^)]+)\)", GALLERY))
    shown = {name: alt for alt, name in shown.items()}
    sheets = {file.name for file in folder.glob("*.webp")}
    assert len(sheets) == 2 * len(list(folder.glob("*.png"))) == 14
    assert set(shown) == sheets
    assert all(len(alt) > 30 for alt in shown.values())
    assert len(set(shown.values())) == len(shown)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= LARGEST_FOLDER
