"""The options of `tilewright.Upscaler`, and how they are merged with the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from tilewright.errors import TilewrightError
from tilewright.literals import Precision
from tilewright.picture_upscaler import PictureUpscaler

if TYPE_CHECKING:
    from pathlib import Path

    from tilewright.engine.progress import OnProgress, OnTaskProgress
    from tilewright.engine.report import Report
    from tilewright.literals import Compression, Device, Fit
    from tilewright.picture import Picture
    from tilewright.settings import Settings


OnOutcome = Callable[[Mapping[str, Any], str], None]
"""Called with a task and its outcome, see `CallOptions`."""


class NetworkOptions(TypedDict, total=False):
    """Options of an `Upscaler` for its networks. None means the value of the settings.

    Attributes:
        model: Name or alias of a network, see `tilewright.list_models`, such as ``"best"``;
            ``"auto"`` (``"tilewright-photo"``); or the path of an ONNX, PyTorch or ncnn file. Tasks
            may name other networks.
        pre: A network of factor 1, given like `model`, that runs before the enlarging network, such
            as one that removes noise or JPEG artefacts. None for none.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        precision: ``"auto"``, ``"fp32"``, or ``"fp16"`` on CUDA. 16-bit pictures always run in
            float32.
        tta: Test-time augmentation by self-ensemble: the mean over eight rotations and reflections
            of every tile. It takes eight times as long.
        true_colour: Whether the low frequencies of a result, in luminance and colour, are replaced
            by those of the picture. This undoes colour shifts of the network and keeps its detail.
        tile: Width and height of tiles in input pixels. At inner edges, a margin as wide as the
            network's halo is discarded. None to let the planner choose.
        memory_budget: Estimated bytes that a picture may take, beyond the picture itself and a
            result that is kept whole; on CUDA, of device memory. None to let the planner choose.
        spec: For a file given as `model`, fields of `ModelSpec` that inspection cannot find or finds
            wrongly, such as ``{"channel_order": "BGR"}``.
        denoise: Denoise level, for a `model` that offers a choice: ``"none"``, ``"conservative"``,
            0 to 3, see `tilewright.list_models`. None for its default. Ignored for other networks.
    """

    model: str | Path | None
    pre: str | Path | None
    device: Device | None
    precision: Precision | None
    tta: bool | None
    true_colour: bool | None
    tile: int | None
    memory_budget: int | None
    spec: Mapping[str, object] | None
    denoise: str | int | None


class FileOptions(TypedDict, total=False):
    """Options of `Upscaler.upscale_file` and `Upscaler.upscale_to_file`.

    Attributes:
        quality: 1 to 100, for JPG and lossy WEBP. 95 by default.
        compression: ``"fast"``, ``"balanced"`` or ``"small"``, for PNG; None for the settings'
            value.
        progressive: Whether a JPG file is progressive; None for the settings' value.
        lossless: Whether a WEBP file keeps every pixel; None for the settings' value.
        model: Another network than the Upscaler's.
        on_progress: As for `Upscaler.upscale_array`; for an animation, called for each frame in
            turn.
        on_result: Called with the complete result, or each complete frame, before it is encoded;
            what it returns is ignored. A PNG file is then not written row by row.
        report: Receives times and counts; by default a new one, which becomes
            `Upscaler.last_report`.
    """

    quality: int
    compression: Compression | None
    progressive: bool | None
    lossless: bool | None
    model: str | Path | None
    on_progress: OnProgress | None
    on_result: Callable[[Picture], object] | None
    report: Report | None


class ArrayOptions(TypedDict, total=False):
    """Keyword arguments of `Upscaler.upscale_array`, which describes them."""

    size: tuple[int, int] | None
    fit: Fit
    on_progress: OnProgress | None


class ImageOptions(ArrayOptions, total=False):
    """Keyword arguments of `Upscaler.upscale_image`, which describes them."""

    model: str | Path | None


class TargetOptions(FileOptions, total=False):
    """Keyword arguments of `Upscaler.upscale_file`, which describes them."""

    size: tuple[int, int] | None
    fit: Fit


class CallOptions(TypedDict, total=False):
    """Options of a call that runs tasks.

    Attributes:
        client: On whose behalf the tasks run, if several share an `Upscaler`: 1 to 64 letters,
            digits and hyphens. Clients take turns, and cannot ask for each other's results.
        keep: Whether ``getResponse`` can ask for the outcomes of all upscale tasks, and not only of
            asynchronous ones.
        on_progress: Called with the taskUUID and the `Progress` of a picture before its first tile
            and after each tile, on the thread that runs the task; several threads may call it at
            once. An exception that it raises stops that task, which then fails with it. It is not
            called for tasks with ``deliveryMethod`` ``"async"``.
        on_outcome: Called with each task, as it was sent, when it ends, and ``"ok"`` or the code of its
            first error; and with ``"accepted"`` when a task with ``deliveryMethod`` ``"async"`` is
            accepted, which ends later. It is called on the threads that run tasks. An exception that it
            raises is logged.
        remote: Whether the tasks come from another machine. Messages of errors then do not say where
            this machine keeps images and networks; the log does.
    """

    client: str
    keep: bool
    on_progress: OnTaskProgress | None
    on_outcome: OnOutcome | None
    remote: bool


def refuse_unknown(function: str, options: Mapping[str, object], known: Any) -> None:
    """Checks the names of keyword arguments.

    Args:
        function: Name of the function that was called.
        options: Keyword arguments.
        known: The ``TypedDict`` of the options that it takes.

    Raises:
        TypeError: An option is unknown.
    """
    for name in options:
        if name not in known.__annotations__:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")


def new_picture_upscaler(settings: Settings, options: NetworkOptions) -> PictureUpscaler:
    """Makes a `PictureUpscaler` from options, and from the settings where an option is None.

    No network is opened yet.

    Raises:
        DeviceError: CUDA was requested and cannot run.
        ModelError: The default network or `pre` is unknown or not installed, its file is missing, or
            it does not offer the denoise level.
        TilewrightError: An option is out of range.
    """
    # The engine is imported here, so that `import tilewright` does not load it.
    from tilewright.engine.job import TileLimits
    from tilewright.engine.networks import Additions, Networks
    from tilewright.engine.planner import check_limits

    precision = options.get("precision") or settings.precision
    if precision not in get_args(Precision):
        raise TilewrightError(f"precision must be 'auto', 'fp32' or 'fp16', not {precision!r}", parameter="precision")
    tile, memory_budget = options.get("tile"), options.get("memory_budget")
    check_limits(tile, memory_budget)
    model, spec, denoise = options.get("model"), options.get("spec"), options.get("denoise")
    model = settings.model if model is None else model
    tta, true_colour = options.get("tta"), options.get("true_colour")
    networks = Networks(
        options.get("device") or settings.device,
        threads=settings.threads,
        runtime=settings.runtime,
        cache_dir=settings.cache_dir,
        models_dir=settings.models_dir,
        overrides={model: spec} if spec else {},
        denoise={} if denoise is None else {model: str(denoise)},
        additions=Additions(
            pre=options.get("pre"),
            tta=settings.tta if tta is None else tta,
            true_colour=settings.true_colour if true_colour is None else true_colour,
        ),
    )
    networks.check(model)
    limits = TileLimits(tile, memory_budget or settings.memory_budget)
    return PictureUpscaler(networks, settings, model=model, precision=precision, limits=limits)
