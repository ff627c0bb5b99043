"""The command `tilewright info`: what runs on this machine, and why a GPU is not used."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright._core import available_isas, default_isa
from tilewright.cli.network_options import chosen_networks
from tilewright.cli.terminal import print_error
from tilewright.cli.without_effect import of_info
from tilewright.errors import DeviceError, TilewrightError
from tilewright.folders import fallback_folder, is_writable, user_folder
from tilewright.runtimes import import_runtime
from tilewright.settings import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tilewright.cli.signals import StopSignals
    from tilewright.options import NetworkOptions


def run(arguments: argparse.Namespace, console: Console, _signals: StopSignals) -> int:
    """Prints the facts on stdout and returns the exit status.

    Raises:
        SettingsError: An environment variable has an invalid value.
        TilewrightError: With ``--plan``: the network cannot be opened.
    """
    for line in of_info(arguments):
        print_error(console, line)
    if arguments.plan is not None:
        from tilewright.cli.plan import plan_facts, plan_lines

        model, pre = chosen_networks(arguments, Settings.from_environment())
        options: NetworkOptions = {"model": model, "pre": pre, "denoise": arguments.denoise, "tile": arguments.tile}
        facts = plan_facts(arguments.plan, arguments.factor, options)
        lines = plan_lines(facts)
    else:
        facts = gather_facts(Settings.from_environment())
        lines = _lines(facts)
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return 0
    print_facts(lines)
    return 0


def print_facts(lines: Sequence[tuple[str, str]]) -> None:
    """Prints pairs of name and value on stdout, in two columns."""
    from rich.table import Table
    from rich.text import Text

    from tilewright.cli.terminal import print_table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(name, Text(value))
    print_table(table)


def gather_facts(settings: Settings) -> dict[str, Any]:
    """Returns what ``tilewright info --json`` prints.

    No network is opened or converted, and nothing is written. A module that cannot be loaded is
    reported, not raised.

    Args:
        settings: The settings to report.

    Returns:
        JSON values by name: sizes in bytes, None for what is missing.
    """
    from tilewright.engine.sessions.select import openvino_has_bf16
    from tilewright.models.catalog import ALIASES, DEFAULT

    gpu_problem = _gpu_problem()
    kernels_problem = _kernels_problem() if gpu_problem is None else gpu_problem
    device = "cpu" if settings.device == "cpu" or gpu_problem is not None else "cuda"
    openvino = _version("openvino")
    runtime, reason = _runtime(settings, device)
    return {
        "tilewright": importlib.metadata.version("tilewright"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "numpy": _version("numpy"),
        "onnxruntime": _version("onnxruntime"),
        "openvino": openvino,
        "pyvips": _version("pyvips"),
        "libvips": _libvips_version(),
        "device": device,
        "deviceAsked": settings.device,
        "gpuProblem": gpu_problem,
        "gpuKernelsProblem": kernels_problem,
        "runtime": runtime,
        "runtimeReason": reason,
        "precision": settings.precision,
        "bf16": openvino is not None and openvino_has_bf16(),
        "threads": settings.threads,
        "isa": default_isa(),
        "availableISAs": available_isas(),
        "model": settings.model,
        "autoModel": DEFAULT,
        "aliases": ALIASES,
        **_budgets(settings, on_device=device == "cuda" and not kernels_problem),
        "maxInputPixels": settings.max_input_pixels,
        "cacheDir": str(settings.cache_dir),
        "store": settings.store,
    }


def _lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("tilewright", facts["tilewright"]),
        ("Python", f"{facts['python']} on {facts['platform']}"),
        ("NumPy", facts["numpy"] or "cannot be loaded"),
        ("ONNX Runtime", facts["onnxruntime"] or "cannot be loaded; reinstall tilewright"),
        (
            "OpenVINO",
            facts["openvino"]
            or "not installed; it runs networks that the native engine does not support: install tilewright[cpu]",
        ),
        ("pyvips", _pyvips_line(facts)),
        ("Device", _device_line(facts)),
        ("GPU", _gpu_line(facts)),
        ("Runtime", _runtime_line(facts)),
        ("Precision", _precision_line(facts)),
        ("Threads", str(facts["threads"])),
        ("Kernels", f"{facts['isa']} (available: {', '.join(facts['availableISAs'])})"),
        ("Model", _model_line(facts)),
        ("Aliases", ", ".join(f"{alias}: {name}" for alias, name in facts["aliases"].items())),
        ("Memory budget", _budget_line(facts)),
        ("Largest picture", f"{facts['maxInputPixels'] / 1e6:g} megapixels"),
        ("Cache", _cache_line(Path(facts["cacheDir"]))),
        ("Store", _store_line(facts["store"])),
    ]


def _pyvips_line(facts: Mapping[str, Any]) -> str:
    if facts["libvips"] is None:
        return "cannot be loaded; install it: pip install 'pyvips[binary]'"
    return f"{facts['pyvips']} with libvips {facts['libvips']}"


def _device_line(facts: Mapping[str, Any]) -> str:
    if facts["deviceAsked"] == "cuda" and facts["device"] != "cuda":
        return "none: TILEWRIGHT_DEVICE is cuda, but CUDA cannot run here"
    return f"{facts['device']} (requested: {facts['deviceAsked']})"


def _gpu_line(facts: Mapping[str, Any]) -> str:
    if facts["gpuProblem"] is not None:
        return f"no: {facts['gpuProblem']}"
    if facts["gpuKernelsProblem"] is not None:
        return f"CUDA works, but tiles pass through host memory: {facts['gpuKernelsProblem']}"
    return "CUDA works, and tiles stay in GPU memory"


def _runtime_line(facts: Mapping[str, Any]) -> str:
    reason = facts["runtimeReason"]
    return facts["runtime"] if reason is None else f"{facts['runtime']} ({reason})"


def _precision_line(facts: Mapping[str, Any]) -> str:
    if facts["device"] == "cuda" and facts["gpuKernelsProblem"] is None:
        if facts["precision"] == "auto":
            return "fp16 for networks whose result agrees with fp32 when opened, else fp32"
        return str(facts["precision"])
    if facts["precision"] == "fp32" or "openvino" not in facts["runtime"]:
        return "fp32"
    if not facts["bf16"]:
        return "fp32; this CPU has no bf16"
    return "bf16 for networks whose result agrees with fp32 when opened, else fp32"


def _budget_line(facts: Mapping[str, Any]) -> str:
    usual, most = (round(facts[name] / 2**20) for name in ("memoryBudget", "extendedMemoryBudget"))
    return f"{usual} MiB per picture" + (f", up to {most} MiB for deep networks" if most > usual else "")


def _cache_line(folder: Path) -> str:
    fallback = fallback_folder("cache")
    return str(folder) if is_writable(folder) else f"{fallback} ({folder} cannot be written)"


def _store_line(store: str) -> str:
    if store != str(user_folder("images")) or is_writable(Path(store)):
        return store
    return f"{fallback_folder('images')} ({store} cannot be written)"


def _model_line(facts: Mapping[str, Any]) -> str:
    names = {"auto": facts["autoModel"], **facts["aliases"]}
    given = facts["model"]
    return f"{given}: {names[given]}" if given in names else given


def _version(module: str) -> str | None:
    """Returns a module's version, from any distribution; None if it cannot be imported."""
    try:
        version = str(import_runtime(module).__version__)
    except DeviceError:
        return None
    return version.split("-")[0]  # OpenVINO appends build and branch


def _libvips_version() -> str | None:
    from tilewright.codecs.libvips import vips

    try:
        return ".".join(str(vips().version(part)) for part in range(3))
    except TilewrightError:
        return None


def _gpu_problem() -> str | None:
    """Returns why CUDA cannot run; None if it can."""
    from tilewright.engine.sessions.cuda_check import cuda_problem

    try:
        return cuda_problem()
    except DeviceError as error:
        return error.message


def _kernels_problem() -> str | None:
    """Returns why tiles cannot stay in GPU memory; None if they can."""
    from tilewright.engine.sessions.cuda_check import kernels_problem

    return kernels_problem()


def _budgets(settings: Settings, *, on_device: bool) -> dict[str, int]:
    from tilewright.engine.cuda.planner import default_device_budget
    from tilewright.engine.memory import default_memory_budget, extended_memory_budget
    from tilewright.engine.sessions.cuda_check import cuda_kernels

    if settings.memory_budget is not None:
        usual = most = settings.memory_budget
    elif on_device:
        usual = most = default_device_budget(cuda_kernels())
    else:
        usual, most = default_memory_budget(), extended_memory_budget()
    return {"memoryBudget": usual, "extendedMemoryBudget": most}


def _runtime(settings: Settings, device: str) -> tuple[str, str | None]:
    """Returns what runs networks, and why; on CUDA there is no choice."""
    from tilewright.engine.sessions.select import preferred_runtime

    if device == "cuda":
        return "onnxruntime", None
    try:
        runtimes, reason = preferred_runtime(settings.runtime, settings.precision)
    except DeviceError as error:
        return settings.runtime, str(error)
    return " or ".join(runtimes), reason
