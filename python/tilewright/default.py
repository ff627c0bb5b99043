"""Module-level functions that share one `Upscaler`, which the first call makes.

The first call can also raise what `Upscaler` raises: `SettingsError`, `DeviceError` and
`ModelError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from tilewright.lazy import Lazy
from tilewright.service.advice import takes_task
from tilewright.upscaler import Upscaler

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Sequence

    from numpy.typing import NDArray
    from PIL.Image import Image

    from tilewright.codecs.samples import ArraySource
    from tilewright.engine.progress import OnTaskProgress
    from tilewright.options import ArrayOptions, CallOptions, ImageOptions, TargetOptions
    from tilewright.service.tasks import Envelope, Task, TaskResult, UploadResult, UpscaleResult, UpscaleTask

_upscaler = Lazy(Upscaler)


@takes_task
def upscale(
    task: UpscaleTask | Sequence[UpscaleTask], *, on_progress: OnTaskProgress | None = None
) -> Envelope[UpscaleResult]:
    """Runs ``imageUpscale`` tasks; see `Upscaler.upscale`."""
    return _upscaler.get().upscale(task, on_progress=on_progress)


def run(tasks: Task | Sequence[Task], **options: Unpack[CallOptions]) -> Envelope[TaskResult]:
    """Runs tasks of any type; see `Upscaler.run`."""
    return _upscaler.get().run(tasks, **options)


async def aupscale(task: UpscaleTask | Sequence[UpscaleTask]) -> Envelope[UpscaleResult]:
    """Runs ``imageUpscale`` tasks without blocking the event loop; see `Upscaler.aupscale`."""
    return await _upscaler.get().aupscale(task)


async def arun(tasks: Task | Sequence[Task], **options: Unpack[CallOptions]) -> Envelope[TaskResult]:
    """Runs tasks of any type without blocking the event loop; see `Upscaler.arun`."""
    return await _upscaler.get().arun(tasks, **options)


def astream(tasks: Task | Sequence[Task], **options: Unpack[CallOptions]) -> AsyncIterator[Envelope[TaskResult]]:
    """Yields the envelope of each task when it is finished; see `Upscaler.astream`."""
    return _upscaler.get().astream(tasks, **options)


def upload(image: object) -> Envelope[UploadResult]:
    """Stores a picture for later tasks; see `Upscaler.upload`."""
    return _upscaler.get().upload(image)


def upscale_array(pixels: ArraySource, factor: int | None = None, **options: Unpack[ArrayOptions]) -> NDArray[Any]:
    """Upscales an array; see `Upscaler.upscale_array`."""
    return _upscaler.get().upscale_array(pixels, factor, **options)


def upscale_image(image: Image, factor: int | None = None, **options: Unpack[ImageOptions]) -> Image:
    """Upscales a Pillow image; see `Upscaler.upscale_image`."""
    return _upscaler.get().upscale_image(image, factor, **options)


def upscale_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    factor: int | None = None,
    **options: Unpack[TargetOptions],
) -> None:
    """Upscales a picture or an animation from file to file; see `Upscaler.upscale_file`."""
    _upscaler.get().upscale_file(source, target, factor, **options)
