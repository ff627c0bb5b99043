"""Calls that upscale arrays, Pillow images, pictures and files directly, without tasks and a store."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from tilewright.codecs.decode import decode_any
from tilewright.codecs.formats import extension, format_of_name, stays_lossless
from tilewright.codecs.in_memory import picture_from_pillow, pillow_image, pillow_mode
from tilewright.codecs.samples import array_from, from_integers, to_integers
from tilewright.engine.enlargement import frame_count
from tilewright.errors import EncodeError, TilewrightError
from tilewright.inputs.forms import is_pillow_image
from tilewright.inputs.resolve import read_file
from tilewright.lazy import Lazy
from tilewright.literals import FILE_FORMATS
from tilewright.options import FileOptions, NetworkOptions, new_picture_upscaler, refuse_unknown
from tilewright.store.atomic import atomic_write

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from tilewright.codecs.png import Target
    from tilewright.codecs.samples import ArraySource
    from tilewright.engine.enlargement import Enlargement
    from tilewright.engine.estimate import Estimate
    from tilewright.engine.networks import Networks
    from tilewright.engine.progress import OnProgress
    from tilewright.engine.report import Report
    from tilewright.engine.sessions.base import Session
    from tilewright.literals import FileFormat, Fit
    from tilewright.models.spec import Model
    from tilewright.picture import Animation, Picture
    from tilewright.picture_upscaler import PictureUpscaler
    from tilewright.settings import Settings


class DirectUpscaler:
    """The part of an `Upscaler` that knows no tasks.

    Attributes:
        settings: The settings in use.
    """

    def __init__(self, settings: Settings, options: NetworkOptions) -> None:
        """Stores the options. They are checked, and the device is resolved, at first use.

        Args:
            settings: Defaults of the options, and limits.
            options: See `NetworkOptions`.
        """
        self.settings, self._options = settings, options
        self._upscales_pictures = Lazy(partial(new_picture_upscaler, settings, options))

    @property
    def _pictures(self) -> PictureUpscaler:
        return self._upscales_pictures.get()

    @property
    def _networks(self) -> Networks:
        return self._pictures.networks

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

    def upscale_array(
        self,
        pixels: ArraySource,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        on_progress: OnProgress | None = None,
    ) -> NDArray[Any]:
        """Upscales an array.

        Args:
            pixels: ``[H, W]`` (grey) or ``[H, W, C]``, C = 1 (grey), 2 (grey, alpha), 3 (RGB) or 4
                (RGB, alpha). A NumPy array, or an object with ``__array__`` or ``__dlpack__`` in the
                CPU's memory, such as a tensor. uint8, uint16, or floating-point with samples from 0
                (black) to 1 (white), which are rounded to 16 bits. RGB whose channels are equal in
                every visible pixel is upscaled as grey, and the channels of the result are equal
                too.
            factor: 2, 3 or 4, as the network offers; None if a size is given.
            size: Width and height of the result in pixels; None if a factor is given. The network
                runs at the smallest sufficient factor, and its result is downscaled before it is
                rounded to the array's depth.
            fit: ``"inside"`` for the largest result within `size` that keeps the aspect ratio,
                ``"exact"`` for a result of exactly that size.
            on_progress: Called before the first tile and after each tile, while no other thread can
                use this Upscaler's networks. An exception that it raises stops the work.

        Returns:
            A NumPy array of the same dtype and number of axes, ``[H * factor, W * factor, C]`` or of
            the requested size.

        Raises:
            TypeError: Not an array, or one of another dtype.
            TilewrightError: A shape that is not a picture, floating-point samples outside 0 to 1, a
                factor that the network does not offer, a size that it cannot reach, both or neither
                of factor and size, a result above ``TILEWRIGHT_MAX_OUTPUT_PIXELS``, or a failure of
                the network.
        """
        given = array_from(pixels)
        source = to_integers(given)
        enlargement = self._pictures.resolve(source.shape[1], source.shape[0], factor, size=size, fit=fit)
        report = self.new_report()
        result = self._pictures.upscale_array(source, enlargement, on_progress=on_progress, report=report)
        return from_integers(result if given.ndim == 3 else result[:, :, 0], given.dtype)

    def upscale_image(
        self,
        image: Image,
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        model: str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Image:
        """Upscales a Pillow image.

        Args:
            image: One picture of a mode with 8 bits, or ``1`` or ``I;16``. It is turned upright, as
                its Exif orientation says.
            factor: As for `upscale_array`.
            size: As for `upscale_array`.
            fit: As for `upscale_array`.
            model: Another network than the Upscaler's.
            on_progress: As for `upscale_array`.

        Returns:
            An image of mode ``L``, ``LA``, ``RGB``, ``RGBA`` or ``I;16`` with the ICC profile and
            the resolution, multiplied by the factor, in its ``info``. Palettes become RGB; CMYK and
            CIELAB become sRGB. Exif and XMP are kept if ``TILEWRIGHT_KEEP_METADATA`` is on.

        Raises:
            TypeError: Not a Pillow image.
            DecodeError: A mode that does not say which value is white (``I``, ``F``), an animation,
                or a file that Pillow cannot finish reading.
            EncodeError: 16-bit grey with transparency, for which Pillow has no mode.
            TilewrightError: As for `upscale_array`.
        """
        if not is_pillow_image(image):
            advice = (
                "upscale_file takes files" if isinstance(image, (str, os.PathLike)) else "upscale_array takes arrays"
            )
            raise TypeError(f"image must be a Pillow image, not {type(image).__name__}; {advice}")
        report = self.new_report()
        with report.stage("decode"):
            settings = self.settings
            picture = picture_from_pillow(image, limits=settings.limits, keep_metadata=settings.keep_metadata)
        pillow_mode(picture)  # before any work is done
        result = self.upscale_picture(
            picture, factor, size=size, fit=fit, model=model, on_progress=on_progress, report=report
        )
        return pillow_image(result)

    def upscale_file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        factor: int | None = None,
        *,
        size: tuple[int, int] | None = None,
        fit: Fit = "inside",
        **options: Unpack[FileOptions],
    ) -> None:
        """Upscales a picture or an animation from file to file.

        Args:
            source: File to read.
            target: File to write; the extension says the format: ``.png``, ``.jpg``, ``.jpeg``,
                ``.webp``, ``.tif`` or ``.tiff``. It appears when it is complete, and then replaces
                an existing file. A missing folder is created.
            factor: As for `upscale_array`.
            size: As for `upscale_picture`.
            fit: As for `upscale_array`.
            **options: As for `upscale_to_file`.

        Raises:
            SourceError: `source` cannot be read.
            DecodeError: It is not a picture, or is corrupt.
            EncodeError: The extension of `target` is none of the above, or its format cannot hold
                the result.
            TilewrightError: As for `upscale_array`; or `target` would replace `source`.
            OSError: `target` cannot be written.
            TypeError: An option is unknown.
        """
        refuse_unknown("upscale_file", options, FileOptions)
        source, target = Path(source), Path(target)
        file_format = _format_to_write(target)
        options["report"] = report = options.get("report") or self.new_report()
        settings = self.settings
        with report.stage("decode"):
            data = read_file(source, settings.limits)
            picture = decode_any(data, limits=settings.limits, keep_metadata=settings.keep_metadata)
        if target.exists() and target.samefile(source):
            raise TilewrightError(f"{target} would replace the picture that it is made from", parameter="target")
        if stays_lossless(picture, file_format, options.get("quality")):
            options.setdefault("lossless", True)
        with report.stage("store"), atomic_write(Path(os.path.realpath(target))) as file:
            self.upscale_to_file(picture, factor, file, file_format, size=size, fit=fit, **options)

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
        memory. Other formats and downscaled results are encoded when they are complete. Animations are
        upscaled and encoded frame by frame.

        Args:
            picture: The picture or animation.
            factor: As for `upscale_array`.
            file: Receives the bytes through its method ``write``. If an exception is raised, it
                does not hold a complete file.
            file_format: ``"PNG"``, ``"JPG"``, ``"WEBP"`` or ``"TIFF"``.
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


def _format_to_write(target: Path) -> FileFormat:
    """Returns the format of a file that is going to be written; raises if its name does not say it."""
    file_format = format_of_name(target)
    if file_format is None:
        names = ", ".join(f".{extension(each)}" for each in FILE_FORMATS)
        raise EncodeError(f"{target}: the extension must be one of {names}", parameter="target")
    return file_format
