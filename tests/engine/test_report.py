"""Seconds per stage in a report."""

from __future__ import annotations

import json
import time

import pytest

from tilewright.engine.report import STAGES, Report


def test_nested_stage_is_not_counted_twice():
    report = Report()
    with report.stage("store"):
        time.sleep(0.02)
        with report.stage("encode"):
            time.sleep(0.03)
        time.sleep(0.02)
    assert 0.03 <= report.seconds["encode"] < report.total_seconds
    assert 0.04 <= report.seconds["store"] < report.total_seconds
    assert sum(report.seconds.values()) <= report.total_seconds


def test_failed_stage_is_counted():
    report = Report()

    def fail():
        with report.stage("network"):
            time.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert report.seconds["network"] >= 0.01
    assert report.compute_seconds == report.seconds["network"]


def test_facts_are_json_with_all_stages():
    facts = Report().facts()
    assert json.loads(json.dumps(facts)) == facts
    assert list(facts["seconds"]) == list(STAGES)
