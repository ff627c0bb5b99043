"""Runs one valid request: resolve, decode, upscale, classify, encode, store, answer."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tilewright.codecs.formats import check_encodable, extension
from tilewright.engine.enlargement import frame_count
from tilewright.engine.progress import cancel_on, raise_if_cancelled
from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.inputs.resolve import InputPicture, error_context, fetched, read_picture, store_input
from tilewright.picture import Animation
from tilewright.pricing import cost
from tilewright.service.requests import UploadRequest, UpscaleRequest
from tilewright.service.responses import Upscaled, upload_result, upscale_result
from tilewright.service.totals import Totals

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tilewright.engine.progress import OnProgress
    from tilewright.inputs.resolve import Fetcher
    from tilewright.lazy import Lazy
    from tilewright.literals import ImageParameter
    from tilewright.nsfw import NsfwClassifier
    from tilewright.picture_upscaler import PictureUpscaler
    from tilewright.settings import Settings
    from tilewright.store import ImageStore

_Request = TypeVar("_Request", UploadRequest, UpscaleRequest)


class RequestHandler:
    """Runs valid requests, each on the calling thread.

    Attributes:
        fetcher: Returns the bytes at a URL; None if URLs are refused.
        models_dir: Folder of imported networks, which requests may name.
        sends_results: Whether outcomes are sent to URLs that requests name.
    """

    def __init__(
        self, pictures: PictureUpscaler, store: Lazy[ImageStore], settings: Settings, classifier: NsfwClassifier
    ) -> None:
        """Stores the parts; nothing is opened yet.

        Args:
            pictures: Upscales pictures.
            store: Store for inputs and results.
            settings: Limits, pricing rule and enabled features.
            classifier: Checks results that a request wants checked.
        """
        self._pictures, self._store, self._settings, self._classifier = pictures, store, settings, classifier
        self.models_dir = settings.models_dir
        self.totals = Totals()
        self.sends_results = settings.send_results == "public"
        self.fetcher: Fetcher | None = None
        if settings.fetch_urls == "public":
            from tilewright.inputs.fetch import fetch

            self.fetcher = fetch

    def fetch(self, request: _Request, stop: threading.Event) -> _Request:
        """Returns a request with the bytes at its URL in place of the URL.

        Args:
            request: A request that ``needs_fetch``.
            stop: Cancels the fetch once it is set.

        Raises:
            TilewrightError: See `fetched`.
        """
        assert self.fetcher is not None, "URLs are refused without a fetcher"
        get = partial(fetched, fetcher=self.fetcher, limits=self._settings.limits, stop=stop)
        if isinstance(request, UploadRequest):
            return replace(request, image=get(str(request.image), parameter="image"))
        return replace(request, input_image=get(str(request.input_image), parameter=request.image_parameter))

    def upload(self, request: UploadRequest) -> dict[str, Any]:
        """Stores a picture and returns the ``data`` item.

        Raises:
            TilewrightError: See `read_picture`. The store is unchanged.
        """
        source = self._read(request.image, "image")
        if isinstance(source.picture, Animation):  # decode every frame, so that only valid files are stored
            with error_context("image"):
                for _ in source.picture.frames():
                    pass
        with self._rollback() as rollback:
            image_uuid = self._store_input(source, rollback)
            with _result_expected():
                return upload_result(request, image_uuid=image_uuid, image_url=self._store.get().url(image_uuid))

    def upscale_and_answer(
        self, request: UpscaleRequest, stop: threading.Event, on_progress: OnProgress | None = None
    ) -> tuple[Upscaled, dict[str, Any]]:
        """Upscales and stores a picture, and returns the finished request and its ``data`` item.

        Args:
            request: The request.
            stop: Cancels the work after the current tile once it is set.
            on_progress: Called before the first tile and after each tile; None if nobody listens.

        Raises:
            TilewrightError: The request failed. The store is unchanged.
            CancelledError: `stop` was set. The store is unchanged.
        """
        with self._rollback() as rollback:
            upscaled = self._upscale(request, cancel_on(stop, on_progress), stop, rollback)
            with _result_expected():
                return upscaled, self.answer(upscaled)

    def upscale(self, request: UpscaleRequest, stop: threading.Event) -> Upscaled:
        """Upscales and stores a picture.

        Raises:
            TilewrightError: The request failed. The store is unchanged.
            CancelledError: `stop` was set. The store is unchanged.
        """
        with self._rollback() as rollback:
            return self._upscale(request, cancel_on(stop), stop, rollback)

    def answer(self, upscaled: Upscaled, *, status: str | None = None) -> dict[str, Any]:
        """Returns the ``data`` item of a finished upscale request.

        Args:
            upscaled: The finished request.
            status: See `upscale_result`.

        Raises:
            SourceError: The result is no longer in the store.
            StoreError: The store cannot be read.
        """
        store, image_uuid, wanted = self._store.get(), upscaled.image_uuid, upscaled.request.output_types
        return upscale_result(
            upscaled,
            image_url=store.url(image_uuid) if "URL" in wanted else "",
            data=store.get(image_uuid) if set(wanted) != {"URL"} else b"",
            status=status,
        )

    def stored(self, image_uuid: str) -> bytes:
        """Returns the file of a result; raises as `answer` does."""
        return self._store.get().get(image_uuid)

    def _upscale(
        self, request: UpscaleRequest, on_progress: OnProgress, stop: threading.Event, rollback: contextlib.ExitStack
    ) -> Upscaled:
        pictures, settings, file_format = self._pictures, self._settings, request.output_format
        report = pictures.new_report()
        model = request.model or pictures.model
        pictures.find(model, request.upscale_factor)  # fails before the picture is read
        with report.stage("decode"):
            source = self._read(request.input_image, request.image_parameter, stop)
            picture = source.picture
            enlargement = pictures.resolve(
                picture.width, picture.height, request.upscale_factor, model=model, frames=frame_count(picture)
            )
            check_encodable(picture, enlargement.width, enlargement.height, file_format)
        check_nsfw = request.check_nsfw or settings.check_nsfw
        temporary = "URL" not in request.output_types  # the caller has the result's bytes
        with report.stage("store"), self._store.get().writer(extension(file_format), temporary=temporary) as image:
            nsfw = pictures.write(
                picture,
                enlargement,
                image,
                file_format,
                pictures.encode_options(quality=request.output_quality),
                on_progress=on_progress,
                check_result=self._classifier.is_nsfw if check_nsfw else None,
                report=report,
            )
            raise_if_cancelled(stop)
        rollback.callback(self._delete, image.uuid)
        # Last, so that the input of a task that fails is not stored: other tasks may have the same.
        with report.stage("store"):
            input_image_uuid = self._store_input(source, rollback)
        self.totals.add(report, picture.width * picture.height, enlargement, frame_count(picture))
        return Upscaled(
            request=request,
            image_uuid=image.uuid,
            input_image_uuid=input_image_uuid,
            nsfw=nsfw,
            cost=cost(
                settings.price,
                seconds=report.compute_seconds,
                pixels=enlargement.width * enlargement.height * frame_count(picture),
            ),
        )

    def _read(self, image: object, parameter: ImageParameter, stop: threading.Event | None = None) -> InputPicture:
        return read_picture(
            image,
            self._store.get(),
            limits=self._settings.limits,
            keep_metadata=self._settings.keep_metadata,
            parameter=parameter,
            stop=stop,
        )

    def _store_input(self, source: InputPicture, rollback: contextlib.ExitStack) -> str:
        """Stores an input that is not stored yet, and returns its UUID."""
        image_uuid, is_new = store_input(source, self._store.get())
        if is_new:
            rollback.callback(self._delete, image_uuid)
        return image_uuid

    @contextlib.contextmanager
    def _rollback(self) -> Iterator[contextlib.ExitStack]:
        """Yields a stack of callbacks that are called if the block raises, else discarded."""
        with contextlib.ExitStack() as stack:
            yield stack
            stack.pop_all()

    def _delete(self, image_uuid: str) -> None:
        with contextlib.suppress(TilewrightError):  # the store may be what failed
            self._store.get().delete(image_uuid)


@contextlib.contextmanager
def _result_expected() -> Iterator[None]:
    """Maps a missing result to StoreError, because the request is not at fault."""
    try:
        yield
    except SourceError as error:
        raise StoreError("the result is no longer in the store: another process has removed it") from error
