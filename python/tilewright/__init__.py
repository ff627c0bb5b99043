"""Image super-resolution in process: tile, feed an ONNX network, blend.

    import tilewright

    tilewright.upscale_file("photo.jpg", "large.png", 4)

`upscale_image` takes Pillow images, `upscale_array` arrays, and `upscale` tasks in the service's
format. These and the other functions share one `Upscaler`, made at first use from the environment's
settings. Make your own to choose network, device or store. Runtimes, codecs and the names below are
loaded at first use, so importing this module alone costs almost nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilewright.default import (
        arun,
        astream,
        aupscale,
        run,
        upload,
        upscale,
        upscale_array,
        upscale_file,
        upscale_image,
    )
    from tilewright.display.comparison import Comparison, compare
    from tilewright.display.progress_bar import progress_bar
    from tilewright.engine.progress import Progress
    from tilewright.engine.report import Report
    from tilewright.errors import TaskError, TilewrightError
    from tilewright.models.listing import list_models
    from tilewright.picture import Picture
    from tilewright.pricing import Price
    from tilewright.service.responses import raise_for_errors
    from tilewright.service.tasks import (
        Envelope,
        ErrorItem,
        GetResponseTask,
        TaskResult,
        UploadResult,
        UploadTask,
        UpscaleResult,
        UpscaleTask,
        new_task,
    )
    from tilewright.settings import Settings
    from tilewright.store import ImageStore
    from tilewright.upscaler import Upscaler

__all__ = [
    "Comparison",
    "Envelope",
    "ErrorItem",
    "GetResponseTask",
    "ImageStore",
    "Picture",
    "Price",
    "Progress",
    "Report",
    "Settings",
    "TaskError",
    "TaskResult",
    "TilewrightError",
    "UploadResult",
    "UploadTask",
    "UpscaleResult",
    "UpscaleTask",
    "Upscaler",
    "arun",
    "astream",
    "aupscale",
    "compare",
    "list_models",
    "new_task",
    "progress_bar",
    "raise_for_errors",
    "run",
    "upload",
    "upscale",
    "upscale_array",
    "upscale_file",
    "upscale_image",
]


# The module of each name.
_MODULES = {
    **dict.fromkeys(("arun", "astream", "aupscale", "run", "upload", "upscale"), "default"),
    **dict.fromkeys(("upscale_array", "upscale_file", "upscale_image"), "default"),
    **dict.fromkeys(("Comparison", "compare"), "display.comparison"),
    **dict.fromkeys(("TaskError", "TilewrightError"), "errors"),
    **dict.fromkeys(("Envelope", "ErrorItem", "TaskResult", "UploadResult", "UpscaleResult"), "service.tasks"),
    **dict.fromkeys(("GetResponseTask", "UploadTask", "UpscaleTask", "new_task"), "service.tasks"),
    "ImageStore": "store",
    "Picture": "picture",
    "Price": "pricing",
    "Progress": "engine.progress",
    "Report": "engine.report",
    "Settings": "settings",
    "Upscaler": "upscaler",
    "list_models": "models.listing",
    "progress_bar": "display.progress_bar",
    "raise_for_errors": "service.responses",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        value = getattr(importlib.import_module(f"tilewright.{_MODULES[name]}"), name)
        globals()[name] = value
        return value
    if name == "models":  # a deprecated function, which is now the package itself
        return importlib.import_module("tilewright.models")
    if name == "__version__":  # reading the metadata is slow
        from importlib.metadata import version

        return version("tilewright")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
