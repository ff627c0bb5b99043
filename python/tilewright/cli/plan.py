"""The command `tilewright info --plan`: tiles, memory and time of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.cli.durations import roughly
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tilewright.models.spec import ModelSpec
    from tilewright.options import NetworkOptions


def plan_facts(size: tuple[int, int], factor: int, options: NetworkOptions) -> dict[str, Any]:
    """Returns what ``tilewright info --plan --json`` prints.

    Args:
        size: Width and height of a picture in pixels.
        factor: Upscaling factor.
        options: Options of the network.

    Returns:
        JSON values by name: sizes in pixels, memory in bytes, time in seconds.

    Raises:
        TilewrightError: The network cannot be opened, or does not offer the factor.
    """
    width, height = size
    with Upscaler(**options) as upscaler:
        session = upscaler.session(factor=factor)
        found = upscaler.estimate(width, height, factor)
    plan, spec = found.plan, session.spec
    return {
        "network": spec.name,
        "factor": factor,
        "denoise": spec.denoise,
        "device": session.device,
        "runtime": session.runtime,
        "precision": session.precision,
        "ensemble": session.ensemble,
        "input": [width, height],
        "output": [width * factor, height * factor],
        "tiles": len(plan),
        "bands": plan.is_bands,
        "columns": plan.columns,
        "rows": plan.rows,
        "tileSize": [plan.tile_width, plan.tile_height],
        "halo": plan.halo,
        "feather": plan.feather,
        "redundancy": round(plan.redundancy, 4),
        "seamError": 0 if plan.is_bands or _is_exact(spec) else spec.seam_error,
        "memory": found.memory,
        "seconds": float(f"{found.seconds:.3g}"),
    }


def _is_exact(spec: ModelSpec) -> bool:
    """Whether tiles give the same result as the whole picture."""
    return not spec.feather and spec.receptive_radius is not None and spec.receptive_radius <= spec.halo


def plan_lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the facts as rows of names and values."""
    return [
        ("Network", _network(facts)),
        ("Picture", "{} x {} -> {} x {}".format(*facts["input"], *facts["output"])),
        ("Bands" if facts["bands"] else "Tiles", _tiles(facts)),
        ("Halo", f"{facts['halo']} pixels, feather {facts['feather']}; {_seams(facts)}"),
        ("Redundancy", f"{facts['redundancy']:.3f} pixels computed for each one needed"),
        ("Memory", f"{facts['memory'] / 2**20:.0f} MiB beyond the loaded network, written as PNG"),
        ("Time", f"{roughly(facts['seconds'])} in the network, estimated from a small patch"),
    ]


def _network(facts: Mapping[str, Any]) -> str:
    denoise = f", denoise {facts['denoise']}" if facts["denoise"] else ""
    ensemble = f", self-ensemble of {facts['ensemble']}" if facts["ensemble"] > 1 else ""
    return f"{facts['network']} x{facts['factor']}{denoise} on {facts['runtime']}{ensemble}, {facts['precision']}"


def _tiles(facts: Mapping[str, Any]) -> str:
    size = "{} x {}".format(*facts["tileSize"])
    if facts["bands"]:
        return f"{facts['tiles']} of {size} pixels, one after another through all layers"
    if facts["tiles"] == 1:
        return f"one, of {size} pixels"
    return f"{facts['tiles']} of {size} pixels, in {facts['columns']} columns and {facts['rows']} rows"


def _seams(facts: Mapping[str, Any]) -> str:
    if facts["tiles"] == 1 or facts["bands"]:
        return "no seams"
    if facts["seamError"] == 0:
        return "exact: the same result as with one tile"
    if facts["seamError"] is None:
        return "no seam error is promised"
    return f"a seam error of at most {facts['seamError']:g}/255 in fp32"
