"""Requests in, envelopes out: several at a time, now or later, on threads or for asyncio."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from tilewright.errors import CancelledError, ParameterError, SourceError, TilewrightError
from tilewright.service.background import Deliveries
from tilewright.service.handler import Handlers, go_on
from tilewright.service.parsing import is_poll, parse_task, require_mapping
from tilewright.service.responses import Upscaled, acknowledgement, envelope, error_items
from tilewright.service.tasks import PollTask, Task, UploadTask, UpscaleTask
from tilewright.store.image_store import is_uuid4

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from tilewright.upscaler import Upscaler

_log = logging.getLogger("tilewright")

Tasks = Mapping[str, Any] | Sequence[Mapping[str, Any]]

# One picture is decoded while another is in the network and a third is encoded; more would only hold memory.
_AT_ONCE = 3

# Calls from event loops that can be under way at once. Most of them only wait for their turn.
_ASYNCIO_CALLS = 32


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

    @property
    def needs_network(self) -> bool:
        """Whether it is answered only when a network has run."""
        return isinstance(self.task, UpscaleTask) and not self.task.later


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
        # However many threads and event loops ask: no more pictures than this are in memory at a time.
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._deliveries: Deliveries[UpscaleTask, _Delivery] = Deliveries(_pool)
        # asyncio's own executor is everybody's: pictures would hold up its name look-ups and files.
        self._for_asyncio = cache(partial(_pool, _ASYNCIO_CALLS))

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
        run = partial(self.run, tasks, upscales_only=upscales_only, stop=stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._for_asyncio(), run)
        finally:
            stop.set()

    async def astream(self, tasks: Tasks) -> AsyncIterator[dict[str, Any]]:
        """Yields every task's envelope as it is finished. Leaving the loop early stops the others.

        What needs no network comes first. Work does not run ahead of whoever takes the envelopes by more than a few.
        """
        import asyncio

        jobs = self._enter(tasks, upscales_only=False)
        stop = threading.Event()
        pool = _pool()
        waiting = deque(sorted(jobs, key=lambda job: job.needs_network))
        running: dict[asyncio.Future[_Outcome], tuple[_Job, Future[_Outcome]]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < _AT_ONCE:
                    job = waiting.popleft()
                    future = pool.submit(self._finish_and_leave, job, stop)
                    running[asyncio.wrap_future(future)] = job, future
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for finished in done:
                    del running[finished]
                while done:  # what was taken is not held on to
                    yield _joined([done.pop().result()])
        finally:
            stop.set()
            # What runs gives up its taskUUID when it has stopped; what does not, here.
            self._leave([*waiting, *(job for job, future in running.values() if future.cancel())])
            pool.shutdown(wait=False)

    def wait(self) -> None:
        """Returns when all requests accepted for later are done."""
        self._deliveries.wait()

    def stop(self) -> None:
        """Ends all requests accepted for later after the tile at hand."""
        self._deliveries.stop()

    def _enter(self, tasks: Tasks, *, upscales_only: bool) -> list[_Job]:
        requests = list(tasks) if isinstance(tasks, Sequence) and not isinstance(tasks, (str, bytes)) else [tasks]
        for request in requests:
            require_mapping(request)
        with self._entering:
            jobs = [self._checked(request, upscales_only=upscales_only) for request in requests]
        # Before any of them is run: one may ask about another.
        return [job if job.later is None else self._accepted(job, job.later) for job in jobs]

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

        return parse_task(
            request,
            taken=self._under_way,
            urls=self._handlers.fetcher is not None,
            nsfw_problem=nsfw_problem() if request.get("checkNSFW") is True else None,
            upscales_only=upscales_only,
        )

    def _take(self, task_uuid: object) -> str | None:
        """Makes a taskUUID its task's own, whatever else is wrong with the task; None when it is none, or another's."""
        if not isinstance(task_uuid, str) or not is_uuid4(task_uuid) or task_uuid.lower() in self._under_way:
            return None
        self._under_way.add(task_uuid.lower())
        return task_uuid.lower()

    def _leave(self, jobs: Iterable[_Job]) -> None:
        """Gives up the taskUUIDs of jobs that are done; those that are answered later do that by themselves."""
        self._release({job.taken for job in jobs if job.taken is not None and job.later is None})

    def _release(self, taken: set[str]) -> None:
        with self._entering:
            self._under_way -= taken

    def _accepted(self, job: _Job, task: UpscaleTask) -> _Job:
        """The job, once it is in its turn; with a fault when that could not be."""
        taken = job.taken
        assert taken is not None, "a task without a fault has a taskUUID of its own"
        # The picture goes when it is done, and so does what may be long; what was asked stays.
        kept = replace(task, input_image=None, model=None)

        def work(stop: threading.Event) -> _Delivery:
            try:
                with self._places:
                    go_on(stop)
                    return replace(self._handlers.upscale(task, stop), task=kept)
            except BaseException as error:  # there is nobody to raise it to
                return _faults(error, job.request)
            finally:
                self._release({taken})

        try:
            self._deliveries.accept(taken, kept, work)
        except Exception as error:  # no thread could be started
            return replace(job, task=None, fault=error)
        return job

    def _finish_and_leave(self, job: _Job, stop: threading.Event) -> _Outcome:
        try:
            return self._finish(job, stop)
        finally:
            self._leave([job])

    def _finish(self, job: _Job, stop: threading.Event) -> _Outcome:
        try:
            if job.fault is not None:
                raise job.fault
            go_on(stop)
            match job.task:
                case PollTask():
                    return self._poll(job.task)
                case UpscaleTask(later=True):
                    return [acknowledgement(job.task)], []
                case UploadTask():
                    with self._places:
                        return [self._handlers.upload(job.task)], []
                case UpscaleTask():
                    with self._places:
                        go_on(stop)
                        return [self._handlers.upscale_and_answer(job.task, stop)], []
            raise AssertionError("a job has a fault or a task")
        except CancelledError:
            raise
        except Exception as error:  # a fault of one task, whatever it is, must not stop the others
            return [], _faults(error, job.request)

    def _poll(self, task: PollTask) -> _Outcome:
        found = self._deliveries.find(task.task_uuid.lower())
        if found is None:
            raise _not_found(
                f"there is no task {task.task_uuid} with deliveryMethod async, or its outcome is no longer kept"
            )
        # Under the taskUUID as it was asked for now: that is what the caller looks for.
        asked, delivery = replace(found.about, task_uuid=task.task_uuid), found.outcome()
        if delivery is None:
            return [acknowledgement(asked, status="processing")], []
        if isinstance(delivery, Upscaled):
            try:
                return [self._handlers.answer(replace(delivery, task=asked), status="success")], []
            except SourceError:
                gone = _not_found(f"the result of task {task.task_uuid} is no longer in the store")
                delivery = error_items(gone, {"taskType": asked.task_type})
        return [], [{**item, "taskUUID": task.task_uuid, "status": "error"} for item in delivery]


def _not_found(message: str) -> ParameterError:
    return ParameterError(message, code="taskNotFound", parameter="taskUUID")


def _faults(error: BaseException, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(error, TilewrightError):
        _log.error("task %s failed", request.get("taskUUID"), exc_info=error)
    return error_items(error, request)


def _pool(threads: int = _AT_ONCE) -> ThreadPoolExecutor:
    # Like asyncio, loaded when it is used: together they would be a third of the time that the package takes to import.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix="tilewright")


def _joined(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    data = [item for items, _ in outcomes for item in items]
    errors = [item for _, items in outcomes for item in items]
    return envelope(data, errors)
