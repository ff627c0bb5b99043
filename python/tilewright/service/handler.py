"""One request of each kind, from checked task to answer: resolve, decode, upscale, check, encode, store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tilewright.errors import CancelledError, ImageTooLargeError, SourceError, StoreError, TilewrightError
from tilewright.picture import Animation
from tilewright.pricing import cost
from tilewright.service.responses import Upscaled, upload_result, upscale_result

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from tilewright.engine.progress import Progress
    from tilewright.inputs.resolve import LoadedPicture
    from tilewright.literals import ImageParameter
    from tilewright.picture import Picture
    from tilewright.service.tasks import UploadTask, UpscaleTask
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
            from tilewright.inputs.fetch import fetch

            self.fetcher = fetch

    def upload(self, task: UploadTask) -> dict[str, Any]:
        """The ``data`` item of an upload, which is stored.

        Raises:
            TilewrightError: see `load_picture`.
        """

        def accept(picture: Picture | Animation) -> None:
            if isinstance(picture, Animation):  # what is stored has been seen to be sound
                for _ in picture.frames():
                    pass

        with self._taking_back() as new:
            _, image_uuid = loaded = self._load(task.image, "image", accept)
            new += _newly_stored(task.image, loaded)
            with _still_stored():
                return upload_result(task, image_uuid=image_uuid, image_url=self._upscaler.store.url(image_uuid))

    def upscale_and_answer(self, task: UpscaleTask, stop: threading.Event) -> dict[str, Any]:
        """The ``data`` item of a picture that is upscaled now.

        Raises:
            TilewrightError, CancelledError: as `upscale`.
        """
        with self._taking_back() as new:
            upscaled = self._upscale(task, stop, new)
            with _still_stored():
                return self.answer(upscaled)

    def upscale(self, task: UpscaleTask, stop: threading.Event) -> Upscaled:
        """Upscales and stores a picture.

        Raises:
            TilewrightError: a fault of the task or the machine; the store is as it was before.
            CancelledError: `stop` was set; likewise.
        """
        with self._taking_back() as new:
            return self._upscale(task, stop, new)

    def _upscale(self, task: UpscaleTask, stop: threading.Event, new: list[str]) -> Upscaled:
        """As `upscale`; what it has stored is added to `new`."""
        from tilewright.codecs.animated import check_animation
        from tilewright.codecs.encode import check_colour_space, check_format_limits, extension

        def listen(_: Progress) -> None:
            go_on(stop)

        upscaler, factor = self._upscaler, task.upscale_factor
        settings, report = upscaler.settings, upscaler.new_report()
        model = task.model or upscaler.model
        upscaler.find(model, factor)  # an unknown network is known before any pixel is read

        def accept(picture: Picture | Animation) -> None:
            width, height = picture.width * factor, picture.height * factor
            _check_result_size(width, height, _frames(picture), settings.max_output_pixels)
            check_format_limits(width, height, task.output_format)
            check_colour_space(picture, task.output_format)
            if isinstance(picture, Animation):
                check_animation(picture, task.output_format)

        # The classifier sees every whole result, so it is asked for only where its answer is wanted.
        nsfw: list[bool] = []

        def classify(result: Picture) -> None:
            nsfw.append(upscaler.is_nsfw(result))

        with report.stage("decode"):
            picture, input_image_uuid = loaded = self._load(task.input_image, task.image_parameter, accept)
        new += _newly_stored(task.input_image, loaded)
        with report.stage("store"), upscaler.store.writer(extension(task.output_format)) as image:
            upscaler.upscale_to_file(
                picture,
                factor,
                image,
                task.output_format,
                quality=task.output_quality,
                model=model,
                on_progress=listen,
                on_result=classify if task.check_nsfw or settings.check_nsfw else None,
                report=report,
            )
            go_on(stop)
        new.append(image.uuid)
        return Upscaled(
            task=task,
            image_uuid=image.uuid,
            input_image_uuid=input_image_uuid,
            nsfw=any(nsfw) if nsfw else None,
            cost=cost(
                settings.price,
                seconds=report.compute_seconds,
                pixels=picture.width * picture.height * _frames(picture) * factor**2,
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

    @contextlib.contextmanager
    def _taking_back(self) -> Iterator[list[str]]:
        """A list for UUIDs of what is put into the store; when the block is left by an exception, that goes again."""
        new: list[str] = []
        try:
            yield new
        except BaseException:
            for image_uuid in new:
                with contextlib.suppress(TilewrightError):  # the store may be what failed
                    self._upscaler.store.delete(image_uuid)
            raise

    def _load(
        self, image: object, parameter: ImageParameter, accept: Callable[[Picture | Animation], None] | None = None
    ) -> LoadedPicture:
        from tilewright.inputs.resolve import load_picture

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


def _newly_stored(image: object, loaded: LoadedPicture) -> list[str]:
    """The UUID of a picture that was not in the store before, in a list."""
    return [] if isinstance(image, str) and image.lower() == loaded.image_uuid else [loaded.image_uuid]


@contextlib.contextmanager
def _still_stored() -> Iterator[None]:
    """What was stored a moment ago and is not found now is no fault of the request's."""
    try:
        yield
    except SourceError as error:
        raise StoreError("the result is no longer in the store: somebody else has removed it") from error


def go_on(stop: threading.Event) -> None:
    """Returns unless work is to stop.

    Raises:
        CancelledError: `stop` is set.
    """
    if stop.is_set():
        raise CancelledError("stopped before it was done; no result was stored")


def _frames(picture: Picture | Animation) -> int:
    return picture.count if isinstance(picture, Animation) else 1


def _check_result_size(width: int, height: int, frames: int, max_pixels: int | None) -> None:
    pixels = width * height * frames
    if max_pixels is not None and pixels > max_pixels:
        times = f" x {frames} frames" if frames > 1 else ""
        raise ImageTooLargeError(
            f"the result would have {width} x {height}{times} = {pixels} pixels, the limit is {max_pixels}; "
            "choose a smaller upscaleFactor, or raise TILEWRIGHT_MAX_OUTPUT_PIXELS",
            parameter="upscaleFactor",
        )
