"""Runs tasks: several at a time, now or later, from threads or from asyncio."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tilewright.engine.progress import raise_if_cancelled
from tilewright.errors import CancelledError, InvalidTaskError, ParameterError, SourceError, TilewrightError, short_repr
from tilewright.forks import reset_in_children
from tilewright.lazy import Lazy
from tilewright.nsfw import nsfw_problem
from tilewright.service.background import BackgroundTasks, Outcome
from tilewright.service.callbacks import Callbacks
from tilewright.service.entries import Entry, Reply, joined
from tilewright.service.parsing import is_poll, parse_task, require_mapping
from tilewright.service.places import MAX_FETCHES, MAX_PICTURES, Places
from tilewright.service.requests import PollRequest, Request, UploadRequest, UpscaleRequest
from tilewright.service.responses import Upscaled, acknowledgement, error_items
from tilewright.store import is_uuid4

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from tilewright.service.handler import RequestHandler

_log = logging.getLogger("tilewright")

Tasks = Mapping[str, Any] | Sequence[Mapping[str, Any]]

# Calls from event loops that can be in progress at the same time. Most of them only wait.
_MAX_ASYNCIO_CALLS = 32

# Tasks that are validated on the event loop, which takes about 0.1 ms each. More are validated in a thread.
_VALIDATED_HERE = 50

# Faults of a call after which only the first one of each task is reported.
_MAX_FAULTS = 1000


class Runner:
    """Runs tasks on a `RequestHandler`.

    A taskUUID cannot be used again until its task is finished.
    """

    def __init__(self, handler: RequestHandler, *, max_tasks: int, max_waiting: int) -> None:
        """Takes the handler; no thread is started yet.

        Args:
            handler: Runs single requests.
            max_tasks: Most tasks of one call.
            max_waiting: Most asynchronous requests that are not finished.
        """
        self._handler = handler
        self._max_tasks = max_tasks
        self._reserved: set[str] = set()
        self._lock = threading.Lock()  # guards the reserved taskUUIDs
        self._places = Places(handler)
        self._callbacks = Callbacks(handler)  # before the background tasks, so that it ends after them
        self._background = BackgroundTasks(
            partial(_new_pool, name="tilewright-background"),
            partial(_new_pool, MAX_FETCHES, name="tilewright-fetch"),
            max_waiting=max_waiting,
        )
        # Not asyncio's default executor: pictures would delay the program's own uses of it.
        self._asyncio_pool = Lazy(partial(_new_pool, _MAX_ASYNCIO_CALLS), per_process=True)
        reset_in_children(self)

    def run(self, tasks: Tasks, *, upscales_only: bool, stop: threading.Event | None = None) -> dict[str, Any]:
        """Runs tasks and returns the envelope, in the order of the tasks.

        Args:
            tasks: One task, or several.
            upscales_only: Whether tasks of other types are faults.
            stop: Cancels the work after the current tile once it is set; None if it is never set.

        Raises:
            TypeError: A task is not a mapping.
            CancelledError: `stop` was set.
        """
        entries = self._enter(tasks, upscales_only=upscales_only)
        stop = stop or threading.Event()
        try:
            if len(entries) == 1 or all(entry.fault for entry in entries):
                return joined([self._finish(entry, stop) for entry in entries])
            # Tasks whose pictures are fetched start last, and have threads of their own.
            fetches = min(MAX_FETCHES, sum(entry.needs_fetch for entry in entries))
            with _new_pool(MAX_PICTURES + fetches) as pool:
                try:
                    order = sorted(range(len(entries)), key=lambda index: entries[index].needs_fetch)
                    replies = {index: pool.submit(self._finish, entries[index], stop) for index in order}
                    return joined([replies[index].result() for index in range(len(entries))])
                except BaseException:  # such as Ctrl-C: leaving the block waits for the threads
                    stop.set()
                    raise
        finally:
            self._leave(entries)

    async def arun(self, tasks: Tasks, *, upscales_only: bool) -> dict[str, Any]:
        """Runs `run` outside the event loop. Cancellation stops the work after the current tile."""
        import asyncio

        stop = threading.Event()
        run = partial(self.run, tasks, upscales_only=upscales_only, stop=stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._asyncio_pool.get(), run)
        finally:
            stop.set()

    async def astream(self, tasks: Tasks) -> AsyncIterator[dict[str, Any]]:
        """Yields the envelope of each task as soon as it is finished.

        Tasks that need no network come first. Leaving the loop early cancels the others. At most a
        few tasks run before the caller takes their envelopes.
        """
        import asyncio

        entries = await self._entered(tasks)
        stop = threading.Event()
        pool = _new_pool(2 * MAX_PICTURES)
        # Tasks whose pictures are fetched do not hold up the others.
        waiting = {fetch: deque(entry for entry in entries if entry.needs_fetch == fetch) for fetch in (False, True)}
        waiting[False] = deque(sorted(waiting[False], key=lambda entry: entry.needs_network))
        running: dict[asyncio.Future[Reply], tuple[Entry, Future[Reply]]] = {}
        done: set[asyncio.Future[Reply]] = set()
        try:
            while any(waiting.values()) or running:
                for fetch, queue in waiting.items():
                    while queue and sum(entry.needs_fetch == fetch for entry, _ in running.values()) < MAX_PICTURES:
                        entry = queue.popleft()
                        future = pool.submit(self._finish_and_leave, entry, stop)
                        running[asyncio.wrap_future(future)] = entry, future
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for finished in done:
                    del running[finished]
                while done:  # pop, so that no reference to a reply remains
                    yield joined([done.pop().result()])
        finally:
            stop.set()
            # Running tasks release their taskUUIDs when they have stopped. Those of the other tasks
            # are released here.
            self._leave(
                [*waiting[False], *waiting[True], *(entry for entry, future in running.values() if future.cancel())]
            )
            for each in (*done, *running):  # nobody waits for them, perhaps not even the event loop
                _ignore_outcome(each)
            pool.shutdown(wait=False)

    def wait(self) -> None:
        """Returns when all asynchronous requests are finished, and their outcomes sent if possible."""
        self._background.wait()
        self._callbacks.wait()

    def stop(self) -> None:
        """Cancels all asynchronous requests after the current tile."""
        self._background.stop()

    def reset_after_fork(self) -> None:
        """See `tilewright.forks`. The calls in progress are those of the parent."""
        self._reserved = set()
        self._lock = threading.Lock()
        self._places = Places(self._handler)

    async def _entered(self, tasks: Tasks) -> list[Entry]:
        """Runs `_enter` without blocking the event loop for long."""
        import asyncio

        if len(tasks) <= _VALIDATED_HERE or isinstance(tasks, Mapping):
            return self._enter(tasks, upscales_only=False)
        entering = self._asyncio_pool.get().submit(self._enter, tasks, upscales_only=False)
        try:
            return await asyncio.wrap_future(entering)
        except asyncio.CancelledError:  # the thread may go on, and reserves taskUUIDs for nobody
            entering.add_done_callback(self._leave_entered)
            raise

    def _leave_entered(self, entering: Future[list[Entry]]) -> None:
        if not entering.cancelled() and entering.exception() is None:
            self._leave(entering.result())

    def _enter(self, tasks: Tasks, *, upscales_only: bool) -> list[Entry]:
        """Validates tasks, reserves their taskUUIDs, and queues the asynchronous ones.

        Too many tasks are refused together, by one entry that stands for all of them: an answer to
        each would be as long as the call.
        """
        sent = list(tasks) if isinstance(tasks, Sequence) and not isinstance(tasks, (str, bytes)) else [tasks]
        if len(sent) > self._max_tasks:
            fault = TilewrightError(
                f"the call has {len(sent)} tasks, the limit is {self._max_tasks}; "
                "send them in several calls, or raise TILEWRIGHT_MAX_TASKS",
                code="tooManyTasks",
            )
            return [Entry({}, None, fault, None)]
        for task in sent:
            require_mapping(task)
        entries: list[Entry] = []
        faults_left = _MAX_FAULTS
        try:
            for task in sent:
                entry = self._validated(task, upscales_only=upscales_only, max_faults=max(1, faults_left))
                if isinstance(entry.fault, InvalidTaskError):
                    faults_left -= len(entry.fault.faults)
                entries.append(entry)
        except BaseException:  # such as Ctrl-C
            self._release({entry.reserved for entry in entries if entry.reserved is not None})
            raise
        # Before any task runs, because one may ask about another.
        return [entry if entry.async_request is None else self._accepted(entry) for entry in entries]

    def _validated(self, task: Mapping[str, Any], *, upscales_only: bool, max_faults: int) -> Entry:
        """Reserves a task's taskUUID and parses the task, without the lock: it may be long."""
        task_uuid = _reservable_uuid(task)
        reserved = task_uuid is not None and self._reserve(task_uuid)
        request: Request | None = None
        fault: Exception | None = None
        try:
            taken = () if task_uuid is None or reserved else (task_uuid,)
            request = self._parsed(task, taken, upscales_only=upscales_only, max_faults=max_faults)
        except Exception as error:  # no fault of one task may stop the others
            fault = error
        return Entry(task, request, fault, task_uuid if reserved else None)

    def _parsed(
        self, task: Mapping[str, Any], taken: Sequence[str], *, upscales_only: bool, max_faults: int
    ) -> Request:
        # Thread pools then refuse work, and every network runs in one.
        if not is_poll(task) and not threading.main_thread().is_alive():
            raise TilewrightError("no task can be started any more, because the program's main thread has ended")
        return parse_task(
            task,
            taken=taken,
            urls=self._handler.fetcher is not None,
            nsfw_problem=nsfw_problem() if task.get("checkNSFW") is True else None,
            models_dir=self._handler.models_dir,
            callback_problem=self._callbacks.url_problem if self._handler.sends_results else None,
            upscales_only=upscales_only,
            max_faults=max_faults,
        )

    def _reserve(self, task_uuid: str) -> bool:
        """Reserves a taskUUID. Returns False if another task has reserved it."""
        with self._lock:
            if task_uuid in self._reserved:
                return False
            self._reserved.add(task_uuid)
            return True

    def _leave(self, entries: Iterable[Entry]) -> None:
        """Releases the taskUUIDs of finished tasks. Asynchronous ones release theirs later."""
        self._release({each.reserved for each in entries if each.reserved is not None and each.async_request is None})

    def _release(self, reserved: set[str]) -> None:
        with self._lock:
            self._reserved -= reserved

    def _accepted(self, entry: Entry) -> Entry:
        """Queues an asynchronous request. Returns the entry, with a fault if that failed."""
        request, reserved = entry.async_request, entry.reserved
        assert request is not None
        assert reserved is not None, "a valid task has reserved its taskUUID"
        # The outcome keeps the request, but not the picture, nor fields that may be long.
        kept = replace(request, input_image=None, model=None)

        def upscale(stop: threading.Event) -> Outcome:
            try:
                with self._places.take(request, stop) as ready:
                    return replace(self._handler.upscale(ready, stop), request=kept)
            except BaseException as error:  # there is no caller to raise it to
                return _error_items(error, entry.task)
            finally:
                self._release({reserved})

        def work(stop: threading.Event) -> Outcome:
            outcome = upscale(stop)
            self._callbacks.tell(kept, outcome)
            return outcome

        try:
            self._background.accept(kept, work, fetches=request.needs_fetch)
        except Exception as error:  # no thread could be started
            return replace(entry, request=None, fault=error)
        self._callbacks.expect(kept)
        return entry

    def _finish_and_leave(self, entry: Entry, stop: threading.Event) -> Reply:
        try:
            return self._finish(entry, stop)
        finally:
            self._leave([entry])

    def _finish(self, entry: Entry, stop: threading.Event) -> Reply:
        try:
            if entry.fault is not None:
                raise entry.fault
            raise_if_cancelled(stop)
            match entry.request:
                case PollRequest():
                    return self._poll(entry.request)
                case UpscaleRequest(is_async=True):
                    return Reply([acknowledgement(entry.request)])
                case UploadRequest():
                    with self._places.take(entry.request, stop) as upload:
                        return Reply([self._handler.upload(upload)])
                case UpscaleRequest():
                    with self._places.take(entry.request, stop) as upscale:
                        upscaled, item = self._handler.upscale_and_answer(upscale, stop)
                    self._callbacks.tell(entry.request, upscaled)
                    return Reply([item])
            raise AssertionError("an entry has a fault or a request")
        except CancelledError:
            raise
        except Exception as error:  # no fault of one task may stop the others
            items = _error_items(error, entry.task)
            self._callbacks.tell(entry.request, items)
            return Reply(errors=items)

    def _poll(self, request: PollRequest) -> Reply:
        found = self._background.find(request.task_uuid)
        if found is None:
            raise _not_found(
                f"there is no task {request.task_uuid} with deliveryMethod async, or its outcome is no longer kept"
            )
        # The reply repeats the taskUUID in the letter case of this question, by which the caller
        # matches it.
        asked, outcome = replace(found.request, task_uuid=request.task_uuid), found.outcome()
        if outcome is None:
            return Reply([acknowledgement(asked, status="processing")])
        if isinstance(outcome, Upscaled):
            try:
                return Reply([self._handler.answer(replace(outcome, request=asked), status="success")])
            except SourceError:
                gone = _not_found(f"the result of task {request.task_uuid} is no longer in the store")
                outcome = error_items(gone, {"taskType": asked.task_type})
        return Reply(errors=[{**item, "taskUUID": request.task_uuid, "status": "error"} for item in outcome])


def _reservable_uuid(task: Mapping[str, Any]) -> str | None:
    """Returns the taskUUID in lower case, whether or not the task is valid otherwise.

    Returns None if it is invalid, or names another task.
    """
    task_uuid = None if is_poll(task) else task.get("taskUUID")
    return task_uuid.lower() if isinstance(task_uuid, str) and is_uuid4(task_uuid) else None


def _ignore_outcome(future: asyncio.Future[Reply]) -> None:
    """Cancels a future, and keeps asyncio from reporting that nobody has asked for its exception."""
    if not future.cancel() and not future.cancelled():
        future.exception()


def _not_found(message: str) -> ParameterError:
    return ParameterError(message, code="taskNotFound", parameter="taskUUID")


def _error_items(error: BaseException, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(error, TilewrightError):
        _log.error("task %s failed", short_repr(task.get("taskUUID")), exc_info=error)
    return error_items(error, task)


def _new_pool(threads: int = MAX_PICTURES, *, name: str = "tilewright") -> ThreadPoolExecutor:
    # Imported at first use, like asyncio: together they would be a third of the package's import
    # time.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix=name)
