"""The one place that wires store, networks and engine together."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from tilewright.engine.report import Report
from tilewright.engine.sinks import ArraySink, BandSink
from tilewright.errors import SettingsError, TilewrightError
from tilewright.literals import Precision
from tilewright.picture import Animation, Picture
from tilewright.service.runner import Runner
from tilewright.settings import Settings
from tilewright.store.image_store import ImageStore

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from tilewright.codecs.png import Target
    from tilewright.engine.estimate import Estimate
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.sessions import Session
    from tilewright.engine.sinks import RowSink
    from tilewright.literals import Compression, Fit, Format
    from tilewright.models.spec import Model
    from tilewright.nsfw import NsfwClassifier
    from tilewright.picture import Frame, Pixels
    from tilewright.service.runner import Tasks


class Upscaler:
    """Networks, kept open between pictures, and an image store.

    One Upscaler may be used by several threads: pictures are decoded and encoded side by side, and go through the
    network one after the other, because the network's runtime has all the cores.

    Attributes:
        settings: as given, or read from the environment.
        model: a catalog name, ``"auto"`` or an ONNX file's path.
        precision: ``"auto"``, ``"fp32"`` or ``"fp16"``.
        last_report: what the picture that was begun last took, `tilewright.engine.report.Report`; None before the
            first.
    """

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        device: str | None = None,
        precision: str | None = None,
        tta: bool | None = None,
        true_colour: bool | None = None,
        tile: int | None = None,
        memory_budget: int | None = None,
        store: ImageStore | str | os.PathLike[str] | None = None,
        spec: Mapping[str, object] | None = None,
        denoise: str | int | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Settles the device; network and store are opened when they are first needed.

        Every argument that is None comes from `settings`.

        Args:
            model: a catalog name, ``"auto"`` (``"tilewright-photo"``), or the path of an ONNX file; tasks may name
                another of the catalog.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA; pictures of 16 bits always go through in float32.
            tta: test-time augmentation: the network sees every tile turned and mirrored, eight ways in all, and the
                mean of its answers, in float, counts. It takes eight times the time.
            true_colour: whether the result's low frequencies, luminance and colour, become those of the picture: what a
                network does to broad tones is taken back, what it does to detail stays.
            tile: tile width and height in input pixels, of which twice the network's halo is computed and thrown away;
                None for the planner's choice.
            memory_budget: bytes that a picture may take beyond itself and a result that is wanted whole, by estimate;
                on CUDA bytes of the device; None for the planner's choice.
            store: where images are kept: an `ImageStore`, a folder or an fsspec URL.
            spec: for an ONNX file given as `model`, fields of `ModelSpec` that inspection cannot find or finds wrongly,
                such as ``{"channel_order": "BGR"}``.
            denoise: strength of denoising, for a `model` that offers a choice: ``"none"``, ``"conservative"``, 0 to 3,
                as `tilewright.list_models()` lists them; None for its default. Ignored for other networks.
            settings: by default read from the environment.

        Raises:
            DeviceError: ``device="cuda"`` where CUDA cannot run; the message says why.
            ModelError: `denoise` is not offered by `model`.
            SettingsError: an environment variable that is not understood; or results are to be checked
                (``TILEWRIGHT_CHECK_NSFW``) and no classifier is installed.
            TilewrightError: an argument out of range.
        """
        # The runtimes load here rather than with the package.
        from tilewright.engine.execute import Limits
        from tilewright.engine.networks import Networks
        from tilewright.engine.planner import check_limits
        from tilewright.nsfw import nsfw_problem

        settings = settings or Settings.from_environment()
        self.settings = settings
        self.model = settings.model if model is None else model
        self.precision = precision or settings.precision
        if self.precision not in get_args(Precision):
            raise TilewrightError(
                f"precision must be 'auto', 'fp32' or 'fp16', not {self.precision!r}", parameter="precision"
            )
        check_limits(tile, memory_budget)
        self._limits = Limits(tile, memory_budget or settings.memory_budget)
        self._networks = Networks(
            device or settings.device,
            threads=settings.threads,
            cache_dir=settings.cache_dir,
            overrides={self.model: spec} if spec else {},
            denoise={} if denoise is None else {self.model: str(denoise)},
            tta=settings.tta if tta is None else tta,
            true_colour=settings.true_colour if true_colour is None else true_colour,
        )
        self._store = store or settings.store
        self._classifier: NsfwClassifier | None = None
        self._opening = threading.Lock()
        if settings.check_nsfw and (problem := nsfw_problem()):
            raise SettingsError(f"TILEWRIGHT_CHECK_NSFW is on, and {problem}")
        self.last_report: Report | None = None
        self._runner = Runner(self)

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._runner.stop()
        self.close()

    def close(self) -> None:
        """Waits for requests with ``deliveryMethod`` async, and lets go of all networks and buffers.

        The Upscaler can still be used: networks are opened again when needed. As a context manager it stops such
        requests after the tile at hand when it is left by an exception.
        """
        self._runner.wait()
        self._networks.close()

    @property
    def device(self) -> str:
        """Where networks run: ``"cpu"`` or ``"cuda"``."""
        return self._networks.device

    @property
    def store(self) -> ImageStore:
        """Where images are kept; opened at first use, because pixels and files do without.

        Raises:
            StoreError: a store that cannot be opened.
        """
        with self._opening:
            if not isinstance(self._store, ImageStore):
                settings = self.settings
                self._store = ImageStore(self._store, ttl=settings.store_ttl, public_url=settings.store_public_url)
            return self._store

    def upscale(self, task: Tasks) -> dict[str, Any]:
        """Runs one ``imageUpscale`` (or ``upscale``) request, or several.

        Args:
            task: request dicts in the service's format; ``inputImage`` may also be a `pathlib.Path`, bytes, a file
                object, a NumPy array or a Pillow image.

        Returns:
            The envelope: ``{"data": [result, …]}``, with ``"errors"`` beside it when a task failed. A fault in one
            task does not stop the others and never raises.

        Raises:
            TypeError: a task that is no mapping.
        """
        return self._runner.run(task, upscales_only=True)

    def run(self, tasks: Tasks) -> dict[str, Any]:
        """Runs requests of any kind: ``imageUpload`` and ``getResponse`` as well as those that `upscale` takes.

        Requests flow: one picture is decoded while another is in the network and a third is encoded.

        Returns:
            The envelope, as `upscale`.

        Raises:
            TypeError: a task that is no mapping.
        """
        return self._runner.run(tasks, upscales_only=False)

    async def aupscale(self, task: Tasks) -> dict[str, Any]:
        """`upscale` for asyncio: the event loop stays free, and cancelling stops the work after the tile at hand."""
        return await self._runner.arun(task, upscales_only=True)

    async def arun(self, tasks: Tasks) -> dict[str, Any]:
        """`run` for asyncio, as `aupscale`."""
        return await self._runner.arun(tasks, upscales_only=False)

    def astream(self, tasks: Tasks) -> AsyncIterator[dict[str, Any]]:
        """Runs requests of any kind and yields the envelope of each, with its ``taskUUID``, as it is finished.

        What needs no network comes first, such as faults and replies to ``getResponse``. Leaving the loop early, or
        being cancelled, stops the others after the tile at hand.

        Raises:
            TypeError: a task that is no mapping, when the first envelope is asked for.
        """
        return self._runner.astream(tasks)

    def upload(self, image: object) -> dict[str, Any]:
        """Stores a picture, so that its ``imageUUID`` can be an ``inputImage``.

        Args:
            image: a picture in any of the forms that ``inputImage`` takes.

        Returns:
            The envelope; its one item has ``taskType``, ``taskUUID``, ``imageUUID`` and ``imageURL``.
        """
        return self.run({"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": image})

    def upscale_array(
        self,
        pixels: Pixels,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        on_progress: OnProgress | None = None,
    ) -> Pixels:
        """Upscales pixels.

        Args:
            pixels: uint8 or uint16 ``[H, W, C]``, C = 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
            factor: 2, 3 or 4, as the network offers; None when a size is given.
            size: width and height of the result instead: the network runs at the least factor that is enough, and its
                result is brought down to the size before it is rounded to the picture's depth.
            fit: ``"inside"`` for the largest result within the size that has the picture's proportions, ``"exact"`` for
                just the size.
            on_progress: called before the first tile and after every one, while no other thread can use this Upscaler's
                networks; an exception it raises stops the work.

        Returns:
            The same dtype, ``[H * factor, W * factor, C]``, or of the size.

        Raises:
            TypeError: not a uint8 or uint16 array.
            TilewrightError: a shape that is no picture, a factor the network does not offer, a size beyond its largest,
                both or neither of factor and size, or a failure.
        """
        if not isinstance(pixels, np.ndarray) or pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
            kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise TypeError(f"pixels must be a uint8 or uint16 array, not {kind}; scale and convert it first")
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or 0 in pixels.shape:
            raise TilewrightError(
                f"pixels must be [height, width, 1 to 4 channels] and not empty, not {list(pixels.shape)}",
                parameter="pixels",
            )
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        source = np.require(native, requirements=["C", "A"])
        if size is not None:
            from tilewright.codecs.samples import picture_from_samples

            picture = picture_from_samples(source)
            result = self.upscale_picture(picture, factor, size=size, fit=fit, on_progress=on_progress)
            return result.pixels if result.alpha is None else np.dstack([result.pixels, result.alpha])
        # A factor that is not offered is known before memory is taken for it.
        factor, _ = self.goal(source.shape[1], source.shape[0], factor)
        target = _larger(source, factor)
        self._enlarge(source, None, factor, ArraySink(target), on_progress=on_progress)
        return target

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
        """Upscales a picture with its alpha; everything else it carries is carried over.

        Args:
            picture: what to upscale.
            factor: as for `upscale_array`, like `size` and `fit`.
            size: a size that is no multiple takes the network's whole result in 16 bits on the way.
            fit: see there.
            model: another network than the Upscaler's.
            on_progress: as for `upscale_array`.
            report: takes the times; by default a new one, which becomes `last_report`.

        Raises:
            TilewrightError: as `upscale_array`.
        """
        report = report or self.new_report()
        with report.stage("open"):
            factor, final = self.goal(picture.width, picture.height, factor, size=size, fit=fit, model=model)
        source = picture
        if final != (picture.width * factor, picture.height * factor):
            from tilewright.codecs.resize import deepened, resized

            source = deepened(picture)
        pixels = _larger(source.pixels, factor)
        alpha = None if source.alpha is None else _larger(source.alpha, factor)
        planes = [pixels] if alpha is None else [pixels, alpha[:, :, np.newaxis]]
        self._enlarge(
            source.pixels,
            source.alpha,
            factor,
            ArraySink(*planes),
            model=model,
            precision=self._precision_for(picture.pixels.dtype),
            on_progress=on_progress,
            report=report,
        )
        result = picture.enlarged(pixels, alpha)
        if final == (result.width, result.height):
            return result
        with report.stage("blend"):
            report.output_size = final
            return resized(result, final, picture.pixels.dtype)

    def upscale_to_file(
        self,
        picture: Picture | Animation,
        factor: int | None,
        file: Target,
        file_format: Format,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        quality: int = 95,
        compression: Compression | None = None,
        progressive: bool | None = None,
        lossless: bool | None = None,
        model: str | Path | None = None,
        on_progress: OnProgress | None = None,
        on_result: Callable[[Picture], None] | None = None,
        report: Report | None = None,
    ) -> None:
        """Upscales a picture or an animation and writes the result as a file.

        PNG is written row by row while tiles still run, and no more than a band of the result is in memory; JPG and
        WEBP, and what is brought down to a size, are encoded when all of it is there. Of an animation one frame after
        the other is upscaled and encoded.

        Args:
            picture: what to upscale.
            factor: as for `upscale_array`, like `size` and `fit`.
            file: takes the bytes, by ``write`` alone. When an exception is raised, it holds no whole file.
            file_format: ``"PNG"``, ``"JPG"`` or ``"WEBP"``.
            size: as for `upscale_picture`.
            fit: see there.
            quality: 1 to 100, for JPG and WEBP.
            compression: of PNG, ``"fast"``, ``"balanced"`` or ``"small"``; None for that of the settings.
            progressive: whether JPG builds up while it loads; None for what the settings say.
            lossless: whether WEBP keeps every pixel; None for what the settings say.
            model: another network than the Upscaler's.
            on_progress: as for `upscale_array`; of an animation, for one frame after the other.
            on_result: called with the whole result, or every whole frame, before it is encoded; a PNG file is not
                written row by row then.
            report: takes the times; by default a new one, which becomes `last_report`.

        Raises:
            EncodeError: the format cannot hold the result; known before any work.
            TilewrightError: as `upscale_array`.
            OSError: `file` cannot be written.
        """
        from tilewright.codecs.animated import write_animation
        from tilewright.codecs.encode import check_colour_space, check_format_limits, encode, png_writer

        report = report or self.new_report()
        options: dict[str, Any] = {"model": model, "on_progress": on_progress, "report": report}
        settings = self.settings
        with report.stage("open"):
            whole, (width, height) = self.goal(picture.width, picture.height, factor, size=size, fit=fit, model=model)
        check_format_limits(width, height, file_format)
        check_colour_space(picture, file_format)
        encoding: dict[str, Any] = {
            "quality": quality,
            "compression": compression or settings.png_compression,
            "progressive": settings.jpg_progressive if progressive is None else progressive,
            "lossless": settings.webp_lossless if lossless is None else lossless,
        }
        wanted: dict[str, Any] = {"size": size, "fit": fit}
        if isinstance(picture, Animation):
            results = self._larger_frames(picture, factor, on_result, report, wanted | options)
            with report.stage("encode"):
                write_animation(file, picture, results, file_format, **encoding)
            return
        is_whole = (width, height) == (picture.width * whole, picture.height * whole)
        if file_format != "PNG" or on_result is not None or not is_whole:
            result = self.upscale_picture(picture, factor, **wanted, **options)
            if on_result is not None:
                on_result(result)
            with report.stage("encode"):
                file.write(encode(result, file_format, **encoding))
            return
        with png_writer(
            file,
            picture,
            width,
            height,
            compression=encoding["compression"],
            threads=settings.threads,
        ) as writer:

            def write(pixels: Pixels, alpha: Pixels | None = None) -> None:
                writer.write(pixels, None if alpha is None else alpha[:, :, 0])

            channels = [picture.pixels.shape[2]] + ([1] if picture.alpha is not None else [])
            sink = BandSink(width, channels, picture.pixels.dtype, write)
            self._enlarge(picture.pixels, picture.alpha, whole, sink, **options)
            with report.stage("encode"):
                writer.finish()

    def _larger_frames(
        self,
        animation: Animation,
        factor: int | None,
        on_result: Callable[[Picture], None] | None,
        report: Report,
        options: dict[str, Any],
    ) -> Iterator[Frame]:
        """Frames upscaled when they are asked for, so that one is in memory at a time."""
        frames = animation.frames()
        while True:
            with report.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            result = self.upscale_picture(frame.picture, factor, **options)
            if on_result is not None:
                on_result(result)
            yield replace(frame, picture=result)

    def estimate(self, width: int, height: int, factor: int, *, model: str | Path | None = None) -> Estimate:
        """What upscaling an RGB picture of 8 bits to PNG would take; runs the network a moment to learn its rate.

        Args:
            width: of the picture, in pixels.
            height: likewise.
            factor: 2, 3 or 4, as the network offers.
            model: another network than the Upscaler's.

        Raises:
            TilewrightError: as `upscale_array`.
        """
        from tilewright.engine.estimate import estimate

        with self._networks.running:
            return estimate(self.session(model, factor), width, height, self._limits)

    def is_nsfw(self, picture: Picture) -> bool:
        """Whether a picture is likely not safe for work, as far as a classifier can tell: it errs both ways.

        Raises:
            ModelError: no classifier is installed; the message says how to get one.
        """
        from tilewright.nsfw import NSFW_FROM, NsfwClassifier

        with self._opening:
            self._classifier = self._classifier or NsfwClassifier()
        return self._classifier.probability(picture) >= NSFW_FROM

    def session(self, model: str | Path | None = None, factor: int = 4) -> Session:
        """The open network for a model and factor, for measuring it bare: without its tail, see `Session.tail`."""
        return self._networks.session(model or self.model, _whole(factor), self.precision)

    def find(self, model: str | Path, factor: int) -> Model:
        """Finds a network, and converts it if need be, without opening it.

        Raises:
            ModelError: an unknown network, absent weights, or a factor it does not offer.
            TilewrightError: a factor that is no integer.
        """
        return self._networks.model(model, _whole(factor))

    def factors(self, model: str | Path | None = None) -> tuple[int, ...]:
        """The factors that a network offers: the Upscaler's, or another.

        Raises:
            ModelError: an unknown network, or a file of no use.
        """
        return self._networks.factors(self.model if model is None else model)

    def goal(
        self,
        width: int,
        height: int,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        model: str | Path | None = None,
    ) -> tuple[int, tuple[int, int]]:
        """The factor at which a picture would run, and width and height of the result.

        Args:
            width: of the picture, in pixels.
            height: likewise.
            factor: as for `upscale_array`, like `size` and `fit`.
            size: see there.
            fit: see there.
            model: another network than the Upscaler's.

        Raises:
            TilewrightError: as `upscale_array`.
        """
        name = self.model if model is None else model
        if size is None:
            factor = _whole(factor)
            self.find(name, factor)
            return factor, (width * factor, height * factor)
        if factor is not None:
            raise TilewrightError("give either a factor or a size, not both", parameter="size")
        from tilewright.codecs.resize import final_size, least_factor

        final = final_size(width, height, size, fit)
        return least_factor(width, height, final, self.factors(name)), final

    def new_report(self) -> Report:
        """A report of a job that begins, which becomes `last_report`."""
        self.last_report = Report()
        return self.last_report

    def _precision_for(self, dtype: np.dtype[Any]) -> str:
        """Shorter formats are as good as 8 bits can show; 16 bits are worth float32."""
        return "fp32" if dtype == np.uint16 else self.precision

    def _enlarge(
        self,
        pixels: Pixels,
        alpha: Pixels | None,
        factor: int,
        sink: RowSink,
        *,
        model: str | Path | None = None,
        precision: str | None = None,
        on_progress: OnProgress | None = None,
        report: Report | None = None,
    ) -> None:
        """See `tilewright.engine.execute.enlarge`; pictures take turns."""
        from tilewright.engine.execute import enlarge

        report = report or self.new_report()
        name, factor = self.model if model is None else model, _whole(factor)
        with report.stage("queue"):
            self._networks.running.acquire()
        try:
            with report.stage("open"):
                session = self._networks.session(name, factor, precision or self._precision_for(pixels.dtype))
            enlarge(
                pixels,
                alpha,
                session,
                sink,
                limits=self._limits,
                exact_session=lambda: self._networks.session(name, factor, "fp32"),
                on_progress=on_progress,
                report=report,
                buffers=self._networks.buffers,
            )
        finally:
            self._networks.running.release()


def _larger(array: Pixels, factor: int) -> Pixels:
    return np.empty((array.shape[0] * factor, array.shape[1] * factor, *array.shape[2:]), array.dtype)


def _whole(factor: int | None) -> int:
    # 2.0 would be taken for 2 by every dict, and for no scale by the kernels.
    if isinstance(factor, bool) or not isinstance(factor, (int, np.integer)):
        raise TilewrightError(
            f"the factor must be an integer, not {factor!r}", code="invalidUpscaleFactor", parameter="upscaleFactor"
        )
    return int(factor)
