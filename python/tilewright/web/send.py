"""Sends content to a URL on the public internet, for tasks that may come from untrusted users."""

from __future__ import annotations

import contextlib
import email.utils
import time
from typing import TYPE_CHECKING, Literal

from tilewright.web.deadline import Deadline
from tilewright.web.errors import SendError
from tilewright.web.exchange import FAILURES, exchange, failure_reason, status_text
from tilewright.web.url import UrlNotAllowedError, parse_url

if TYPE_CHECKING:
    import http.client
    import threading

# Most bytes of a response that are read. Nobody uses them, but a server may take a connection that is
# closed while it answers for a failure.
_MAX_RESPONSE = 2**16


def send(
    method: Literal["POST", "PUT"],
    url: str,
    content: bytes,
    content_type: str,
    *,
    timeout: float,
    allow: tuple[str, ...] = (),
    stop: threading.Event | None = None,
) -> None:
    """Sends content to an http or https URL, once.

    The rules of `tilewright.web.exchange` hold. Redirects are failures.

    Args:
        method: HTTP method.
        url: Where to send it.
        content: What to send.
        content_type: Its media type.
        timeout: Seconds for everything: name resolution, connection, request and response.
        allow: See `exchange`.
        stop: Cancels the attempt within a fraction of a second once it is set; None if it is never
            set.

    Raises:
        SendError: The receiver did not answer with a status of 200 to 299.
        CancelledError: `stop` was set.
    """
    deadline = Deadline(timeout, stop)
    headers = {"Content-Type": content_type}
    try:
        with exchange(
            method, parse_url(url), headers, content, deadline=deadline, max_bytes=_MAX_RESPONSE, allow=allow
        ) as response:
            _raise_for_status(response)
            with contextlib.suppress(*FAILURES):  # the content has been accepted
                response.read(_MAX_RESPONSE)
    except FAILURES as error:
        is_final = isinstance(error, UrlNotAllowedError)
        raise SendError(failure_reason(error, timeout), is_final=is_final) from error


def retry_after_seconds(header: str | None) -> float | None:
    """Returns the seconds that a Retry-After header asks for; None if it is absent or malformed."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _raise_for_status(response: http.client.HTTPResponse) -> None:
    if 200 <= response.status < 300:
        return
    reason = f"the server answers {status_text(response.status)}"
    if 300 <= response.status < 400:
        reason += ", and redirects are not followed"
    raise SendError(reason, retry_after=retry_after_seconds(response.getheader("Retry-After")))
