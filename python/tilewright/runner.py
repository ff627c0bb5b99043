"""Requests through decoding, network and encoding, several at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilewright.errors import CancelledError, ParameterError, TilewrightError, shown
from tilewright.responses import envelope, error_items, upload_result, upscale_result
from tilewright.store import is_uuid4
from tilewright.tasks import UploadTask, UpscaleTask, parse_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from tilewright.engine.progress import Progress
    from tilewright.upscaler import Upscaler

_log = logging.getLogger("tilewright")

Tasks = Mapping[str, Any] | Sequence[Mapping[str, Any]]

# One picture is decoded while another is in the network and a third is encoded; more would only hold memory.
_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class _Job:
    """A request, and what became of checking it."""

    request: Mapping[str, Any]
    task: UpscaleTask | UploadTask | None
    fault: Exception | None
    taken: str | None  # the taskUUID that is its own until it is done, in lower case


# What a finished job adds to `data` and to `errors`.
_Outcome = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class Runner:
    """Runs requests on an `Upscaler`. taskUUIDs that are under way cannot be used again until they are done."""

    def __init__(self, upscaler: Upscaler) -> None:
        self._upscaler = upscaler
        self._under_way: set[str] = set()
        self._entering = threading.Lock()
        self._fetcher: Callable[[str], bytes] | None = None
        if upscaler.settings.fetch_urls == "public":
            from tilewright.fetch import fetch

            self._fetcher = fetch

    def run(self, tasks: Tasks, *, uploads: bool, stop: threading.Event | None = None) -> dict[str, Any]:
        """Runs requests; the envelope keeps their order.

        Args:
            tasks: one request, or several.
            uploads: whether ``imageUpload`` is among what is asked for.
            stop: when it is set, work ends after the tile at hand.

        Raises:
            TypeError: a task that is no mapping.
            CancelledError: `stop` was set.
        """
        jobs = self._enter(tasks, uploads=uploads)
        stop = stop or threading.Event()
        try:
            if len(jobs) == 1:
                return _joined([self._finish(jobs[0], stop)])
            with _pool() as pool:
                try:
                    return _joined(list(pool.map(lambda job: self._finish(job, stop), jobs)))
                except BaseException:  # Ctrl-C among them: leaving the pool waits for the workers
                    stop.set()
                    raise
        finally:
            self._leave(jobs)

    async def arun(self, tasks: Tasks, *, uploads: bool) -> dict[str, Any]:
        """`run` off the event loop. Being cancelled stops the work after the tile at hand."""
        import asyncio

        stop = threading.Event()
        try:
            return await asyncio.to_thread(self.run, tasks, uploads=uploads, stop=stop)
        finally:
            stop.set()

    async def astream(self, tasks: Tasks) -> AsyncIterator[dict[str, Any]]:
        """Yields every task's envelope as it is finished. Leaving the loop early stops the others."""
        import asyncio

        jobs = self._enter(tasks, uploads=True)
        stop = threading.Event()
        pool = _pool()
        loop = asyncio.get_running_loop()
        running = [loop.run_in_executor(pool, self._finish, job, stop) for job in jobs]
        try:
            for finished in asyncio.as_completed(running):
                yield _joined([await finished])
        finally:
            stop.set()
            for future in running:  # nobody will ask what became of these
                future.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            self._leave(jobs)

    def _enter(self, tasks: Tasks, *, uploads: bool) -> list[_Job]:
        requests = list(tasks) if isinstance(tasks, Sequence) and not isinstance(tasks, (str, bytes)) else [tasks]
        for request in requests:
            if not isinstance(request, Mapping):
                raise TypeError(f"a task must be a mapping such as a dict, not {type(request).__name__}")
        with self._entering:
            return [self._checked(request, uploads=uploads) for request in requests]

    def _checked(self, request: Mapping[str, Any], *, uploads: bool) -> _Job:
        task: UpscaleTask | UploadTask | None = None
        fault: Exception | None = None
        try:
            task = self._parsed(request, uploads=uploads)
        except Exception as error:  # a fault of one task, whatever it is, must not stop the others
            fault = error
        return _Job(request, task, fault, self._take(request.get("taskUUID")))

    def _parsed(self, request: Mapping[str, Any], *, uploads: bool) -> UpscaleTask | UploadTask:
        task = parse_task(request, taken=self._under_way, urls=self._fetcher is not None)
        if isinstance(task, UploadTask) and not uploads:
            raise ParameterError(
                "imageUpload is not an upscale; use tilewright.upload, or tilewright.run for tasks of any kind",
                code="unsupportedTaskType",
                parameter="taskType",
                allowed_values=["imageUpscale", "upscale"],
            )
        return task

    def _take(self, task_uuid: object) -> str | None:
        """Makes a taskUUID its task's own, whatever else is wrong with the task; None when it is none, or another's."""
        if not isinstance(task_uuid, str) or not is_uuid4(task_uuid) or task_uuid.lower() in self._under_way:
            return None
        self._under_way.add(task_uuid.lower())
        return task_uuid.lower()

    def _leave(self, jobs: Sequence[_Job]) -> None:
        with self._entering:
            self._under_way.difference_update(job.taken for job in jobs if job.taken is not None)

    def _finish(self, job: _Job, stop: threading.Event) -> _Outcome:
        try:
            if job.fault is not None:
                raise job.fault
            _go_on(stop)
            if isinstance(job.task, UploadTask):
                return [self._upload(job.task)], []
            assert job.task is not None
            return [self._upscale(job.task, stop)], []
        except CancelledError:
            raise
        except Exception as error:  # a fault of one task, whatever it is, must not stop the others
            if not isinstance(error, TilewrightError):
                _log.exception("task %s failed", job.request.get("taskUUID"))
            return [], error_items(error, job.request)

    def _upload(self, task: UploadTask) -> dict[str, Any]:
        from tilewright.sources import load_picture

        upscaler = self._upscaler
        _, image_uuid = load_picture(
            task.image,
            upscaler.store,
            max_pixels=upscaler.settings.max_input_pixels,
            parameter="image",
            fetcher=self._fetcher,
        )
        return upload_result(task, image_uuid=image_uuid, image_url=upscaler.store.url(image_uuid))

    def _upscale(self, task: UpscaleTask, stop: threading.Event) -> dict[str, Any]:
        from tilewright.codecs.encode import check_format_limits, encode, extension
        from tilewright.sources import load_picture

        def listen(_: Progress) -> None:
            _go_on(stop)

        upscaler, factor = self._upscaler, task.upscale_factor
        model = self._model(task)
        upscaler.find(model, factor)  # an unknown network is known before any pixel is read
        picture, input_image_uuid = load_picture(
            task.input_image,
            upscaler.store,
            max_pixels=upscaler.settings.max_input_pixels,
            parameter=task.image_parameter,
            fetcher=self._fetcher,
        )
        check_format_limits(picture.width * factor, picture.height * factor, task.output_format)
        result = upscaler.upscale_picture(picture, factor, model=model, on_progress=listen)
        data = encode(result, task.output_format, task.output_quality)
        _go_on(stop)
        image_uuid = upscaler.store.put(data, extension(task.output_format))
        return upscale_result(
            task,
            image_uuid=image_uuid,
            input_image_uuid=input_image_uuid,
            image_url=upscaler.store.url(image_uuid),
            data=data,
        )

    def _model(self, task: UpscaleTask) -> str | Path:
        """A task may come from anywhere, so it can name networks of the catalog, but no file of this machine."""
        if task.model is not None and task.model.endswith(".onnx"):
            raise ParameterError(
                f"model {shown(task.model)} looks like a file; tasks name networks of the catalog, a file of your own "
                "is given to Upscaler(model=...)",
                code="invalidModel",
                parameter="model",
            )
        return task.model or self._upscaler.model


def _pool() -> ThreadPoolExecutor:
    # Like asyncio, loaded when it is used: together they would be a third of the time that the package takes to import.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tilewright")


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise CancelledError("stopped; nothing of the task was stored")


def _joined(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    data = [item for items, _ in outcomes for item in items]
    errors = [item for _, items in outcomes for item in items]
    return envelope(data, errors)
