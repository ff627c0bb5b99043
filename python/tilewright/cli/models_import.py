"""The command `tilewright models import`: keeps a network file under a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.cli.network_options import spec_options
from tilewright.cli.terminal import print_line
from tilewright.errors import ModelError
from tilewright.models.collection import import_network
from tilewright.models.loader import own_factors
from tilewright.settings import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rich.console import Console


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Imports the file and returns the exit status.

    Raises:
        TilewrightError: The file or the name cannot be used; nothing was written.
    """
    if "://" in arguments.file:
        raise ModelError(
            f"{arguments.file} is an address; download the file first, or run: tilewright models download NAME",
            parameter="model",
        )
    settings = Settings.from_environment()
    import_file(
        Path(arguments.file).expanduser(), arguments.name, settings, console, overrides=spec_options(arguments.spec)
    )
    return 0


def import_file(
    path: Path,
    name: str | None,
    settings: Settings,
    console: Console,
    *,
    overrides: Mapping[str, object] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Imports a file and says how to use it; arguments as for `import_network`."""
    name, network = import_network(
        path, name, settings.models_dir, cache_dir=settings.cache_dir, overrides=overrides, details=details
    )
    factor = max(own_factors(network.spec))
    if factor == 1:
        use = f"tilewright upscale photo.jpg -o clean.png -x 1 --model {name}; or before another network: --pre {name}"
    else:
        use = f"tilewright upscale photo.jpg -o large.png -x {factor} --model {name}"
    print_line(console, f"imported {name}; use it: {use}")
