"""Downloads from an index like OpenModelDB's, on a server on this machine."""

from __future__ import annotations

import hashlib
import json

import pytest

from support.http_server import serving
from tilewright.errors import ModelError
from tilewright.models.download import DownloadError, download, find_entry

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    with serving() as server:
        server.reply("/file.pth", CONTENT)
        yield server


def resource(*urls, kind="pth"):
    return {"platform": "pytorch", "type": kind, "size": len(CONTENT), "sha256": SHA256, "urls": list(urls)}


def index(server, *resources, name="4x-Test", **fields):
    """Publishes an index with one network and returns its address."""
    entry = {
        "name": "Test", "author": ["ann", "bob"], "license": "MIT", "tags": [], "description": "First line.\nSecond.",
        "date": "2026-01-01", "architecture": "compact", "size": None, "scale": 4, "inputChannels": 3,
        "outputChannels": 3, "resources": list(resources), "images": [], **fields,
    }  # fmt: skip
    server.reply("/api/v1/models.json", json.dumps({name: entry, "1x-Other": entry}).encode())
    return server.url("/api/v1/models.json")


def found(server, *resources, **fields):
    return find_entry("4x-test", index_url=index(server, *resources, **fields))


def test_entry_has_author_licence_and_page(server):
    entry = found(server, resource(server.url("/file.pth")))
    assert (entry.name, entry.title, entry.authors, entry.licence) == ("4x-Test", "Test", "ann, bob", "MIT")
    assert (entry.summary, entry.page) == ("First line. Second.", server.url("/models/4x-Test"))
    assert (entry.kind, entry.sha256, entry.size) == ("pth", SHA256, len(CONTENT))


def test_file_is_downloaded(server, tmp_path):
    entry = found(server, resource(server.url("/file.pth")))
    steps = []
    path = download(entry, tmp_path / "new", on_progress=lambda *step: steps.append(step))
    assert (path.name, path.read_bytes()) == ("4x-Test.pth", CONTENT)
    assert steps[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("licence", "needs_consent"),
    [
        ("MIT", False),
        ("GPL-3.0-only", False),
        ("CC-BY-4.0", False),
        ("CC-BY-NC-4.0 OR MIT", False),
        ("CC-BY-NC-SA-4.0", True),
        ("CC-BY-NC-4.0", True),
        ("Custom", True),
        (None, True),
    ],
)
def test_licences_that_need_consent(server, licence, needs_consent):
    assert found(server, resource(server.url("/file.pth")), license=licence).needs_consent is needs_consent


def test_files_without_a_pickle_are_preferred(server):
    url = server.url("/file.pth")
    entry = found(server, resource(url, kind="onnx"), resource(url), resource(url, kind="safetensors"))
    assert entry.kind == "safetensors"


@pytest.mark.parametrize(
    "unusable",
    [
        {"urls": ["https://mega.nz/folder/x#y"]},
        {"urls": ["https://drive.google.com/file/d/x/view"]},
        {"urls": ["https://www.mediafire.com/file/x/file"]},
        {"urls": ["http://example.test/file.pth"]},
        {"urls": ["https://example.test/all.zip"]},
        {"urls": ["file:///etc/passwd"]},
        {"urls": []},
        {"sha256": None},
        {"sha256": "no checksum"},
        {"type": "bin"},
    ],
    ids=str,
)
def test_files_that_only_people_can_download_are_left_to_them(server, unusable):
    with pytest.raises(ModelError, match=r"download it from .*/models/4x-Test, and then run: tilewright models import"):
        found(server, {**resource(server.url("/file.pth")), **unusable})


def test_second_address_is_used_if_the_first_fails(server, tmp_path):
    server.reply("/gone.pth", status=404)
    entry = found(server, resource(server.url("/gone.pth"), server.url("/file.pth")))
    assert download(entry, tmp_path).read_bytes() == CONTENT


def test_redirect_to_another_address_of_this_machine_is_followed(server, tmp_path):
    server.redirect("/moved.pth", server.url("/file.pth"))
    assert download(found(server, resource(server.url("/moved.pth"))), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("set_up", "message"),
    [
        (lambda server: server.reply("/bad.pth", CONTENT[:-1] + b"!"), "gives a file with the SHA-256"),
        (lambda server: server.reply("/bad.pth", CONTENT[:-1]), "gives a file with the SHA-256"),
        (lambda server: server.reply("/bad.pth", CONTENT + b"!"), "gives more than 7000 bytes"),
        (lambda server: server.reply("/bad.pth", status=500), "cannot download"),
        (lambda server: server.raw("/bad.pth", b"nonsense"), "cannot download"),
        (lambda server: server.redirect("/bad.pth", "http://example.test/x"), "which is not encrypted"),
        (lambda server: server.redirect("/bad.pth", "file:///etc/passwd"), "which is not encrypted|not allowed"),
    ],
    ids=["other bytes", "cut short", "too long", "server error", "no http", "redirect to http", "redirect to a file"],
)
def test_wrong_files_are_refused_and_leave_nothing(server, tmp_path, set_up, message):
    set_up(server)
    entry = found(server, resource(server.url("/bad.pth")))
    with pytest.raises(DownloadError, match=f"no address gives the file of 4x-Test.*({message})"):
        download(entry, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_name_suggests_similar_ones(server):
    with pytest.raises(ModelError, match="OpenModelDB has no network named '4x-Tset'; did you mean 4x-Test"):
        find_entry("4x-Tset", index_url=index(server))


@pytest.mark.parametrize("content", [b"<html>", b"[1, 2]", b'{"4x-Test": {"resources": 3}}', b'{"4x-Test": []}'])
def test_an_index_in_another_form_is_an_error(server, content):
    server.reply("/models.json", content)
    with pytest.raises((DownloadError, ModelError)):
        find_entry("4x-Test", index_url=server.url("/models.json"))


def test_index_that_is_not_encrypted_is_refused():
    with pytest.raises(DownloadError, match="is not an https address"):
        find_entry("x", index_url="http://example.test/models.json")


def test_names_cannot_lead_out_of_the_folder(server):
    with pytest.raises(DownloadError, match="in an unknown form"):
        find_entry("../x", index_url=index(server, resource(server.url("/file.pth")), name="../x"))
