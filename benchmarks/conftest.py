"""What all benchmarks share: the smoke mode, timing in turns, and what goes into the JSON file."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import pytest

import machine
import table
import turns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

_FINDINGS = pytest.StashKey[list[str]]()
_LOAD_BEFORE = pytest.StashKey[float | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--smoke", action="store_true", help="tiny sizes, each benchmark once: shows that all of them run")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FINDINGS] = []
    config.stash[_LOAD_BEFORE] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None


@pytest.fixture(scope="session")
def smoke(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("smoke"))


@pytest.fixture(scope="session")
def findings(pytestconfig: pytest.Config) -> list[str]:
    """Lines to print at the end of the run."""
    return pytestconfig.stash[_FINDINGS]


@pytest.fixture
def in_turns(benchmark: BenchmarkFixture, smoke: bool, findings: list[str]) -> Iterator[turns.InTurns]:
    """See `turns.in_turns`; what it finds is printed at the end of the run."""
    yield functools.partial(turns.in_turns, benchmark, smoke)
    if "ratio" in benchmark.extra_info:
        finding = f"{benchmark.group}, {benchmark.extra_info['label']}: {table.verdict(benchmark.extra_info)}"
        findings.append(finding)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_FINDINGS]:
        terminalreporter.section("timed in turns: median (middle half)")
        for finding in config.stash[_FINDINGS]:
            terminalreporter.write_line(finding)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    wanted = machine.describe(machine_info)
    machine_info.clear()
    machine_info.update(wanted, load_before=config.stash[_LOAD_BEFORE])


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    for key in set(commit_info) - {"id", "time", "dirty"}:
        del commit_info[key]


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    output_json["smoke"] = config.getoption("smoke")
    for result in output_json["benchmarks"]:
        del result["options"]
        # Every single time: large, and of no use once median and quartiles are known.
        result["stats"].pop("data", None)
