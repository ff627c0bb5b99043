"""The documentation site that `.ci/run docs` has built: links, outside resources and the index of the search."""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from support.paths import ROOT

SITE = ROOT / "build" / "site"

if not SITE.is_dir():
    pytest.skip("needs the site, which .ci/run docs builds", allow_module_level=True)

PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser loads with it."""

    def __init__(self, text):
        super().__init__()
        self.anchors = {""}
        self.links = []
        self.loaded = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors.update(values[key] for key in ("id", "name") if values.get(key))
        if values.get("href"):
            self.links.append(values["href"])
        if values.get(LOADED.get(tag)):
            self.loaded.append(values[LOADED[tag]])


@cache
def read(path):
    return Page((SITE / path).read_text("utf-8"))


def target_of(path, link):
    """Returns the file and the anchor that a link of a page leads to."""
    address, anchor = urldefrag(urljoin(f"/{path}", link))
    file = unquote(urlsplit(address).path).lstrip("/")
    return (f"{file}index.html" if file.endswith("/") or not file else file), unquote(anchor)


@pytest.mark.parametrize("path", PAGES)
def test_links_have_targets(path):
    page = read(path)
    local = {link for link in page.links + page.loaded if not urlsplit(link).scheme}
    assert len(local) > 10, "links were not found"
    for link in local:
        file, anchor = target_of(path, link)
        assert (SITE / file).is_file(), link
        assert not anchor or anchor in read(file).anchors, link


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_elsewhere(path):
    loaded = read(path).loaded
    assert len(loaded) > 3, "resources were not found"
    assert [address for address in loaded if urlsplit(address).netloc] == []


def test_style_sheets_load_nothing_from_elsewhere():
    sheets = list(SITE.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        assert re.findall(r"url\(['\"]?(?:https?:)?//|@import", sheet.read_text("utf-8")) == [], sheet.name


def test_search_finds_every_page():
    items = json.loads((SITE / "search.json").read_text("utf-8"))["items"]
    found = {target_of("", item["location"])[0] for item in items if item["text"]}
    assert set(PAGES) - {"404.html"} <= found
