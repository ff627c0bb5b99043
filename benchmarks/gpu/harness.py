"""Shared by the GPU benchmarks: smoke mode, timing by events, and the result file."""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
from interleaved import quartiles
from tilewright.engine.sessions import cuda as cuda_session
from tilewright.engine.sessions import select
from tilewright.engine.sessions.cuda_check import cuda_kernels, cuda_problem, kernels_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

RESULTS = Path(__file__).resolve().parents[1] / "results" / "gpu.json"

_WARM_UP = 10
_ROUNDS = 50


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Returns a parser with the options of all GPU benchmarks, ``--smoke`` and ``--json``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="run once on tiny inputs and the emulated device")
    parser.add_argument("--json", type=Path, default=RESULTS, help="result file to update (default: %(default)s)")
    return parser


class Harness:
    """A run of one GPU benchmark.

    Attributes:
        smoke: Whether to run only once, on tiny inputs and the emulated device, as a test.
        kernels: The module of the CUDA kernels.
    """

    def __init__(self, section: str, arguments: argparse.Namespace) -> None:
        """Prepares the device; exits the process if there is none and this is not a smoke run.

        Args:
            section: Key of the results in the result file.
            arguments: From a parser made by `argument_parser`.
        """
        self.smoke: bool = arguments.smoke
        self._path: Path = arguments.json
        self._section = section
        if not self.smoke and (problem := cuda_problem() or kernels_problem()):
            raise SystemExit(f"no device to measure on: {problem}")
        self.kernels: ModuleType = _use_emulated_device() if self.smoke else cuda_kernels()

    def time_on_stream(self, stream: Any, step: Callable[[int], object], *, rounds: int = _ROUNDS) -> dict[str, float]:
        """Times work on a stream by events.

        Args:
            stream: The stream.
            step: Puts the work on the stream; called with the number of the round.
            rounds: Number of timed rounds.

        Returns:
            Milliseconds: median and quartiles.
        """
        event = self.kernels.Event
        warm_up, rounds = (0, 1) if self.smoke else (_WARM_UP, rounds)
        for number in range(warm_up):
            step(number)
        events = [(event(), event()) for _ in range(rounds)]
        for number, (before, after) in enumerate(events):
            before.record(stream)
            step(number)
            after.record(stream)
        stream.synchronize()
        return quartiles([after.elapsed_ms(before) for before, after in events])

    def save(self, findings: Any) -> None:
        """Merges results, which must be plain JSON values, into the result file, and prints them."""
        results = json.loads(self._path.read_text()) if self._path.exists() else {}
        if results.get("smoke", self.smoke) != self.smoke:
            results = {}  # never mix figures of smoke runs with others
        results["machine"], results["smoke"] = self._machine(), self.smoke
        results["sections"] = _merge(results.get("sections", {}), {self._section: findings})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(results, indent=2) + "\n")
        print(json.dumps({self._section: findings}, indent=1), flush=True)

    def _machine(self) -> dict[str, Any]:
        """Hardware and software, without anything that identifies the machine or its user."""
        return {
            "device": self.kernels.device_name(),
            "device_memory": self.kernels.memory()[1],
            "driver": _first_line_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
            "system": platform.system(),
            "python": platform.python_version(),
            "versions": machine.versions(),
            "commit": _first_line_of("git", "rev-parse", "HEAD"),
        }


def _merge(old: Any, new: Any) -> Any:
    """Merges dicts recursively; other values are replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {name: _merge(old.get(name), value) for name, value in new.items()}


def import_torch(smoke: bool) -> Any:
    """Returns PyTorch for CUDA, or for the CPU in a smoke run; `None` if it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch if smoke or torch.cuda.is_available() else None


def _first_line_of(*command: str) -> str | None:
    """First line that a command prints; `None` if it fails."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    return None


def _use_emulated_device() -> ModuleType:
    """Makes CUDA sessions use an emulated device and runtime; returns the emulated kernels."""
    from support.emulated_runtime import EmulatedRuntime
    from tilewright import _cuda_emulated

    runtime = EmulatedRuntime(_cuda_emulated)
    cuda_session.cuda_kernels = lambda: _cuda_emulated
    cuda_session.import_runtime = lambda _: runtime
    cuda_session.open_onnx = runtime.open_onnx
    select.kernels_problem = lambda: None
    select.cuda_problem = lambda: None
    return _cuda_emulated


@contextlib.contextmanager
def skip_if_out_of_memory(what: str) -> Iterator[None]:
    """Ends the block if the device runs out of memory, and prints what was skipped."""
    from tilewright.engine.sessions.base import DeviceMemoryError

    try:
        yield
    except DeviceMemoryError as error:
        print(f"skipped {what}: {error}", flush=True)
