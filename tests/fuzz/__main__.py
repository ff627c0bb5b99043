"""Runs the fuzzer for a given time, and prints the outcome: ``python -m fuzz pictures --seconds 60`` in ``tests``.

The fuzzer is libFuzzer in atheris. It runs in a separate process, which ends if native code crashes, or if an input
takes too long or too much memory; that input is written to a file. The same seed on the same code tries the same
inputs.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

TARGETS = ("pictures", "tasks")
SECONDS_PER_INPUT = 20
MAX_MEBIBYTES = 1500

# Fixed thresholds for glibc's allocator. By default it raises them at run time, and then keeps free memory between
# allocations: more than 1 GiB after a hundred thousand pictures of all kinds, which would hide a leak.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def main() -> int:
    """Runs a target. Returns the exit status: 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzzes tilewright with pictures or tasks.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutations (default: 1)")
    parser.add_argument("--corpus", type=Path, help="folder of inputs that reach new code; used and extended")
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"), help="folder for inputs that fail")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments, others = parser.parse_known_args()
    if arguments.worker:
        _fuzz(arguments.target, others)
    with tempfile.TemporaryDirectory() as folder:
        return _watch(arguments, others, Path(folder))


def _watch(arguments: argparse.Namespace, others: list[str], folder: Path) -> int:
    """Runs the fuzzer from the seeds, copies its output to standard error, and prints a summary."""
    seeds, corpus = folder / "seeds", arguments.corpus or folder / "corpus"
    for path in (seeds, corpus, arguments.found):
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
        *(f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={MAX_MEBIBYTES}", f"-artifact_prefix={found}"),
        *(*others, str(corpus), str(seeds)),
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

    from support.modules import import_all_modules

    module = importlib.import_module(f"fuzz.{target}")
    for data in module.corpus():  # lazy initialisation may take longer than the limit for one input
        module.one_input(data)
    # Many modules are imported lazily, which would be too late for instrumentation.
    import_all_modules()
    # atheris' import hook does not work with an editable installation.
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and str(function.__module__).startswith("tilewright."):
            _instrument(function)
    options = {} if module.mutator is None else {"custom_mutator": module.mutator}
    atheris.Setup([f"fuzz.{target}", *arguments], module.one_input, **options)
    atheris.Fuzz()


def _instrument(function: types.FunctionType) -> None:
    """Instruments a function, so that the fuzzer records its branches and comparisons.

    Comparisons in functions that use arrays are not recorded, because atheris 3.0 never frees the result of a
    comparison, and an array is as large as a picture. ``atheris.instrument_func`` has no option for this.
    """
    from atheris.instrument_bytecode import patch_code

    has_arrays = not {"np", "pixels", "alpha", "samples"}.isdisjoint(function.__code__.co_names)
    function.__code__ = patch_code(function.__code__, trace_dataflow=not has_arrays)


if __name__ == "__main__":
    sys.exit(main())
