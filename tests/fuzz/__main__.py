"""Fuzzes for a given time and says what came of it: ``python -m fuzz pictures --seconds 60``, in the folder tests.

The fuzzer, libFuzzer in atheris, is a process of its own: a crash of native code, a picture that takes too long, or
more memory than is granted end that process, and leave the input in a file. The same seed on the same code finds the
same things.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

TARGETS = ("pictures", "tasks")
SECONDS_FOR_ONE = 20
MEBIBYTES = 1500

# The C library's allocator raises these thresholds by itself, and then keeps what lies between two allocations. Over a
# hundred thousand pictures of every kind that came to more than 1 GiB which nothing holds, and would hide a leak.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def main() -> int:
    """Runs a target; the exit status is 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Tries what must not break anything.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default: 1)")
    parser.add_argument("--corpus", type=Path, help="keep inputs that reach new code here, and begin with them")
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"), help="where inputs that break something go")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments, others = parser.parse_known_args()
    if arguments.worker:
        _fuzz(arguments.target, others)
    with tempfile.TemporaryDirectory() as folder:
        return _watch(arguments, others, Path(folder))


def _watch(arguments: argparse.Namespace, others: list[str], folder: Path) -> int:
    """Starts the fuzzer on the seeds, passes on what it says, and sums up."""
    seeds, learnt = folder / "seeds", arguments.corpus or folder / "learnt"
    for path in (seeds, learnt, arguments.found):
        path.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(importlib.import_module(f"fuzz.{arguments.target}").corpus()):
        (seeds / f"{number:03}").write_bytes(data)
    found = arguments.found.absolute() / f"{arguments.target}-"
    command = [
        *(sys.executable, "-m", "fuzz", arguments.target, "--worker"),
        *(
            f"-max_total_time={arguments.seconds}",
            f"-seed={arguments.seed}",
            "-max_len=16384",
            "-len_control=0",
            "-reduce_inputs=0",
        ),
        *(f"-timeout={SECONDS_FOR_ONE}", f"-rss_limit_mb={MEBIBYTES}", f"-artifact_prefix={found}"),
        *(*others, str(learnt), str(seeds)),
    ]
    environment = {"TILEWRIGHT_CACHE_DIR": str(folder / "cache"), **ALLOCATOR, **os.environ}
    executions = 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=environment) as worker:
        for line in worker.stderr:
            sys.stderr.write(line)
            if number := re.match(r"#(\d+)\s", line) or re.match(r"Done (\d+) runs", line):
                executions = int(number[1])
    outcome = "nothing" if worker.returncode == 0 else f"see {found}*, exit status {worker.returncode}"
    print(f"{arguments.target}: {executions} executions, seed {arguments.seed}, found: {outcome}", flush=True)
    return int(worker.returncode != 0)


def _fuzz(target: str, arguments: list[str]) -> None:
    import atheris

    import tilewright

    module = importlib.import_module(f"fuzz.{target}")
    for data in module.corpus():  # what is made at first use may take longer than an input may
        module.one_input(data)
    # Many modules are imported when they are first used, which would be too late for coverage to see them.
    for found in pkgutil.walk_packages(tilewright.__path__, "tilewright."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    # Not by atheris' hook for imports, which does not see through an editable install.
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and str(function.__module__).startswith("tilewright."):
            _instrument(function)
    options = {} if module.mutator is None else {"custom_mutator": module.mutator}
    atheris.Setup([f"fuzz.{target}", *arguments], module.one_input, **options)
    atheris.Fuzz()


def _instrument(function: types.FunctionType) -> None:
    """Has the fuzzer follow which ways a function goes, and what it compares.

    Not what it compares of arrays: atheris 3.0 lets go of no result of a comparison, and an array is as large as a
    picture. ``atheris.instrument_func`` knows no such choice.
    """
    from atheris.instrument_bytecode import patch_code

    has_arrays = not {"np", "pixels", "alpha", "samples"}.isdisjoint(function.__code__.co_names)
    function.__code__ = patch_code(function.__code__, trace_dataflow=not has_arrays)


if __name__ == "__main__":
    sys.exit(main())
