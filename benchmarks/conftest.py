"""Shared by all benchmarks: the smoke mode, interleaved timing, and the contents of the JSON file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

import machine
import table
from interleaved import InterleavedTimer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

_SUMMARY = pytest.StashKey[list[str]]()
_LOAD_BEFORE = pytest.StashKey[float | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--smoke``."""
    parser.addoption("--smoke", action="store_true", help="run every benchmark once on tiny inputs, as a test")


def pytest_configure(config: pytest.Config) -> None:
    """Refuses to run in parallel, and notes the load of the machine before the first benchmark."""
    if getattr(config.option, "tx", None):  # set by pytest-xdist
        raise pytest.UsageError("benchmarks cannot run in parallel; leave out -n")
    config.stash[_SUMMARY] = []
    config.stash[_LOAD_BEFORE] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None


@pytest.fixture(scope="session")
def smoke(pytestconfig: pytest.Config) -> bool:
    """Whether the run only checks that the benchmarks work."""
    return bool(pytestconfig.getoption("smoke"))


@pytest.fixture(scope="session")
def summary(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed at the end of the run."""
    return pytestconfig.stash[_SUMMARY]


@pytest.fixture
def time_interleaved(benchmark: BenchmarkFixture, smoke: bool, summary: list[str]) -> Iterator[InterleavedTimer]:
    """An `InterleavedTimer` whose result is printed at the end of the run."""
    yield InterleavedTimer(benchmark, smoke)
    if "ratio" in benchmark.extra_info:
        info = benchmark.extra_info
        summary.append(f"{benchmark.group}, {table.display_name(info['label'])}: {table.comparison(info)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the summary lines."""
    if config.stash[_SUMMARY]:
        terminalreporter.section("interleaved timings: median (quartiles)")
        for line in config.stash[_SUMMARY]:
            terminalreporter.write_line(line)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Replaces pytest-benchmark's description of the machine."""
    described = machine.describe(machine_info)
    machine_info.clear()
    machine_info.update(described, load_before=config.stash[_LOAD_BEFORE])


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    """Keeps what identifies the commit."""
    for key in set(commit_info) - {"id", "time", "dirty"}:
        del commit_info[key]


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Marks smoke runs, and drops the list of single times, which is long."""
    output_json["smoke"] = config.getoption("smoke")
    for result in output_json["benchmarks"]:
        del result["options"]
        result["stats"].pop("data", None)
