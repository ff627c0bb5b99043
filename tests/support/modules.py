"""All modules of the package, as far as what they need is installed."""

from __future__ import annotations

import importlib
import pkgutil

import tilewright

# Packages of extras that the tests can do without.
OF_EXTRAS = ("prometheus_client", "safetensors", "spandrel", "starlette", "torch", "uvicorn")


def import_all_modules():
    """Imports every module of the package, except compiled ones and those whose extra is not installed."""
    for module in pkgutil.walk_packages(tilewright.__path__, "tilewright."):
        if module.name.rpartition(".")[2].startswith("_"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] not in OF_EXTRAS:
                raise
