"""One request of each kind, from checked task to answer: resolve, decode, upscale, check, encode, store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.errors import CancelledError, ImageTooLargeError
from tilewright.pricing import cost
from tilewright.responses import Upscaled, upload_result, upscale_result

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from tilewright.engine.progress import Progress
    from tilewright.picture import Picture
    from tilewright.sources import ImageParameter, LoadedPicture
    from tilewright.tasks import UploadTask, UpscaleTask
    from tilewright.upscaler import Upscaler


class Handlers:
    """Serves checked tasks on an `Upscaler`, each on the calling thread.

    Attributes:
        fetcher: gives the bytes at a web address; None where web addresses are refused.
    """

    def __init__(self, upscaler: Upscaler) -> None:
        self._upscaler = upscaler
        self.fetcher: Callable[[str], bytes] | None = None
        if upscaler.settings.fetch_urls == "public":
            from tilewright.fetch import fetch

            self.fetcher = fetch

    def upload(self, task: UploadTask) -> dict[str, Any]:
        """The ``data`` item of an upload, which is stored.

        Raises:
            TilewrightError: see `load_picture`.
        """
        _, image_uuid = self._load(task.image, "image")
        return upload_result(task, image_uuid=image_uuid, image_url=self._upscaler.store.url(image_uuid))

    def upscale(self, task: UpscaleTask, stop: threading.Event) -> Upscaled:
        """Upscales and stores a picture.

        Raises:
            TilewrightError: a fault of the task or the machine; nothing of the result was stored.
            CancelledError: `stop` was set.
        """
        from tilewright.codecs.encode import check_colour_space, check_format_limits, encode, extension

        def listen(_: Progress) -> None:
            go_on(stop)

        upscaler, factor = self._upscaler, task.upscale_factor
        settings, report = upscaler.settings, upscaler.new_report()
        model = task.model or upscaler.model
        upscaler.find(model, factor)  # an unknown network is known before any pixel is read

        def accept(picture: Picture) -> None:
            width, height = picture.width * factor, picture.height * factor
            _check_result_size(width, height, settings.max_output_pixels)
            check_format_limits(width, height, task.output_format)
            check_colour_space(picture, task.output_format)

        with report.stage("decode"):
            picture, input_image_uuid = self._load(task.input_image, task.image_parameter, accept)
        how: dict[str, Any] = {"model": model, "on_progress": listen, "report": report}
        nsfw = None
        with report.stage("store"), upscaler.store.writer(extension(task.output_format)) as image:
            if task.check_nsfw or settings.check_nsfw:  # the classifier sees the whole result
                result = upscaler.upscale_picture(picture, factor, **how)
                nsfw = upscaler.is_nsfw(result)
                with report.stage("encode"):
                    data = encode(
                        result,
                        task.output_format,
                        task.output_quality,
                        compression=settings.png_compression,
                        progressive=settings.jpg_progressive,
                        lossless=settings.webp_lossless,
                    )
                    image.write(data)
            else:
                upscaler.upscale_to_file(picture, factor, image, task.output_format, quality=task.output_quality, **how)
            go_on(stop)
        return Upscaled(
            task=task,
            image_uuid=image.uuid,
            input_image_uuid=input_image_uuid,
            nsfw=nsfw,
            cost=cost(
                settings.price,
                seconds=report.compute_seconds,
                pixels=picture.width * picture.height * factor**2,
            ),
        )

    def answer(self, upscaled: Upscaled, *, status: str | None = None) -> dict[str, Any]:
        """The ``data`` item of a finished upscale.

        Args:
            upscaled: what became of it.
            status: see `upscale_result`.

        Raises:
            SourceError: the result is no longer in the store.
            StoreError: the store cannot be read.
        """
        store, image_uuid, wanted = self._upscaler.store, upscaled.image_uuid, upscaled.task.output_types
        return upscale_result(
            upscaled,
            image_url=store.url(image_uuid) if "URL" in wanted else "",
            data=store.get(image_uuid) if set(wanted) != {"URL"} else b"",
            status=status,
        )

    def _load(
        self, image: object, parameter: ImageParameter, accept: Callable[[Picture], None] | None = None
    ) -> LoadedPicture:
        from tilewright.sources import load_picture

        upscaler = self._upscaler
        return load_picture(
            image,
            upscaler.store,
            limits=upscaler.settings.limits,
            keep_metadata=upscaler.settings.keep_metadata,
            parameter=parameter,
            fetcher=self.fetcher,
            accept=accept,
        )


def go_on(stop: threading.Event) -> None:
    """Returns unless work is to stop.

    Raises:
        CancelledError: `stop` is set.
    """
    if stop.is_set():
        raise CancelledError("stopped before it was done; no result was stored")


def _check_result_size(width: int, height: int, max_pixels: int | None) -> None:
    if max_pixels is not None and width * height > max_pixels:
        raise ImageTooLargeError(
            f"the result would have {width} x {height} = {width * height} pixels, the limit is {max_pixels}; "
            "choose a smaller upscaleFactor, or raise TILEWRIGHT_MAX_OUTPUT_PIXELS",
            parameter="upscaleFactor",
        )
