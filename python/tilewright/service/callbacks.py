"""Sends outcomes of tasks to the URLs that the tasks name: ``webhookURL`` and ``uploadEndpoint``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from tilewright.codecs.formats import media_type
from tilewright.errors import SourceError, StoreError, TilewrightError
from tilewright.service.deliveries import PAUSES, Deliveries, Delivery
from tilewright.service.responses import Upscaled, envelope, error_items, serialised
from tilewright.web.errors import SendError
from tilewright.web.url import UrlNotAllowedError, check_host, parse_url

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from tilewright.service.handler import RequestHandler
    from tilewright.service.outcomes import Outcome
    from tilewright.service.requests import UpscaleRequest

# An attempt may take this long, and longer for content that is sent at less than the following speed.
_TIMEOUT = 30.0
_BYTES_PER_SECOND = 2**20


class Callbacks:
    """Sends outcomes in background threads. Whether that succeeds has no effect on the tasks."""

    def __init__(
        self, handler: RequestHandler, *, allow: tuple[str, ...] = (), pauses: Sequence[float] = PAUSES
    ) -> None:
        """Takes the handler, which reads results from the store again when they are sent.

        Args:
            handler: Reads results.
            allow: Hosts with ports, as written in URLs, that may have any address and port.
            pauses: Seconds between the attempts of a delivery.
        """
        self._handler = handler
        self._allow = allow
        self._deliveries = Deliveries(pauses)

    def url_problem(self, url: str) -> str | None:
        """Returns why nothing is sent to a URL, without resolving its host; None if something may be."""
        try:
            check_host(parse_url(url), self._allow)
        except UrlNotAllowedError as error:
            return str(error)
        return None

    def expect(self, request: UpscaleRequest) -> None:
        """Notes that an asynchronous request was accepted, whose outcome `tell` is going to get."""
        if request.has_callbacks:
            self._deliveries.expect(1)

    def tell(self, request: UpscaleRequest, outcome: Outcome) -> None:
        """Queues what a finished request wants to be sent. It never raises.

        Args:
            request: The request.
            outcome: Its result or its error items.
        """
        if not request.has_callbacks:
            return
        kept = request.without_picture()
        if isinstance(outcome, Upscaled):
            outcome = replace(outcome, request=kept)
        if (url := kept.webhook_url) is not None:
            self._add("outcome", kept, url, partial(self._post, url, kept, outcome))
        if (url := kept.upload_endpoint) is not None and isinstance(outcome, Upscaled):
            self._add("result", kept, url, partial(self._put, url, outcome))
        if request.is_async:
            self._deliveries.expect(-1)

    def wait(self) -> None:
        """Returns when nothing is left to be sent, or is not attempted in the next seconds."""
        self._deliveries.wait()

    def _add(self, content: str, request: UpscaleRequest, url: str, attempt: Callable[[threading.Event], None]) -> None:
        parsed = parse_url(url)
        # Paths and queries of such URLs often are secrets.
        where = f"{parsed.scheme}://{parsed.authority}"
        description = f"the {content} of task {request.task_uuid} was not sent to {where}"
        self._deliveries.add(Delivery(description, parsed.authority, attempt))

    def _post(self, url: str, request: UpscaleRequest, outcome: Outcome, stop: threading.Event) -> None:
        if isinstance(outcome, Upscaled):
            try:
                content = envelope([self._handler.answer(outcome)])
            except SourceError as error:
                content = envelope([], _gone(error, request))
            except TilewrightError as error:
                raise SendError(error.message) from error
        else:
            content = envelope([], [dict(item) for item in outcome])
        self._send("POST", url, serialised(content), "application/json", stop)

    def _put(self, url: str, upscaled: Upscaled, stop: threading.Event) -> None:
        try:
            content = self._handler.stored(upscaled.image_uuid)
        except TilewrightError as error:
            raise SendError(error.message, is_final=isinstance(error, SourceError)) from error
        self._send("PUT", url, content, media_type(upscaled.request.output_format), stop)

    def _send(
        self, method: Literal["POST", "PUT"], url: str, content: bytes, content_type: str, stop: threading.Event
    ) -> None:
        from tilewright.web.send import send  # at first use, as it needs the standard library's HTTP client

        timeout = _TIMEOUT + len(content) / _BYTES_PER_SECOND
        send(method, url, content, content_type, timeout=timeout, allow=self._allow, stop=stop)


def _gone(error: SourceError, request: UpscaleRequest) -> list[dict[str, Any]]:
    """Returns the error items of a request whose result has been removed before it was sent."""
    gone = StoreError(f"the result was removed before it was sent: {error.message}")
    return error_items(gone, {"taskUUID": request.task_uuid, "taskType": request.task_type})
