"""What a job took."""

from __future__ import annotations

import json
import time

import pytest

from tilewright.engine.memory import peak_memory
from tilewright.engine.report import STAGES, Report


def test_a_stage_within_a_stage_counts_once():
    report = Report()
    with report.stage("store"):
        time.sleep(0.02)
        with report.stage("encode"):
            time.sleep(0.03)
        time.sleep(0.02)
    assert 0.03 <= report.seconds["encode"] < report.total_seconds
    assert 0.04 <= report.seconds["store"] < report.total_seconds
    assert sum(report.seconds.values()) <= report.total_seconds


def test_a_stage_that_fails_is_counted():
    report = Report()

    def fail():
        with report.stage("network"):
            time.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert report.seconds["network"] >= 0.01
    assert report.compute_seconds == report.seconds["network"]


def test_facts_are_plain():
    facts = Report().facts()
    assert json.loads(json.dumps(facts)) == facts
    assert list(facts["seconds"]) == list(STAGES)


def test_peak_memory_never_falls():
    before = peak_memory()
    block = bytearray(32 * 2**20)
    block[:: 2**12] = b"x" * len(block[:: 2**12])
    during = peak_memory()
    del block
    # Kernels count pages in batches, so a figure may be a little late.
    assert peak_memory() + 2**20 >= during >= before - 2**20 > 0
