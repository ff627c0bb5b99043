"""Folders that the tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TESTS = ROOT / "tests"

# Pictures that cannot be part of the repository. Tests that need them are skipped without them.
SHARED_DATA = ROOT.parent / "shared" / "data"
