"""Runs tasks: several at a time, now or later, from threads or from asyncio."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from tilewright.engine.progress import raise_if_cancelled
from tilewright.errors import CancelledError, InvalidTaskError, TilewrightError, short_repr
from tilewright.lazy import Lazy
from tilewright.nsfw import nsfw_problem
from tilewright.service.background import BackgroundTasks
from tilewright.service.callbacks import Callbacks
from tilewright.service.entries import Call, Entry, Reply, joined
from tilewright.service.outcomes import Outcome, Outcomes
from tilewright.service.parsing import is_poll, parse_task, require_mapping
from tilewright.service.places import MAX_FETCHES, MAX_PICTURES, Places
from tilewright.service.polling import Polling
from tilewright.service.requests import PollRequest, Request, TaskKey, UploadRequest, UpscaleRequest
from tilewright.service.reservations import Reservations
from tilewright.service.responses import acknowledgement, error_items
from tilewright.store import is_uuid4

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from tilewright.options import CallOptions
    from tilewright.service.handler import RequestHandler
    from tilewright.store import ImageStore

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

    A client cannot use a taskUUID again until its task is finished. Clients do not know each other's
    tasks, and take turns.
    """

    def __init__(self, handler: RequestHandler, store: Lazy[ImageStore], *, max_tasks: int, max_waiting: int) -> None:
        """Takes the handler; no thread is started yet.

        Args:
            handler: Runs single requests.
            store: Keeps outcomes of asynchronous requests.
            max_tasks: Most tasks of one call.
            max_waiting: Most asynchronous requests that are not finished.
        """
        self._handler = handler
        self._max_tasks = max_tasks
        self._reserved = Reservations()
        self._places = Places(handler)
        self._outcomes = Outcomes(store)
        self._callbacks = Callbacks(handler)  # before the background tasks, so that it ends after them
        self._background = BackgroundTasks(
            partial(_new_pool, name="tilewright-background"),
            partial(_new_pool, MAX_FETCHES, name="tilewright-fetch"),
            self._outcomes,
            max_waiting=max_waiting,
        )
        self._polling = Polling(self._background, self._outcomes, handler)
        # Not asyncio's default executor: pictures would delay the program's own uses of it.
        self._asyncio_pool = Lazy(partial(_new_pool, _MAX_ASYNCIO_CALLS), per_process=True)
        # Tasks of streams, those whose pictures are fetched and the others. One pool for all calls: an event
        # loop waits for each thread that it starts.
        self._stream_pools = {
            fetches: Lazy(partial(_new_pool, MAX_PICTURES * _MAX_ASYNCIO_CALLS), per_process=True)
            for fetches in (False, True)
        }

    def run(
        self,
        tasks: Tasks,
        *,
        upscales_only: bool,
        stop: threading.Event | None = None,
        **options: Unpack[CallOptions],
    ) -> dict[str, Any]:
        """Runs tasks and returns the envelope, in the order of the tasks.

        Args:
            tasks: One task, or several.
            upscales_only: Whether tasks of other types are faults.
            stop: Cancels the work after the current tile once it is set; None if it is never set.
            **options: See `CallOptions`.

        Raises:
            TypeError: A task is not a mapping.
            ValueError: The client's name has other characters.
            CancelledError: `stop` was set.
        """
        call = Call(upscales_only=upscales_only, stop=stop or threading.Event(), **options)
        entries = self._enter(tasks, call)
        try:
            if len(entries) == 1 or all(entry.fault for entry in entries):
                return joined([self._finish(entry, call) for entry in entries])
            # Tasks whose pictures are fetched start last, and have threads of their own.
            fetches = min(MAX_FETCHES, sum(entry.needs_fetch for entry in entries))
            with _new_pool(MAX_PICTURES + fetches) as pool:
                try:
                    order = sorted(range(len(entries)), key=lambda index: entries[index].needs_fetch)
                    replies = {index: pool.submit(self._finish, entries[index], call) for index in order}
                    return joined([replies[index].result() for index in range(len(entries))])
                except BaseException:  # such as Ctrl-C: leaving the block waits for the threads
                    call.stop.set()
                    raise
        finally:
            self._leave(entries)

    async def arun(self, tasks: Tasks, *, upscales_only: bool, **options: Unpack[CallOptions]) -> dict[str, Any]:
        """Runs `run` outside the event loop. Cancellation stops the work after the current tile."""
        import asyncio

        stop = threading.Event()
        run = partial(self.run, tasks, upscales_only=upscales_only, stop=stop, **options)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._asyncio_pool.get(), run)
        finally:
            stop.set()

    async def astream(self, tasks: Tasks, **options: Unpack[CallOptions]) -> AsyncIterator[dict[str, Any]]:
        """Yields the envelope of each task as soon as it is finished.

        Tasks that need no network come first. Leaving the loop early cancels the others. At most a
        few tasks run before the caller takes their envelopes. For options see `CallOptions`.
        """
        import asyncio

        call = Call(stop=threading.Event(), **options)
        entries = await self._entered(tasks, call)
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
                        future = self._stream_pools[fetch].get().submit(self._finish_and_leave, entry, call)
                        running[asyncio.wrap_future(future)] = entry, future
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for finished in done:
                    del running[finished]
                while done:  # pop, so that no reference to a reply remains
                    yield joined([done.pop().result()])
        finally:
            call.stop.set()
            # Running tasks release their taskUUIDs when they have stopped. Those of the other tasks
            # are released here.
            self._leave(
                [*waiting[False], *waiting[True], *(entry for entry, future in running.values() if future.cancel())]
            )
            for each in (*done, *running):  # nobody waits for them, perhaps not even the event loop
                _ignore_outcome(each)

    @property
    def unfinished(self) -> int:
        """Asynchronous requests that wait or run."""
        return self._background.unfinished

    def wait(self) -> None:
        """Returns when all asynchronous requests are finished, and their outcomes sent if possible."""
        self._background.wait()
        self._callbacks.wait()

    def stop(self) -> None:
        """Cancels all asynchronous requests after the current tile."""
        self._background.stop()

    async def _entered(self, tasks: Tasks, call: Call) -> list[Entry]:
        """Runs `_enter` without blocking the event loop for long."""
        import asyncio

        if len(tasks) <= _VALIDATED_HERE or isinstance(tasks, Mapping):
            return self._enter(tasks, call)
        entering = self._asyncio_pool.get().submit(self._enter, tasks, call)
        try:
            return await asyncio.wrap_future(entering)
        except asyncio.CancelledError:  # the thread may go on, and reserves taskUUIDs for nobody
            entering.add_done_callback(self._leave_entered)
            raise

    def _leave_entered(self, entering: Future[list[Entry]]) -> None:
        if not entering.cancelled() and entering.exception() is None:
            self._leave(entering.result())

    def _enter(self, tasks: Tasks, call: Call) -> list[Entry]:
        """Validates tasks, reserves their taskUUIDs, and queues the asynchronous ones.

        Too many tasks are refused together, by one entry that stands for all of them: an answer to
        each would be as long as the call.
        """
        if re.fullmatch("[0-9A-Za-z-]{1,64}", call.client) is None:  # it becomes part of file names
            raise ValueError(f"client must be 1 to 64 letters, digits and hyphens, not {short_repr(call.client)}")
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
                entry = self._validated(task, call, max_faults=max(1, faults_left))
                if isinstance(entry.fault, InvalidTaskError):
                    faults_left -= len(entry.fault.faults)
                entries.append(entry)
        except BaseException:  # such as Ctrl-C
            self._reserved.release({entry.reserved for entry in entries if entry.reserved is not None})
            raise
        # Before any task runs, because one may ask about another.
        return [entry if entry.async_request is None else self._accepted(entry, call) for entry in entries]

    def _validated(self, task: Mapping[str, Any], call: Call, *, max_faults: int) -> Entry:
        """Reserves a task's taskUUID and parses the task, without the lock: it may be long."""
        key = _reservable_key(task, call.client)
        reserved = key is not None and self._reserved.reserve(key)
        request: Request | None = None
        fault: Exception | None = None
        try:
            taken = () if key is None or reserved else (key.task_uuid,)
            request = self._parsed(task, taken, upscales_only=call.upscales_only, max_faults=max_faults)
        except Exception as error:  # no fault of one task may stop the others
            fault = error
        return Entry(task, request, fault, key if reserved else None)

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

    def _leave(self, entries: Iterable[Entry]) -> None:
        """Releases the taskUUIDs of finished tasks. Asynchronous ones release theirs later."""
        self._reserved.release(
            {each.reserved for each in entries if each.reserved is not None and each.async_request is None}
        )

    def _accepted(self, entry: Entry, call: Call) -> Entry:
        """Queues an asynchronous request. Returns the entry, with a fault if that failed."""
        request, key = entry.async_request, entry.reserved
        assert request is not None
        assert key is not None, "a valid task has reserved its taskUUID"
        kept = request.without_picture()

        def upscale(stop: threading.Event) -> Outcome:
            try:
                with self._places.take(request, stop, call.client) as ready:
                    return replace(self._handler.upscale(ready, stop), request=kept)
            except BaseException as error:  # there is no caller to raise it to
                return _error_items(error, entry.task, call)

        def work(stop: threading.Event) -> Outcome:
            outcome = upscale(stop)
            self._callbacks.tell(kept, outcome)
            call.tell(entry.task, outcome[0]["code"] if isinstance(outcome, list) else "ok")
            return outcome

        try:
            self._background.accept(
                key, kept, work, release=partial(self._reserved.release, {key}), fetches=request.needs_fetch
            )
        except Exception as error:  # no thread could be started
            return replace(entry, request=None, fault=error)
        self._callbacks.expect(kept)
        return entry

    def _finish_and_leave(self, entry: Entry, call: Call) -> Reply:
        try:
            return self._finish(entry, call)
        finally:
            self._leave([entry])

    def _finish(self, entry: Entry, call: Call) -> Reply:
        reply = self._reply(entry, call)
        call.tell(entry.task, _outcome(entry, reply))
        return reply

    def _reply(self, entry: Entry, call: Call) -> Reply:
        try:
            if entry.fault is not None:
                raise entry.fault
            raise_if_cancelled(call.stop)
            match entry.request:
                case PollRequest():
                    return self._polling.reply(entry.request, call.client)
                case UpscaleRequest(is_async=True):
                    assert entry.reserved is not None
                    self._background.record(entry.reserved)
                    return Reply([acknowledgement(entry.request)])
                case UploadRequest():
                    with self._places.take(entry.request, call.stop, call.client) as upload:
                        return Reply([self._handler.upload(upload)])
                case UpscaleRequest():
                    return self._upscale(entry, entry.request, call)
            raise AssertionError("an entry has a fault or a request")
        except CancelledError:
            raise
        except Exception as error:  # no fault of one task may stop the others
            return Reply(errors=_error_items(error, entry.task, call))

    def _upscale(self, entry: Entry, request: UpscaleRequest, call: Call) -> Reply:
        on_progress = None if call.on_progress is None else partial(call.on_progress, request.task_uuid)
        outcome: Outcome
        try:
            with self._places.take(request, call.stop, call.client) as ready:
                outcome, item = self._handler.upscale_and_answer(ready, call.stop, on_progress)
            reply = Reply([item])
        except CancelledError:
            raise
        except Exception as error:  # as in `_reply`
            outcome = _error_items(error, entry.task, call)
            reply = Reply(errors=outcome)
        if call.keep and entry.reserved is not None:
            self._outcomes.write_finished(entry.reserved, request, outcome)
        self._callbacks.tell(request, outcome)
        return reply


def _reservable_key(task: Mapping[str, Any], client: str) -> TaskKey | None:
    """Returns the key of a task, whether or not the task is valid otherwise.

    Returns None if its taskUUID is invalid, or names another task.
    """
    task_uuid = None if is_poll(task) else task.get("taskUUID")
    return TaskKey(client, task_uuid.lower()) if isinstance(task_uuid, str) and is_uuid4(task_uuid) else None


def _ignore_outcome(future: asyncio.Future[Reply]) -> None:
    """Cancels a future, and keeps asyncio from reporting that nobody has asked for its exception."""
    if not future.cancel() and not future.cancelled():
        future.exception()


def _outcome(entry: Entry, reply: Reply) -> str:
    """Returns the outcome of a task, see `CallOptions`."""
    if reply.errors and "status" not in reply.errors[0]:  # errors with a status are of the task that was asked about
        return str(reply.errors[0]["code"])
    return "ok" if entry.async_request is None else "accepted"


def _error_items(error: BaseException, task: Mapping[str, Any], call: Call) -> list[dict[str, Any]]:
    if not isinstance(error, TilewrightError):
        _log.error("task %s failed", short_repr(task.get("taskUUID")), exc_info=error)
    return error_items(error, task, remote=call.remote)


def _new_pool(threads: int = MAX_PICTURES, *, name: str = "tilewright") -> ThreadPoolExecutor:
    # Imported at first use, like asyncio: together they would be a third of the package's import
    # time.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix=name)
