"""Image super-resolution in process: tile, feed an ONNX network, blend.

    import tilewright
    from pathlib import Path

    uploaded = tilewright.upload(Path("photo.jpg"))["data"][0]
    tilewright.upscale(tilewright.new_task(uploaded["imageUUID"], 2))

`upscale` and `upload` run on an `Upscaler` made at first use from the environment's settings; make one of your own to
choose network, device or store. The runtimes and the codec are loaded at first use too, and what is named here when it
is first asked for: importing this module alone costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilewright.default import arun, astream, aupscale, run, upload, upscale
    from tilewright.errors import TaskError, TilewrightError
    from tilewright.models.loader import list_models
    from tilewright.picture import Picture
    from tilewright.pricing import Price
    from tilewright.service.responses import raise_for_errors
    from tilewright.service.tasks import new_task
    from tilewright.settings import Settings
    from tilewright.store.image_store import ImageStore
    from tilewright.upscaler import Upscaler

__all__ = [
    "ImageStore",
    "Picture",
    "Price",
    "Settings",
    "TaskError",
    "TilewrightError",
    "Upscaler",
    "arun",
    "astream",
    "aupscale",
    "list_models",
    "new_task",
    "raise_for_errors",
    "run",
    "upload",
    "upscale",
]


# Where each of them is.
_HOMES = {
    **dict.fromkeys(("arun", "astream", "aupscale", "run", "upload", "upscale"), "default"),
    **dict.fromkeys(("TaskError", "TilewrightError"), "errors"),
    "ImageStore": "store",
    "Picture": "picture",
    "Price": "pricing",
    "Settings": "settings",
    "Upscaler": "upscaler",
    "list_models": "models.loader",
    "new_task": "service.tasks",
    "raise_for_errors": "service.responses",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"tilewright.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name == "models":  # callable for the sake of old callers
        return importlib.import_module("tilewright.models")
    # Reading the metadata takes time, and few ask for it.
    if name == "__version__":
        from importlib.metadata import version

        return version("tilewright")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
