"""Image super-resolution in process: tile, feed an ONNX network, blend.

    import tilewright
    from pathlib import Path

    uploaded = tilewright.upload(Path("photo.jpg"))["data"][0]
    tilewright.upscale(tilewright.new_task(uploaded["imageUUID"], 2))

`upscale` and `upload` run on an `Upscaler` made at first use from the environment's settings; make one of your own to
choose network, device or store. The runtimes and the codec are loaded at first use too, not with this module.
"""

from tilewright.default import arun, astream, aupscale, models, run, upload, upscale
from tilewright.errors import TaskError, TilewrightError
from tilewright.picture import Picture
from tilewright.pricing import Price
from tilewright.responses import raise_for_errors
from tilewright.settings import Settings
from tilewright.store import ImageStore
from tilewright.tasks import new_task
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
    "models",
    "new_task",
    "raise_for_errors",
    "run",
    "upload",
    "upscale",
]


def __getattr__(name: str) -> str:
    # Reading the metadata takes a fifth of the whole import, and few ask for it.
    if name == "__version__":
        from importlib.metadata import version

        return version("tilewright")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
