"""The command `tilewright models inspect`: what is known about one network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tilewright.cli.durations import roughly
from tilewright.cli.network_options import spec_options
from tilewright.models.catalog import resolve_name
from tilewright.models.loader import find_file
from tilewright.settings import Settings
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rich.console import Console


# Side of the picture whose time is estimated: 1 megapixel.
_SIDE = 1000


def run(arguments: argparse.Namespace, _console: Console) -> int:
    """Prints the facts on stdout and returns the exit status.

    Raises:
        TilewrightError: The network cannot be found or opened.
    """
    found = network_facts(arguments.network, spec_options(arguments.spec), Settings.from_environment())
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    from tilewright.cli.info import print_facts

    print_facts(_lines(found))
    return 0


def network_facts(name: str, overrides: Mapping[str, object] | None, settings: Settings) -> dict[str, Any]:
    """Returns what ``tilewright models inspect --json`` prints.

    Args:
        name: Name of a network, or path of a file.
        overrides: Fields of `ModelSpec` of a file; None for none.
        settings: The settings in use.

    Raises:
        TilewrightError: The network cannot be found or opened.
    """
    with Upscaler(model=name, spec=overrides, settings=settings) as upscaler:
        factors = upscaler.factors()
        found = find_file(resolve_name(name), settings.cache_dir, settings.models_dir, overrides)
        factor = max(factors) if found is None else found.spec.scale
        session = upscaler.session(factor=factor)
        estimate = upscaler.estimate(_SIDE, _SIDE, factor)
    spec, details = (session.spec, {}) if found is None else (found.spec, found.details)
    return {
        "network": spec.name,
        "architecture": details.get("architecture"),
        "tags": details.get("tags", []),
        "scale": spec.scale,
        "factors": list(factors),
        "channels": spec.channel_order,
        "layout": spec.layout,
        "dtype": spec.dtype,
        "valueRange": list(spec.value_range),
        "receptiveRadius": spec.receptive_radius,
        "halo": spec.halo,
        "feather": spec.feather,
        "seamError": spec.seam_error,
        "multipleOf": spec.multiple_of,
        "minimum": spec.minimum,
        "fixedSize": None if spec.fixed_size is None else list(spec.fixed_size[::-1]),
        "flopsPerPixel": spec.flops_per_pixel,
        "runtime": session.runtime,
        "precision": session.precision,
        "secondsPerMegapixel": float(f"{estimate.seconds:.3g}"),
        "memory": estimate.memory,
        "licence": spec.licence,
        "source": spec.source,
        "sha256": spec.sha256,
    }


def _lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("Network", facts["network"]),
        ("Architecture", ", ".join(filter(None, [facts["architecture"], *facts["tags"]]))),
        ("Factors", _factors(facts)),
        ("Channels", f"{facts['channels']}, {facts['layout']}, {facts['dtype']}"),
        ("Black, white", "{:g}, {:g}".format(*facts["valueRange"])),
        ("Context", _context(facts)),
        ("Seams", _seams(facts)),
        ("Sizes", _sizes(facts)),
        ("Cost", f"{facts['flopsPerPixel'] / 1e6:.3g} MFLOP per input pixel"),
        (
            "Time here",
            f"{roughly(facts['secondsPerMegapixel'])} for 1 megapixel, on {facts['runtime']}, {facts['precision']}",
        ),
        ("Memory", f"{facts['memory'] / 2**20:.0f} MiB for 1 megapixel, beyond the loaded network"),
        ("Licence", facts["licence"] or "not stated in the file"),
        ("Source", facts["source"]),
        ("SHA-256", facts["sha256"]),
    ]
    return [(name, value) for name, value in lines if value]


def _factors(facts: Mapping[str, Any]) -> str:
    others = [str(factor) for factor in facts["factors"] if factor != facts["scale"]]
    by_rescale = f", and {' '.join(others)} by a rescale" if others else ""
    cleaning = ": it cleans pictures and does not enlarge them" if facts["scale"] == 1 else ""
    return f"{facts['scale']}{by_rescale}{cleaning}"


def _context(facts: Mapping[str, Any]) -> str:
    if facts["receptiveRadius"] is None:
        return "a result depends on the whole tile, or how far it reaches is not known"
    return f"a result depends on {facts['receptiveRadius']} pixels around it"


def _seams(facts: Mapping[str, Any]) -> str:
    halo = f"halo {facts['halo']} pixels, feather {facts['feather']}"
    if facts["receptiveRadius"] is None:
        return f"{halo}: averages over its tile, so tiles are not exact"
    if facts["receptiveRadius"] <= facts["halo"]:
        return f"{halo}: exact, tiles give the same result as the whole picture"
    if facts["seamError"] is None:
        return f"{halo}: less than the context, so no seam error is promised"
    return f"{halo}: a seam error of at most {facts['seamError']:g}/255 in fp32"


def _sizes(facts: Mapping[str, Any]) -> str:
    if facts["fixedSize"] is not None:
        return "tiles of {} x {} pixels only".format(*facts["fixedSize"])
    if facts["multipleOf"] == 1:
        return "any" if facts["minimum"] == 1 else f"any, from {facts['minimum']} pixels"
    return f"tiles in multiples of {facts['multipleOf']} pixels, from {facts['minimum']}"
