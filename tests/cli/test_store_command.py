"""The command `tilewright store`."""

from __future__ import annotations

import json
import os
import time

import pytest

from support.store import HOUR, set_age, stored_files
from tilewright import ImageStore
from tilewright.cli import main


@pytest.fixture
def store(working_folder):
    return ImageStore(working_folder / "store")


def test_show_tells_location_and_contents(store, capsys, monkeypatch):
    store.put(b"x" * 1_500_000, "png")
    with store.writer("jpg", temporary=True) as image:
        image.write(b"y" * 500_000)
    assert main(["store"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Location   store",
        "Contents   2 images, 2.0 MB",
        "Kept       for ever; 1 temporary image for a day at most",
    ]
    monkeypatch.setenv("TILEWRIGHT_STORE_TTL", "600")
    assert main(["store", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "location": "store", "ttl": 600, "images": 2, "bytes": 2_000_000, "temporary": 1,
    }  # fmt: skip


def test_show_of_a_store_that_does_not_exist_yet_creates_nothing(working_folder, capsys):
    assert main(["store"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["Contents   0 images, 0.0 kB", "Kept       for ever"]
    assert list(working_folder.iterdir()) == []


def test_small_stores_are_shown_in_kilobytes(store, capsys):
    store.put(b"x" * 1500, "png")
    assert main(["store"]) == 0
    assert "Contents   1 image, 1.5 kB\n" in capsys.readouterr().out


def test_clean_removes_what_has_expired(store, capsys, monkeypatch, working_folder):
    kept, expired = store.put(b"x", "png"), store.put(b"y", "png")
    set_age(store, expired, 2 * HOUR)
    partial = working_folder / "store" / f".{'0' * 32}.partial"
    partial.write_bytes(b"left by a crash")
    os.utime(partial, (time.time() - 2 * HOUR, time.time() - 2 * HOUR))
    assert main(["store", "clean"]) == 0
    assert capsys.readouterr().out == "0 images removed\n"
    assert stored_files(store) == {f"{kept}.png", f"{expired}.png"}
    monkeypatch.setenv("TILEWRIGHT_STORE_TTL", str(HOUR))
    assert main(["store", "clean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": 1}
    assert stored_files(store) == {f"{kept}.png"}


def test_clean_removes_what_was_not_used(store, capsys):
    old, recent = store.put(b"x", "png"), store.put(b"y", "png")
    set_age(store, old, 30 * HOUR)
    assert main(["store", "clean", "--unused-for", "1.2"]) == 0
    assert stored_files(store) == {f"{recent}.png"}
    assert main(["store", "clean", "--unused-for", "0"]) == 0
    assert stored_files(store) == set()
    assert capsys.readouterr().out == "1 image removed\n" * 2


def test_invalid_arguments_are_refused(store, capsys):
    image_uuid = store.put(b"x", "png")
    for arguments in ("--unused-for 0", "clean --unused-for -1", "clean --unused-for nan", "empty"):
        assert main(["store", *arguments.split()]) == 2
    assert "--unused-for is for `tilewright store clean`" in capsys.readouterr().err
    assert stored_files(store) == {f"{image_uuid}.png"}
