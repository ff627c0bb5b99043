"""Folders that tests read from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TESTS = ROOT / "tests"

# Pictures that cannot be carried in the repository. Tests that need them are skipped where they are absent.
SHARED_DATA = ROOT.parent / "shared" / "data"
