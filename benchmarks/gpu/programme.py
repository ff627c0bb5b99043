"""What all programmes share: the smoke mode on the emulated device, timing by events, and the file of results."""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
from tilewright.engine.sessions import cuda as cuda_session
from tilewright.engine.sessions import select
from tilewright.engine.sessions.cuda_check import cuda_kernels, cuda_problem, kernels_problem
from turns import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

RESULTS = Path(__file__).resolve().parents[1] / "results" / "gpu.json"

_WARM_UP = 10
_ROUNDS = 50


class Programme:
    """One programme's run.

    Attributes:
        smoke: tiny sizes, each once, on the emulated device where there is one: shows that all of it runs.
        kernels: the module of the kernels.
    """

    def __init__(self, section: str, description: str, options: dict[str, dict[str, Any]] | None = None) -> None:
        """Reads the command line, with options of the programme's own; ends the process where there is no device."""
        parser = argparse.ArgumentParser(description=description)
        for name, how in (options or {}).items():
            parser.add_argument(name, **how)
        parser.add_argument("--smoke", action="store_true", help="tiny sizes on the emulated device, each once")
        parser.add_argument("--json", type=Path, default=RESULTS, help="file whose section of this programme is set")
        self.arguments = parser.parse_args()
        self.smoke: bool = self.arguments.smoke
        self._section = section
        if not self.smoke and (problem := cuda_problem() or kernels_problem()):
            parser.exit(1, f"no device to measure on: {problem}\n")
        self.kernels: ModuleType = _emulate() if self.smoke else cuda_kernels()

    def timed(self, stream: Any, step: Callable[[int], object], *, rounds: int = _ROUNDS) -> dict[str, float]:
        """Milliseconds of what `step`, which is given the number of the round, puts on a stream: median, quartiles."""
        event = self.kernels.Event
        warm_up, rounds = (0, 1) if self.smoke else (_WARM_UP, rounds)
        for number in range(warm_up):
            step(number)
        marks = [(event(), event()) for _ in range(rounds)]
        for number, (before, after) in enumerate(marks):
            before.record(stream)
            step(number)
            after.record(stream)
        stream.synchronize()
        return spread([after.elapsed_ms(before) for before, after in marks])

    def keep(self, findings: Any) -> None:
        """Puts findings, plain JSON values, among those that the file of results has, and prints them."""
        path: Path = self.arguments.json
        results = json.loads(path.read_text()) if path.exists() else {}
        if results.get("smoke", self.smoke) != self.smoke:
            results = {}  # figures of a smoke run do not go with others
        results["machine"], results["smoke"] = self._machine(), self.smoke
        results["sections"] = _merged(results.get("sections", {}), {self._section: findings})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n")
        print(json.dumps({self._section: findings}, indent=1), flush=True)

    def _machine(self) -> dict[str, Any]:
        """What explains figures, nothing that names the machine or its user."""
        return {
            "device": self.kernels.device_name(),
            "device_memory": self.kernels.memory()[1],
            "driver": _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
            "system": platform.system(),
            "python": platform.python_version(),
            "versions": machine.versions(),
            "commit": _said("git", "rev-parse", "HEAD"),
        }


def _merged(old: Any, new: Any) -> Any:
    """What a programme finds in parts, one after the other, comes together."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {name: _merged(old.get(name), value) for name, value in new.items()}


def torch_or_none(smoke: bool) -> Any:
    """PyTorch for the device, on the CPU in the smoke mode; None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    return torch if smoke or torch.cuda.is_available() else None


def _said(*command: str) -> str | None:
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    return None


def _emulate() -> ModuleType:
    """The emulated device, and sessions on it that compute on the CPU."""
    from support.emulated_runtime import EmulatedRuntime
    from tilewright import _cuda_emulated

    runtime = EmulatedRuntime(_cuda_emulated)
    cuda_session.cuda_kernels = lambda: _cuda_emulated
    cuda_session.import_runtime = lambda _: runtime
    select.kernels_problem = lambda: None
    select.cuda_problem = lambda: None
    return _cuda_emulated


@contextlib.contextmanager
def skipping_out_of_memory(what: str) -> Iterator[None]:
    """A size that the device has no memory for is left out, and said."""
    from tilewright.engine.sessions.base import DeviceMemoryError

    try:
        yield
    except DeviceMemoryError as error:
        print(f"{what} left out: {error}", flush=True)
