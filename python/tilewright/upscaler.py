"""`Upscaler`, the public class, which creates all parts and connects them."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack, cast

from tilewright.codecs.samples import checked_array
from tilewright.engine.enlargement import frame_count
from tilewright.lazy import Lazy
from tilewright.nsfw import NsfwClassifier, classifier_of
from tilewright.options import CallOptions, FileOptions, NetworkOptions, new_picture_upscaler, refuse_unknown
from tilewright.service.advice import takes_task
from tilewright.service.handler import RequestHandler
from tilewright.service.runner import Runner
from tilewright.settings import Settings
from tilewright.store.opening import open_store

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tilewright.codecs.png import Target
    from tilewright.engine.enlargement import Enlargement
    from tilewright.engine.estimate import Estimate
    from tilewright.engine.progress import OnProgress, OnTaskProgress
    from tilewright.engine.report import Report
    from tilewright.engine.sessions.base import Session
    from tilewright.literals import FileFormat, Fit
    from tilewright.models.spec import Model
    from tilewright.picture import Animation, Picture, Pixels
    from tilewright.service.tasks import Envelope, Task, TaskResult, UploadResult, UpscaleResult, UpscaleTask
    from tilewright.store import ImageStore


class Upscaler:
    """Upscales pictures with networks that stay open, and keeps images in a store.

    It is thread-safe. Pictures are decoded and encoded in parallel, and go through the network one
    after the other, because the network's runtime uses all cores.

    Attributes:
        settings: The settings in use.
        totals: Sums over the pictures of tasks, for monitoring.
    """

    def __init__(
        self,
        *,
        store: ImageStore | str | os.PathLike[str] | None = None,
        settings: Settings | None = None,
        **options: Unpack[NetworkOptions],
    ) -> None:
        """Resolves the device. Networks and store are opened at first use.

        Args:
            store: Where images are kept: an `ImageStore`, a folder or an fsspec URL; None for the
                settings' value.
            settings: Defaults of all options; None to read them from the environment.
            **options: See `NetworkOptions`: ``model``, ``pre``, ``device``, ``precision``, ``tta``,
                ``true_colour``, ``tile``, ``memory_budget``, ``spec``, ``denoise``.

        Raises:
            DeviceError: ``device="cuda"`` and CUDA cannot run. The message gives the reason.
            ModelError: `model` is unknown or not installed, its file is missing, or it does not
                offer the level `denoise`.
            SettingsError: An environment variable is invalid; or results must be checked
                (``TILEWRIGHT_CHECK_NSFW``) and no classifier is installed.
            TilewrightError: An option is out of range.
            TypeError: An option is unknown.
        """
        refuse_unknown("Upscaler", options, NetworkOptions)
        self.settings = settings = settings or Settings.from_environment()
        self._pictures = new_picture_upscaler(settings, options)
        self._classifier = classifier_of(settings) or NsfwClassifier()
        self._networks = self._pictures.networks
        open_it = partial(
            open_store, store or settings.store, ttl=settings.store_ttl, public_url=settings.store_public_url,
            shared=settings.store_shared,
        )  # fmt: skip
        self._store = Lazy(open_it, per_process=True)
        handler = RequestHandler(self._pictures, self._store, settings, self._classifier)
        self.totals = handler.totals
        self._runner = Runner(
            handler, self._store, max_tasks=settings.max_tasks, max_waiting=settings.max_waiting_tasks
        )

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._runner.stop()
        self.close()

    def close(self) -> None:
        """Waits for asynchronous requests, closes all networks and frees all buffers.

        The Upscaler can still be used: networks are opened again when needed. As a context manager
        it cancels asynchronous requests after the current tile if the block raises.
        """
        self._runner.wait()
        self._pictures.close()

    @property
    def model(self) -> str | Path:
        """The default network: the name of a network, ``"auto"`` or the path of a file."""
        return self._pictures.model

    @property
    def precision(self) -> str:
        """``"auto"``, ``"fp32"`` or ``"fp16"``."""
        return self._pictures.precision

    @property
    def device(self) -> str:
        """Where networks run: ``"cpu"`` or ``"cuda"``."""
        return self._networks.device

    @property
    def last_report(self) -> Report | None:
        """Report of the picture that was started last; None before the first."""
        return self._pictures.last_report

    @property
    def unfinished(self) -> int:
        """Asynchronous tasks that wait or run."""
        return self._runner.unfinished

    @property
    def store(self) -> ImageStore:
        """Where images are kept. It is opened at first use; arrays and files do not need it.

        Raises:
            StoreError: The store cannot be opened.
        """
        return self._store.get()

    @takes_task
    def upscale(
        self, task: UpscaleTask | Sequence[UpscaleTask], *, on_progress: OnTaskProgress | None = None
    ) -> Envelope[UpscaleResult]:
        """Runs one ``imageUpscale`` (or ``upscale``) task, or several.

        Args:
            task: Task dicts in the service's format. ``inputImage`` may also be a `pathlib.Path`,
                bytes, a file object, a NumPy array or a Pillow image.
            on_progress: See `CallOptions`.

        Returns:
            The envelope: ``{"data": [result, …]}``, with ``"errors"`` if a task failed. A fault of
            one task does not stop the others and never raises.

        Raises:
            TypeError: A task is not a mapping.
        """
        return cast("Envelope[UpscaleResult]", self._runner.run(task, upscales_only=True, on_progress=on_progress))

    def run(self, tasks: Task | Sequence[Task], **options: Unpack[CallOptions]) -> Envelope[TaskResult]:
        """Runs tasks of any type: ``imageUpload`` and ``getResponse``, and those of `upscale`.

        Tasks overlap: one picture is decoded while another is in the network and a third is
        encoded.

        Args:
            tasks: One task, or several.
            **options: See `CallOptions`: ``client``, ``keep``, ``on_progress``.

        Returns:
            The envelope, as for `upscale`.

        Raises:
            TypeError: A task is not a mapping, or an option is unknown.
            ValueError: `client` has other characters.
        """
        refuse_unknown("run", options, CallOptions)
        return cast("Envelope[TaskResult]", self._runner.run(tasks, upscales_only=False, **options))

    async def aupscale(self, task: UpscaleTask | Sequence[UpscaleTask]) -> Envelope[UpscaleResult]:
        """Runs `upscale` for asyncio. Cancellation stops the work after the current tile."""
        return cast("Envelope[UpscaleResult]", await self._runner.arun(task, upscales_only=True))

    async def arun(self, tasks: Task | Sequence[Task], **options: Unpack[CallOptions]) -> Envelope[TaskResult]:
        """Runs `run` for asyncio. Cancellation stops the work after the current tile."""
        refuse_unknown("arun", options, CallOptions)
        return cast("Envelope[TaskResult]", await self._runner.arun(tasks, upscales_only=False, **options))

    def astream(
        self, tasks: Task | Sequence[Task], **options: Unpack[CallOptions]
    ) -> AsyncIterator[Envelope[TaskResult]]:
        """Runs tasks of any type and yields the envelope of each one as soon as it is finished.

        Tasks that need no network come first, such as invalid ones and ``getResponse``. Leaving the
        loop early, or cancellation, stops the others after the current tile. Arguments are those of
        `run`; `on_progress` is not called on the event loop's thread.

        Raises:
            TypeError: A task is not a mapping. Raised when the first envelope is requested.
            ValueError: As for `run`.
        """
        refuse_unknown("astream", options, CallOptions)
        return cast("AsyncIterator[Envelope[TaskResult]]", self._runner.astream(tasks, **options))

    def upload(self, image: object) -> Envelope[UploadResult]:
        """Stores a picture, so that its ``imageUUID`` can be used as ``inputImage``.

        Args:
            image: A picture in any of the forms that ``inputImage`` takes.

        Returns:
            The envelope. Its one item has ``taskType``, ``taskUUID``, ``imageUUID`` and
            ``imageURL``.
        """
        task: Task = {"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": image}
        return cast("Envelope[UploadResult]", self.run(task))

    def upscale_array(
        self,
        pixels: Pixels,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        on_progress: OnProgress | None = None,
    ) -> Pixels:
        """Upscales an array.

        Args:
            pixels: uint8 or uint16, ``[H, W]`` (grey) or ``[H, W, C]``, C = 1 (grey), 2 (grey,
                alpha), 3 (RGB) or 4 (RGB, alpha). RGB whose channels are equal in every visible
                pixel is upscaled as grey, and the channels of the result are equal too.
            factor: 2, 3 or 4, as the network offers; None if a size is given.
            size: Width and height of the result in pixels; None if a factor is given. The network
                runs at the smallest sufficient factor, and its result is downscaled before it is
                rounded to the array's depth.
            fit: ``"inside"`` for the largest result within `size` that keeps the aspect ratio,
                ``"exact"`` for a result of exactly that size.
            on_progress: Called before the first tile and after each tile, while no other thread can
                use this Upscaler's networks. An exception that it raises stops the work.

        Returns:
            An array of the same dtype and number of axes, ``[H * factor, W * factor, C]`` or of the
            requested size.

        Raises:
            TypeError: Not a uint8 or uint16 array.
            TilewrightError: A shape that is not a picture, a factor that the network does not
                offer, a size that it cannot reach, both or neither of factor and size, a result
                above ``TILEWRIGHT_MAX_OUTPUT_PIXELS``, or a failure of the network.
        """
        source = checked_array(pixels)
        enlargement = self._pictures.resolve(source.shape[1], source.shape[0], factor, size=size, fit=fit)
        report = self.new_report()
        result = self._pictures.upscale_array(source, enlargement, on_progress=on_progress, report=report)
        return result if pixels.ndim == 3 else result[:, :, 0]

    def upscale_picture(
        self,
        picture: Picture,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        model: str | Path | None = None,
        on_progress: OnProgress | None = None,
        report: Report | None = None,
    ) -> Picture:
        """Upscales a picture with its alpha. Everything else that belongs to it is carried over.

        Args:
            picture: The picture.
            factor: As for `upscale_array`.
            size: As for `upscale_array`. If the result has to be downscaled, the network's whole
                result is held in 16 bits meanwhile.
            fit: As for `upscale_array`.
            model: Another network than the Upscaler's.
            on_progress: As for `upscale_array`.
            report: Receives times and counts; by default a new one, which becomes `last_report`.

        Raises:
            TilewrightError: As for `upscale_array`.
        """
        report = report or self.new_report()
        with report.stage("open"):
            enlargement = self._resolve(picture, factor, size=size, fit=fit, model=model)
        return self._pictures.upscale_picture(picture, enlargement, on_progress=on_progress, report=report)

    def upscale_to_file(
        self,
        picture: Picture | Animation,
        factor: int | None,
        file: Target,
        file_format: FileFormat,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        **options: Unpack[FileOptions],
    ) -> None:
        """Upscales a picture or an animation and writes the result to a file.

        PNG is written row by row while tiles still run, so only one band of the result is in
        memory. JPG, WEBP and downscaled results are encoded when they are complete. Animations are
        upscaled and encoded frame by frame.

        Args:
            picture: The picture or animation.
            factor: As for `upscale_array`.
            file: Receives the bytes through its method ``write``. If an exception is raised, it
                does not hold a complete file.
            file_format: ``"PNG"``, ``"JPG"`` or ``"WEBP"``.
            size: As for `upscale_picture`.
            fit: As for `upscale_array`.
            **options: See `FileOptions`: ``quality``, ``compression``, ``progressive``,
                ``lossless``, ``model``, ``on_progress``, ``on_result``, ``report``.

        Raises:
            EncodeError: The format cannot hold the result. Raised before any work is done.
            TilewrightError: As for `upscale_array`.
            OSError: `file` cannot be written.
            TypeError: An option is unknown.
        """
        refuse_unknown("upscale_to_file", options, FileOptions)
        report = options.get("report") or self.new_report()
        with report.stage("open"):
            enlargement = self._resolve(picture, factor, size=size, fit=fit, model=options.get("model"))
        self._pictures.write(
            picture,
            enlargement,
            file,
            file_format,
            self._pictures.encode_options(
                quality=options.get("quality", 95),
                compression=options.get("compression"),
                progressive=options.get("progressive"),
                lossless=options.get("lossless"),
            ),
            on_progress=options.get("on_progress"),
            check_result=options.get("on_result"),
            report=report,
        )

    def estimate(self, width: int, height: int, factor: int, *, model: str | Path | None = None) -> Estimate:
        """Estimates time and memory for upscaling an RGB picture of 8 bits to PNG.

        Runs the network briefly to measure its speed, once for each open network.

        Args:
            width: Width of the picture in pixels.
            height: Height of the picture in pixels.
            factor: 2, 3 or 4, as the network offers.
            model: Another network than the Upscaler's.

        Raises:
            TilewrightError: As for `upscale_array`.
        """
        return self._pictures.estimate(width, height, factor, model=model)

    def is_nsfw(self, picture: Picture) -> bool:
        """Returns whether a picture is likely not safe for work.

        The classifier errs in both directions.

        Raises:
            ModelError: No classifier is installed. The message says how to install one.
        """
        return self._classifier.is_nsfw(picture)

    def session(self, model: str | Path | None = None, factor: int = 4) -> Session:
        """Returns the session of a network, so that it can be measured alone.

        The session runs the network without its tail, see `Session.tail`.
        """
        return self._pictures.session(model, factor)

    def find(self, model: str | Path, factor: int) -> Model:
        """Finds a network, and converts it if necessary, without opening it.

        Raises:
            ModelError: An unknown network, missing weights, or a factor that it does not offer.
            TilewrightError: The factor is not an integer.
        """
        return self._pictures.find(model, factor)

    def factors(self, model: str | Path | None = None) -> tuple[int, ...]:
        """Returns the factors that a network offers: the Upscaler's, or another.

        Raises:
            ModelError: An unknown network, or an unusable file.
        """
        return self._networks.factors(self.model if model is None else model)

    def new_report(self) -> Report:
        """Returns the report of a picture that starts now. It becomes `last_report`."""
        return self._pictures.new_report()

    def _resolve(self, picture: Picture | Animation, factor: int | None, **target: Any) -> Enlargement:
        return self._pictures.resolve(picture.width, picture.height, factor, frames=frame_count(picture), **target)
