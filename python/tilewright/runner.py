"""Requests in, envelopes out: several at a time, now or later, on threads or for asyncio."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tilewright.deliveries import Deliveries
from tilewright.errors import CancelledError, ParameterError, TilewrightError
from tilewright.handlers import Handlers, go_on
from tilewright.responses import Upscaled, acknowledgement, envelope, error_items
from tilewright.store import is_uuid4
from tilewright.tasks import PollTask, Task, UploadTask, UpscaleTask, is_poll, parse_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from concurrent.futures import ThreadPoolExecutor

    from tilewright.upscaler import Upscaler

_log = logging.getLogger("tilewright")

Tasks = Mapping[str, Any] | Sequence[Mapping[str, Any]]

# One picture is decoded while another is in the network and a third is encoded; more would only hold memory.
_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class _Job:
    """A request, and what became of checking it."""

    request: Mapping[str, Any]
    task: Task | None
    fault: Exception | None
    taken: str | None  # the taskUUID that is its own until it is done, in lower case

    @property
    def later(self) -> UpscaleTask | None:
        """Its task, if that is answered later."""
        return self.task if isinstance(self.task, UpscaleTask) and self.task.later else None


# What became of a request that is answered later: it was done, or its faults.
_Delivery = Upscaled | Sequence[dict[str, Any]]


# What a finished job adds to `data` and to `errors`.
_Outcome = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class Runner:
    """Runs requests on an `Upscaler`. taskUUIDs that are under way cannot be used again until they are done."""

    def __init__(self, upscaler: Upscaler) -> None:
        self._handlers = Handlers(upscaler)
        self._under_way: set[str] = set()
        self._entering = threading.Lock()
        self._deliveries: Deliveries[UpscaleTask, _Delivery] = Deliveries(_pool)

    def run(self, tasks: Tasks, *, upscales_only: bool, stop: threading.Event | None = None) -> dict[str, Any]:
        """Runs requests; the envelope keeps their order.

        Args:
            tasks: one request, or several.
            upscales_only: whether requests of other kinds are faults.
            stop: when it is set, work ends after the tile at hand.

        Raises:
            TypeError: a task that is no mapping.
            CancelledError: `stop` was set.
        """
        jobs = self._enter(tasks, upscales_only=upscales_only)
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

    async def arun(self, tasks: Tasks, *, upscales_only: bool) -> dict[str, Any]:
        """`run` off the event loop. Being cancelled stops the work after the tile at hand."""
        import asyncio

        stop = threading.Event()
        try:
            return await asyncio.to_thread(self.run, tasks, upscales_only=upscales_only, stop=stop)
        finally:
            stop.set()

    async def astream(self, tasks: Tasks) -> AsyncIterator[dict[str, Any]]:
        """Yields every task's envelope as it is finished. Leaving the loop early stops the others."""
        import asyncio

        jobs = self._enter(tasks, upscales_only=False)
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

    def wait(self) -> None:
        """Returns when all requests accepted for later are done."""
        self._deliveries.wait()

    def stop(self) -> None:
        """Ends all requests accepted for later after the tile at hand."""
        self._deliveries.stop()

    def _enter(self, tasks: Tasks, *, upscales_only: bool) -> list[_Job]:
        requests = list(tasks) if isinstance(tasks, Sequence) and not isinstance(tasks, (str, bytes)) else [tasks]
        for request in requests:
            if not isinstance(request, Mapping):
                raise TypeError(f"a task must be a mapping such as a dict, not {type(request).__name__}")
        with self._entering:
            jobs = [self._checked(request, upscales_only=upscales_only) for request in requests]
        for job in jobs:  # before any of them is run: one may ask about another
            if job.later is not None:
                self._accept(job, job.later)
        return jobs

    def _checked(self, request: Mapping[str, Any], *, upscales_only: bool) -> _Job:
        task: Task | None = None
        fault: Exception | None = None
        try:
            task = self._parsed(request, upscales_only=upscales_only)
        except Exception as error:  # a fault of one task, whatever it is, must not stop the others
            fault = error
        return _Job(request, task, fault, None if is_poll(request) else self._take(request.get("taskUUID")))

    def _parsed(self, request: Mapping[str, Any], *, upscales_only: bool) -> Task:
        from tilewright.nsfw import nsfw_problem

        task = parse_task(
            request,
            taken=self._under_way,
            urls=self._handlers.fetcher is not None,
            nsfw_problem=nsfw_problem() if request.get("checkNSFW") else None,
        )
        if upscales_only and not isinstance(task, UpscaleTask):
            raise ParameterError(
                f"{task.task_type} is not an upscale; tilewright.run takes tasks of any kind",
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
        """Gives up the taskUUIDs of jobs that are done; those that are answered later do that by themselves."""
        self._release({job.taken for job in jobs if job.taken is not None and job.later is None})

    def _release(self, taken: set[str]) -> None:
        with self._entering:
            self._under_way -= taken

    def _accept(self, job: _Job, task: UpscaleTask) -> None:
        taken = job.taken
        assert taken is not None, "a task without a fault has a taskUUID of its own"
        kept = replace(task, input_image=None)  # the picture goes when it is done, what was asked stays

        def work(stop: threading.Event) -> _Delivery:
            try:
                go_on(stop)
                return replace(self._handlers.upscale(task, stop), task=kept)
            except Exception as error:  # there is nobody to raise it to
                return _faults(error, job.request)
            finally:
                self._release({taken})

        self._deliveries.accept(taken, kept, work)

    def _finish(self, job: _Job, stop: threading.Event) -> _Outcome:
        try:
            if job.fault is not None:
                raise job.fault
            go_on(stop)
            match job.task:
                case UploadTask():
                    return [self._handlers.upload(job.task)], []
                case PollTask():
                    return self._poll(job.task)
                case UpscaleTask(later=True):
                    return [acknowledgement(job.task)], []
                case UpscaleTask():
                    return [self._handlers.answer(self._handlers.upscale(job.task, stop))], []
            raise AssertionError("a job has a fault or a task")
        except CancelledError:
            raise
        except Exception as error:  # a fault of one task, whatever it is, must not stop the others
            return [], _faults(error, job.request)

    def _poll(self, task: PollTask) -> _Outcome:
        found = self._deliveries.find(task.task_uuid.lower())
        if found is None:
            raise ParameterError(
                f"there is no task {task.task_uuid} with deliveryMethod async, or its outcome is no longer kept",
                code="taskNotFound",
                parameter="taskUUID",
            )
        # Under the taskUUID as it was asked for now: that is what the caller looks for.
        asked, delivery = replace(found.about, task_uuid=task.task_uuid), found.outcome()
        if delivery is None:
            return [acknowledgement(asked, status="processing")], []
        if isinstance(delivery, Upscaled):
            return [self._handlers.answer(replace(delivery, task=asked), status="success")], []
        return [], [{**item, "taskUUID": task.task_uuid, "status": "error"} for item in delivery]


def _faults(error: Exception, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(error, TilewrightError):
        _log.exception("task %s failed", request.get("taskUUID"))
    return error_items(error, request)


def _pool() -> ThreadPoolExecutor:
    # Like asyncio, loaded when it is used: together they would be a third of the time that the package takes to import.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tilewright")


def _joined(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    data = [item for items, _ in outcomes for item in items]
    errors = [item for _, items in outcomes for item in items]
    return envelope(data, errors)
