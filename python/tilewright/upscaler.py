"""The one place that wires store, networks and engine together."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright import tasks
from tilewright.errors import ParameterError, TilewrightError
from tilewright.models.source import load_model
from tilewright.responses import envelope, error_items, upload_result, upscale_result
from tilewright.settings import Settings
from tilewright.store import ImageStore

if TYPE_CHECKING:
    import os
    from pathlib import Path
    from types import TracebackType

    from tilewright.engine.progress import OnProgress
    from tilewright.engine.sessions import Session
    from tilewright.models.spec import Model
    from tilewright.picture import Picture, Pixels
    from tilewright.tasks import UploadTask, UpscaleTask

_log = logging.getLogger("tilewright")

# What "auto" means: the best-looking network where it is affordable, the one that is 29 times cheaper elsewhere.
AUTO_MODELS = {"cuda": "realesrgan-x4plus", "cpu": "realesr-animevideov3"}


class Upscaler:
    """Networks, kept open between pictures, and an image store.

    One Upscaler may be used by several threads: pictures are decoded and encoded side by side, and go through the
    network one after the other, because the network's runtime has all the cores.
    """

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        device: str | None = None,
        precision: str | None = None,
        tile: int | None = None,
        memory_budget: int | None = None,
        store: ImageStore | str | os.PathLike[str] | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Settles device and store; a network is opened when it is first needed.

        Every argument that is None comes from `settings`.

        Args:
            model: a catalog name, ``"auto"``, or the path of an ONNX file; tasks may name another.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            precision: ``"auto"`` or ``"fp32"``.
            tile: tile width and height in input pixels; None for the planner's choice.
            memory_budget: bytes for the network's activations; None for the planner's choice.
            store: where images are kept: an `ImageStore`, a folder or an fsspec URL.
            settings: by default read from the environment.

        Raises:
            DeviceError: ``device="cuda"`` where CUDA cannot run; the message says why.
            TilewrightError: an argument out of range.
        """
        # The runtimes load here rather than with the package.
        from tilewright.engine.sessions import resolve_device

        settings = settings or Settings.from_environment()
        self.settings = settings
        self.device = resolve_device(device or settings.device)
        self.precision = precision or settings.precision
        if self.precision not in ("auto", "fp32"):
            raise TilewrightError(f"precision must be 'auto' or 'fp32', not {precision!r}", parameter="precision")
        for name, value in (("tile", tile), ("memory_budget", memory_budget)):
            if value is not None and value < 1:
                raise TilewrightError(f"{name} must be positive, not {value}", parameter=name)
        self.model = model or settings.model
        self._store = store or settings.store
        self._tile = tile
        self._memory_budget = memory_budget or settings.memory_budget
        self._models: dict[tuple[str | Path, int], Model] = {}
        self._sessions: dict[tuple[str | Path, int, str], Session] = {}
        # Held while a network is opened or runs: sessions reuse their buffers, and the runtime owns the cores.
        self._engine = threading.RLock()
        # Held while a file is found or converted, never while a network runs; taken after the other, never before.
        self._opening = threading.Lock()

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def store(self) -> ImageStore:
        """Where images are kept; opened at first use, because pixels and files do without.

        Raises:
            StoreError: a store that cannot be opened.
        """
        with self._opening:
            if not isinstance(self._store, ImageStore):
                self._store = ImageStore(self._store)
            return self._store

    def close(self) -> None:
        """Lets go of all networks. The Upscaler can still be used: they are opened again when needed."""
        with self._engine:
            self._sessions.clear()

    def upscale(self, task: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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
        return self._run(task, "imageUpscale")

    def upload(self, image: object) -> dict[str, Any]:
        """Stores a picture, so that its ``imageUUID`` can be an ``inputImage``.

        Args:
            image: a picture in any of the forms that ``inputImage`` takes.

        Returns:
            The envelope; its one item has ``taskType``, ``taskUUID``, ``imageUUID`` and ``imageURL``.
        """
        return self._run({"taskType": "imageUpload", "taskUUID": str(uuid.uuid4()), "image": image}, "imageUpload")

    def upscale_array(self, pixels: Pixels, factor: int, *, on_progress: OnProgress | None = None) -> Pixels:
        """Upscales pixels.

        Args:
            pixels: uint8 or uint16 ``[H, W, C]``, C = 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
            factor: 2, 3 or 4, as the network offers.
            on_progress: called before the first tile and after every one; an exception it raises stops the work.

        Returns:
            The same dtype, ``[H * factor, W * factor, C]``.

        Raises:
            TypeError: not a uint8 or uint16 array.
            TilewrightError: a shape that is no picture, a factor the network does not offer, or a failure.
        """
        if not isinstance(pixels, np.ndarray) or pixels.dtype not in (np.uint8, np.uint16):
            kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise TypeError(f"pixels must be a uint8 or uint16 array, not {kind}")
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or 0 in pixels.shape:
            raise TilewrightError(
                f"pixels must be [height, width, 1 to 4 channels] and not empty, not {list(pixels.shape)}",
                parameter="pixels",
            )
        return self._enlarge([np.ascontiguousarray(pixels)], self.model, factor, on_progress)[0]

    def upscale_picture(
        self,
        picture: Picture,
        factor: int,
        *,
        model: str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Picture:
        """Upscales a picture with its alpha; everything else it carries is carried over.

        Raises:
            TilewrightError: as `upscale_array`.
        """
        sources = [picture.pixels]
        if picture.alpha is not None:
            sources.append(picture.alpha[:, :, np.newaxis])
        pixels, *alpha = self._enlarge(sources, model or self.model, factor, on_progress)
        return replace(picture, pixels=pixels, alpha=alpha[0][:, :, 0] if alpha else None)

    def session(self, model: str | Path | None = None, factor: int = 4) -> Session:
        """The open network for a model and factor, for measuring it bare; its results hold until it runs again."""
        return self._session(model or self.model, factor, self.precision)

    def _run(self, task: Mapping[str, Any] | Sequence[Mapping[str, Any]], only: str) -> dict[str, Any]:
        """The requests one after the other; `only` restricts them to one kind."""
        requests = [task] if isinstance(task, Mapping) else list(task)
        for request in requests:
            if not isinstance(request, Mapping):
                raise TypeError(f"a task must be a mapping such as a dict, not {type(request).__name__}")
        data: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        taken: set[str] = set()
        for request in requests:
            try:
                parsed = tasks.parse_task(request, taken=taken)
                taken.add(parsed.task_uuid.lower())
                if isinstance(parsed, tasks.UploadTask):
                    if only != "imageUpload":
                        raise ParameterError(
                            "imageUpload is not an upscale; use tilewright.upload",
                            code="unsupportedTaskType",
                            parameter="taskType",
                            allowed_values=["imageUpscale", "upscale"],
                        )
                    data.append(self._upload(parsed))
                else:
                    data.append(self._upscale(parsed))
            except Exception as error:  # a fault of one task, whatever it is, must not stop the others
                if not isinstance(error, TilewrightError):
                    _log.exception("task %s failed", request.get("taskUUID"))
                errors.extend(error_items(error, request))
        return envelope(data, errors)

    def _upload(self, task: UploadTask) -> dict[str, Any]:
        from tilewright.sources import load_picture

        _, image_uuid = load_picture(
            task.image, self.store, max_pixels=self.settings.max_input_pixels, parameter="image"
        )
        return upload_result(task, image_uuid=image_uuid, image_url=self.store.url(image_uuid))

    def _upscale(self, task: UpscaleTask) -> dict[str, Any]:
        from tilewright.codecs.encode import check_format_limits, encode, extension
        from tilewright.sources import load_picture

        factor = task.upscale_factor
        model = self._task_model(task)
        self._model(model, factor)  # an unknown network is found before any pixel is read
        picture, input_image_uuid = load_picture(
            task.input_image,
            self.store,
            max_pixels=self.settings.max_input_pixels,
            parameter=task.image_parameter,
        )
        check_format_limits(picture.width * factor, picture.height * factor, task.output_format)
        result = self.upscale_picture(picture, factor, model=model)
        data = encode(result, task.output_format, task.output_quality)
        image_uuid = self.store.put(data, extension(task.output_format))
        return upscale_result(
            task,
            image_uuid=image_uuid,
            input_image_uuid=input_image_uuid,
            image_url=self.store.url(image_uuid),
            data=data,
        )

    def _enlarge(
        self, sources: Sequence[Pixels], name: str | Path, factor: int, on_progress: OnProgress | None
    ) -> list[Pixels]:
        """Arrays ``[H, W, C]`` of one size, all through the network, tile by tile."""
        from tilewright.engine.pipeline import layers_for, run
        from tilewright.engine.planner import plan_tiles

        height, width, _ = sources[0].shape
        with self._engine:
            session = self._session(name, factor, self.precision)
            plan = plan_tiles(width, height, session.spec, tile=self._tile, memory_budget=self._memory_budget)
            targets = [np.empty((height * factor, width * factor, source.shape[2]), source.dtype) for source in sources]
            layers = [
                layer
                for source, target in zip(sources, targets, strict=True)
                for layer in layers_for(source, target, session.spec)
            ]
            run(
                layers,
                plan,
                session,
                exact_session=lambda: self._session(name, factor, "fp32"),
                on_progress=on_progress,
            )
        return targets

    def _session(self, name: str | Path, factor: int, precision: str) -> Session:
        from tilewright.engine.sessions import open_session

        with self._engine:
            key = (name, factor, precision)
            if key not in self._sessions:
                session = open_session(
                    self._model(name, factor), device=self.device, precision=precision, threads=self.settings.threads
                )
                _log.info("%s x%d on %s, %s", session.spec.name, factor, session.runtime, session.precision)
                self._sessions[key] = session
            return self._sessions[key]

    def _model(self, name: str | Path, factor: int) -> Model:
        if name == "auto":
            name = AUTO_MODELS[self.device]
        with self._opening:
            if (name, factor) not in self._models:
                self._models[name, factor] = load_model(name, factor, cache_dir=self.settings.cache_dir)
            return self._models[name, factor]

    def _task_model(self, task: UpscaleTask) -> str | Path:
        """A task may come from anywhere, so it can name networks of the catalog, but no file of this machine."""
        if task.model is not None and task.model.endswith(".onnx"):
            raise ParameterError(
                f"model {task.model!r} looks like a file; tasks name networks of the catalog, a file of your own is "
                "given to Upscaler(model=...)",
                code="invalidModel",
                parameter="model",
            )
        return task.model or self.model
