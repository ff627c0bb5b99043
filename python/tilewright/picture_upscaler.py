"""Upscales arrays, pictures and animations, into memory or to a file, independently of tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.codecs.carried import left_out
from tilewright.codecs.formats import EncodeOptions, check_encodable
from tilewright.engine.enlargement import Enlargement, check_output_pixels
from tilewright.engine.report import Report
from tilewright.engine.result_size import final_size, smallest_factor
from tilewright.engine.sinks import ArraySink, BandSink
from tilewright.errors import TilewrightError
from tilewright.picture import Animation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tilewright.codecs.png import Target
    from tilewright.engine.estimate import Estimate
    from tilewright.engine.job import TileLimits
    from tilewright.engine.networks import Networks
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.sessions.base import Session
    from tilewright.engine.sinks import RowSink
    from tilewright.literals import Compression, FileFormat, Fit
    from tilewright.models.spec import Model
    from tilewright.picture import Frame, Picture, Pixels
    from tilewright.settings import Settings


class PictureUpscaler:
    """Upscales pictures with networks that stay open. It is thread-safe.

    Attributes:
        networks: The open networks.
        model: Default network: its name, ``"auto"`` or the path of a file.
        precision: ``"auto"``, ``"fp32"`` or ``"fp16"``.
        last_report: Report of the picture that was started last; None before the first. Threads
            that share this object should pass reports of their own.
    """

    def __init__(
        self, networks: Networks, settings: Settings, *, model: str | Path, precision: str, limits: TileLimits
    ) -> None:
        """Stores the parts; no network is opened yet.

        Args:
            networks: Opens networks.
            settings: Encoder defaults, threads, and the limit on output pixels.
            model: Default network.
            precision: ``"auto"``, ``"fp32"`` or ``"fp16"``.
            limits: Limits for tiles.
        """
        from tilewright.engine.estimate import Speeds
        from tilewright.engine.execute import Executors  # loads the runtimes' modules

        self.networks, self._settings = networks, settings
        self.model, self.precision = model, precision
        self._limits = limits
        self._executors = Executors()
        self._speeds = Speeds()
        self.last_report: Report | None = None

    def close(self) -> None:
        """Closes all networks and frees all buffers. They are opened again when needed."""
        with self.networks.exclusive():
            self.networks.close()
            self._executors.release_buffers()

    def new_report(self) -> Report:
        """Returns the report of a picture that starts now. It becomes `last_report`."""
        self.last_report = Report()
        return self.last_report

    def encode_options(
        self,
        *,
        quality: int = 95,
        compression: Compression | None = None,
        progressive: bool | None = None,
        lossless: bool | None = None,
    ) -> EncodeOptions:
        """Returns encoder options. None means the value of the settings."""
        settings = self._settings
        return EncodeOptions(
            quality=quality,
            compression=compression or settings.png_compression,
            progressive=settings.jpg_progressive if progressive is None else progressive,
            lossless=settings.webp_lossless if lossless is None else lossless,
            threads=settings.threads,
        )

    def find(self, model: str | Path, factor: int) -> Model:
        """Finds a network, and converts it if necessary, without opening it.

        Raises:
            ModelError: An unknown network, missing weights, or a factor that it does not offer.
            TilewrightError: The factor is not an integer.
        """
        return self.networks.model(model, _checked_factor(factor))

    def session(self, model: str | Path | None = None, factor: int = 4) -> Session:
        """Opens a network and returns its session."""
        return self.networks.session(model or self.model, _checked_factor(factor), self.precision)

    def resolve(
        self,
        width: int,
        height: int,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        model: str | Path | None = None,
        frames: int = 1,
    ) -> Enlargement:
        """Resolves how a picture is enlarged, and checks it against the limit on output pixels.

        Args:
            width: Width of the picture in pixels.
            height: Height of the picture in pixels.
            factor: 2, 3 or 4, as the network offers; None if a size is given.
            size: Width and height of the result in pixels; None if a factor is given.
            fit: How `size` is met.
            model: The network; None for the default.
            frames: Number of frames of the picture.

        Raises:
            ModelError: An unknown network, missing weights, or a factor that it does not offer.
            ImageTooLargeError: The result exceeds the limit on output pixels.
            TilewrightError: Both or neither of factor and size are given, or one is out of range.
        """
        name = self.model if model is None else model
        if size is None:
            if factor is None:
                raise TilewrightError("give a factor or a size", code="invalidUpscaleFactor", parameter="upscaleFactor")
            factor = _checked_factor(factor)
            self.find(name, factor)
            final = network_size = width * factor, height * factor
        elif factor is not None:
            raise TilewrightError("give either a factor or a size, not both", parameter="size")
        else:
            final = final_size(width, height, size, fit)
            factor = smallest_factor(width, height, final, self.networks.factors(name))
            network_size = width * factor, height * factor
        enlargement = Enlargement(name, factor, *final, needs_downscale=final != network_size)
        parameter = "upscaleFactor" if size is None else "size"
        check_output_pixels(enlargement, frames, self._settings.max_output_pixels, parameter=parameter)
        return enlargement

    def upscale_array(
        self, pixels: Pixels, enlargement: Enlargement, *, on_progress: OnProgress | None, report: Report
    ) -> Pixels:
        """Upscales an array.

        Args:
            pixels: From `tilewright.codecs.samples.to_integers`.
            enlargement: From `resolve`.
            on_progress: Called before the first tile and after each tile; None if nobody listens.
            report: Receives times and counts.

        Returns:
            An array of the same dtype and number of channels.
        """
        if enlargement.needs_downscale:
            from tilewright.codecs.samples import picture_from_samples

            picture = picture_from_samples(pixels)
            result = self.upscale_picture(picture, enlargement, on_progress=on_progress, report=report)
            return result.pixels if result.alpha is None else np.dstack([result.pixels, result.alpha])
        target = _enlarged_array(pixels, enlargement.factor)
        precision = self._precision_for(pixels)
        self._execute(pixels, None, enlargement, ArraySink(target), precision, on_progress=on_progress, report=report)
        return target

    def upscale_picture(
        self, picture: Picture, enlargement: Enlargement, *, on_progress: OnProgress | None, report: Report
    ) -> Picture:
        """Upscales a picture with its alpha. Everything else that belongs to it is carried over.

        If the result has to be downscaled, the network's whole result is held in 16 bits meanwhile.

        Args:
            picture: The picture.
            enlargement: From `resolve`.
            on_progress: Called before the first tile and after each tile.
            report: Receives times and counts.
        """
        source = picture
        if enlargement.needs_downscale:
            from tilewright.codecs.resize import downscale, to_16_bit

            source = to_16_bit(picture)
        pixels = _enlarged_array(source.pixels, enlargement.factor)
        alpha = None if source.alpha is None else _enlarged_array(source.alpha, enlargement.factor)
        sink = ArraySink(*([pixels] if alpha is None else [pixels, alpha[:, :, np.newaxis]]))
        precision = self._precision_for(picture.pixels)
        self._execute(source.pixels, source.alpha, enlargement, sink, precision, on_progress=on_progress, report=report)
        result = picture.enlarged(pixels, alpha)
        if not enlargement.needs_downscale:
            return result
        with report.stage("blend"):
            report.output_size = enlargement.size
            return downscale(result, enlargement.size, picture.pixels.dtype)

    def write(
        self,
        picture: Picture | Animation,
        enlargement: Enlargement,
        file: Target,
        file_format: FileFormat,
        options: EncodeOptions,
        *,
        on_progress: OnProgress | None,
        check_result: Callable[[Picture], object] | None,
        report: Report,
    ) -> bool | None:
        """Upscales a picture or an animation and writes the result to a file.

        PNG is written row by row while tiles still run, so only one band of the result is in
        memory. Other formats and downscaled results are encoded when they are complete. Animations are
        upscaled and encoded frame by frame.

        Args:
            picture: The picture or animation.
            enlargement: From `resolve`.
            file: Receives the bytes. If an exception is raised, it does not hold a complete file.
            file_format: ``"PNG"``, ``"JPG"``, ``"WEBP"`` or ``"TIFF"``.
            options: Encoder options.
            on_progress: Called before the first tile and after each tile, of each frame in turn.
            check_result: Called with the complete result, or each complete frame, before it is
                encoded. A PNG file is then not written row by row. None to skip the check.
            report: Receives times and counts.

        Returns:
            Whether `check_result` returned True, for any frame; None if it is None.

        Raises:
            EncodeError: The format cannot hold the result. Raised before any work is done.
            InferenceError: The network failed.
            OSError: `file` cannot be written.
        """
        check_encodable(picture, enlargement.width, enlargement.height, file_format)
        report.left_out = left_out(picture, file_format)
        if isinstance(picture, Animation):
            frames = _CheckedFrames(check_result)
            results = self._upscaled_frames(picture, enlargement, on_progress=on_progress, report=report)
            with report.stage("encode"):
                from tilewright.codecs.animation_writer import write_animation

                write_animation(file, picture, frames.checked(results), file_format, options)
            return frames.verdict
        if file_format == "PNG" and check_result is None and not enlargement.needs_downscale:
            self._stream_png(picture, enlargement, file, options, on_progress=on_progress, report=report)
            return None
        from tilewright.codecs.encode import encode

        result = self.upscale_picture(picture, enlargement, on_progress=on_progress, report=report)
        verdict = None if check_result is None else check_result(result) is True
        with report.stage("encode"):
            file.write(encode(result, file_format, options))
        return verdict

    def estimate(
        self, width: int, height: int, factor: int, *, model: str | Path | None = None, without_tile: bool = False
    ) -> Estimate:
        """Estimates time and memory for upscaling an RGB picture of 8 bits to PNG.

        The network runs briefly if its speed is not known. Otherwise, no picture is waited for.

        Args:
            width: Width of the picture in pixels.
            height: Height of the picture in pixels.
            factor: 2, 3 or 4, as the network offers.
            model: The network; None for the default.
            without_tile: Whether the planner chooses the tiles even if the caller gave a size.

        Raises:
            TilewrightError: As for `resolve`.
        """
        from tilewright.engine.estimate import estimate

        name, factor = model or self.model, _checked_factor(factor)
        self.resolve(width, height, factor, model=name)
        session = self.networks.opened(name, factor, self.precision)
        seconds = None if session is None else self._speeds.known(session)
        if session is None or seconds is None:
            with self.networks.lease(name, factor, self.precision, Report()) as lease:
                session = lease.session
                seconds = self._speeds.measured(session)
        limits = replace(self._limits, tile=None) if without_tile else self._limits
        return estimate(session, self._executors, width, height, limits, seconds_per_pixel=seconds)

    def _stream_png(
        self,
        picture: Picture,
        enlargement: Enlargement,
        file: Target,
        options: EncodeOptions,
        *,
        on_progress: OnProgress | None,
        report: Report,
    ) -> None:
        from tilewright.codecs.encode import png_writer

        channels = [picture.pixels.shape[2]] + ([1] if picture.alpha is not None else [])
        with png_writer(file, picture, enlargement.width, enlargement.height, options) as writer:
            sink = BandSink(enlargement.width, channels, picture.pixels.dtype, writer.write)
            precision = self._precision_for(picture.pixels)
            self._execute(
                picture.pixels, picture.alpha, enlargement, sink, precision, on_progress=on_progress, report=report
            )
            with report.stage("encode"):
                writer.finish()

    def _upscaled_frames(
        self, animation: Animation, enlargement: Enlargement, *, on_progress: OnProgress | None, report: Report
    ) -> Iterator[Frame]:
        """Upscales each frame when it is asked for, so that one is in memory at a time."""
        frames = animation.frames()
        while True:
            with report.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            result = self.upscale_picture(frame.picture, enlargement, on_progress=on_progress, report=report)
            yield replace(frame, picture=result)

    def _precision_for(self, pixels: Pixels) -> str:
        """Returns the precision for pixels. Shorter formats are accurate enough for 8 bits only."""
        return "fp32" if pixels.dtype == np.uint16 else self.precision

    def _execute(
        self,
        pixels: Pixels,
        alpha: Pixels | None,
        enlargement: Enlargement,
        sink: RowSink,
        precision: str,
        *,
        on_progress: OnProgress | None,
        report: Report,
    ) -> None:
        from tilewright.engine.execute import execute

        with self.networks.lease(enlargement.model, enlargement.factor, precision, report) as lease:
            execute(
                pixels,
                alpha,
                lease,
                sink,
                self._executors,
                limits=self._limits,
                on_progress=on_progress,
                report=report,
            )


class _CheckedFrames:
    """Checks the frames of an animation while they are iterated over.

    Attributes:
        verdict: Whether the check returned True for any frame; None if there is no check.
    """

    def __init__(self, check: Callable[[Picture], object] | None) -> None:
        self._check = check
        self.verdict: bool | None = None

    def checked(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if self._check is not None:
                self.verdict = self._check(frame.picture) is True or self.verdict is True
            yield frame


def _enlarged_array(array: Pixels, factor: int) -> Pixels:
    return np.empty((array.shape[0] * factor, array.shape[1] * factor, *array.shape[2:]), array.dtype)


def _checked_factor(factor: Any) -> int:
    # Dictionaries treat 2.0 and 2 as the same key, but the kernels need an integer.
    if isinstance(factor, bool) or not isinstance(factor, (int, np.integer)):
        raise TilewrightError(
            f"the factor must be an integer, not {factor!r}", code="invalidUpscaleFactor", parameter="upscaleFactor"
        )
    return int(factor)
