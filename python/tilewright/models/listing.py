"""Lists the networks that can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.models.catalog import CATALOG
from tilewright.models.collection import own_networks
from tilewright.models.loader import own_factors
from tilewright.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def list_models(models_dir: Path | None = None) -> list[dict[str, Any]]:
    """Lists the catalog and the imported networks as JSON-serialisable values.

    Args:
        models_dir: Folder of imported networks; None for that of the settings.

    Returns:
        One dict per network: ``name``, ``aliases`` (other names that select it), ``summary``,
        ``scales`` (factors offered), ``denoise`` (denoising levels, some of them for certain
        factors only; the first is the default),
        ``licence`` (SPDX, or empty if unknown), ``source`` (a URL, ``"tilewright"``, or the path of
        the file that was imported), ``package`` (distribution to install; None for an imported
        network), ``extra`` (extra of tilewright that installs the package; None if tilewright
        always does, or for an imported network) and ``installed``.

    Raises:
        SettingsError: The folder of imported networks is not given, and an environment variable has
            an invalid value.
    """
    catalog = [
        {
            "name": entry.name,
            "aliases": list(entry.aliases),
            "summary": entry.summary,
            "scales": list(entry.factors),
            "denoise": list(entry.denoise),
            "licence": entry.licence,
            "source": entry.source,
            "package": entry.package,
            "extra": entry.extra,
            "installed": entry.installed,
        }
        for entry in CATALOG.values()
    ]
    if models_dir is None:
        models_dir = Settings.from_environment().models_dir
    own = [
        {
            "name": name,
            "aliases": [],
            "summary": network.details.get("summary") or network.details.get("architecture", "ONNX"),
            "scales": list(own_factors(network.spec)),
            "denoise": [],
            "licence": network.spec.licence,
            "source": network.spec.source,
            "package": None,
            "extra": None,
            "installed": True,
        }
        for name, network in own_networks(models_dir).items()
    ]
    return catalog + own
