"""`Upscaler`, the public class, which creates all parts and connects them."""

from __future__ import annotations

import html
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack, cast

from tilewright.direct import DirectUpscaler
from tilewright.lazy import Lazy
from tilewright.models.catalog import resolve_name
from tilewright.nsfw import NsfwClassifier, classifier_of
from tilewright.options import CallOptions, NetworkOptions, refuse_unknown
from tilewright.service.advice import takes_task
from tilewright.service.handler import RequestHandler
from tilewright.service.runner import Runner
from tilewright.settings import Settings
from tilewright.store.opening import open_store

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Sequence

    from tilewright.engine.progress import OnTaskProgress
    from tilewright.picture import Picture
    from tilewright.picture_upscaler import PictureUpscaler
    from tilewright.service.tasks import Envelope, Task, TaskResult, UploadResult, UpscaleResult, UpscaleTask
    from tilewright.service.totals import Totals
    from tilewright.store import ImageStore


class Upscaler(DirectUpscaler):
    """Upscales pictures with networks that stay open, and keeps images in a store.

    It is thread-safe. Pictures are decoded and encoded in parallel, and go through the network one
    after the other, because the network's runtime uses all cores.

    It can be pickled, as its options: the copy resolves its device and opens its networks and its
    store at first use. Where a store is in memory, the copy's is empty.
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
        self._prepare(store, settings or Settings.from_environment(), options)
        self._service.get()

    def _prepare(
        self, store: ImageStore | str | os.PathLike[str] | None, settings: Settings, options: NetworkOptions
    ) -> None:
        super().__init__(settings, options)
        self._given_store = store
        open_it = partial(
            open_store, store or settings.store, ttl=settings.store_ttl, public_url=settings.store_public_url,
            shared=settings.store_shared,
        )  # fmt: skip
        self._store = Lazy(open_it, per_process=True)
        self._service = Lazy(partial(_new_service, self._upscales_pictures, self._store, settings))

    def __getstate__(self) -> dict[str, Any]:
        return {"store": self._given_store, "settings": self.settings, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._prepare(**state)

    def __repr__(self) -> str:
        given = {name: value for name, value in self._options.items() if value is not None}
        return f"Upscaler({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def _repr_html_(self) -> str:
        """Returns a table for notebooks."""
        factors = ", ".join(map(str, self.factors()))
        network = resolve_name(self.model) if isinstance(self.model, str) else self.model
        facts = {"Network": network, "Factors": factors, "Device": self.device, "Precision": self.precision}
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(str(value))}</td></tr>" for name, value in facts.items())
        return f"<table><caption>Upscaler</caption>{rows}</table>"

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
    def _runner(self) -> Runner:
        return self._service.get().runner

    @property
    def _classifier(self) -> NsfwClassifier:
        return self._service.get().classifier

    @property
    def totals(self) -> Totals:
        """Sums over the pictures of tasks, for monitoring."""
        return self._service.get().totals

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
            **options: See `CallOptions`: ``client``, ``keep``, ``on_progress``, ``on_outcome``, ``remote``.

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

    def is_nsfw(self, picture: Picture) -> bool:
        """Returns whether a picture is likely not safe for work.

        The classifier errs in both directions.

        Raises:
            ModelError: No classifier is installed. The message says how to install one.
        """
        return self._classifier.is_nsfw(picture)


class _Service(NamedTuple):
    """What runs tasks.

    Attributes:
        runner: Runs tasks, several at a time.
        classifier: Checks results.
        totals: See `Upscaler.totals`.
    """

    runner: Runner
    classifier: NsfwClassifier
    totals: Totals


def _new_service(pictures: Lazy[PictureUpscaler], store: Lazy[ImageStore], settings: Settings) -> _Service:
    """Connects the parts that run tasks; store and networks are not opened yet."""
    upscales_pictures = pictures.get()
    classifier = classifier_of(settings) or NsfwClassifier()
    handler = RequestHandler(upscales_pictures, store, settings, classifier)
    runner = Runner(handler, store, max_tasks=settings.max_tasks, max_waiting=settings.max_waiting_tasks)
    return _Service(runner, classifier, handler.totals)
