"""Fetches pictures from the public internet, for tasks that may come from untrusted users."""

from __future__ import annotations

import http.client
import io
from typing import TYPE_CHECKING, NamedTuple

from tilewright.errors import ImageTooLargeError, SourceError
from tilewright.limits import UNLIMITED, InputLimits
from tilewright.web.deadline import Deadline
from tilewright.web.errors import ExchangeError, TooLargeError
from tilewright.web.exchange import FAILURES, exchange, failure_reason, status_text
from tilewright.web.url import ParsedUrl, parse_url, redacted_url, resolve_redirect

if TYPE_CHECKING:
    import threading

MAX_BYTES = 100 * 2**20
"""Default limit on the size of a fetched file, in bytes."""

TIMEOUT = 30.0
"""Default limit on the duration of a fetch, in seconds."""

_MAX_REDIRECTS = 5
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_CHUNK = 2**16


def fetch(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    limits: InputLimits = UNLIMITED,
    timeout: float = TIMEOUT,
    allow: tuple[str, ...] = (),
    stop: threading.Event | None = None,
) -> bytes:
    """Fetches a file from an http or https URL on the public internet.

    Up to five redirects are followed, none from https to http. URLs with a user name or password,
    and ports other than 80, 443, 8080 and 8443, are refused. Certificates are verified.

    Args:
        url: URL to fetch.
        max_bytes: Largest accepted file in bytes. A larger announced length is refused before
            reading.
        limits: Limits of the picture; its limit on bytes applies in addition to `max_bytes`.
        timeout: Seconds for the whole fetch: name resolution, connections, redirects and content.
        allow: Hosts with ports, as written in the URL (``"127.0.0.1:8000"``), that may have any
            address and port.
        stop: Cancels the fetch within a fraction of a second once it is set; None if it is never
            set.

    Returns:
        The content, which need not be a picture.

    Raises:
        CancelledError: `stop` was set.
        ImageTooLargeError: The file has more bytes than `limits` allow.
        SourceError: The content could not be fetched completely. The message gives the reason and
            the URL without its query.
    """
    deadline = Deadline(timeout, stop)
    most = max_bytes if limits.file_bytes is None else min(max_bytes, limits.file_bytes)
    current = url
    try:
        for _ in range(1 + _MAX_REDIRECTS):
            reply = _get(parse_url(current), deadline, most, allow)
            if isinstance(reply, bytes):
                return reply
            current = resolve_redirect(current, reply.location)
        raise ExchangeError(f"there are more than {_MAX_REDIRECTS} redirects")
    except FAILURES as error:
        if isinstance(error, TooLargeError) and most == limits.file_bytes:
            raise ImageTooLargeError(
                f"the picture at {redacted_url(url)!r} exceeds a limit: {error}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_BYTES"
            ) from error
        hop = "" if current == url else f"redirected to {redacted_url(current)!r}, "
        raise SourceError(
            f"the picture at {redacted_url(url)!r} cannot be fetched: {hop}{failure_reason(error, timeout)}"
        ) from error


class _Redirect(NamedTuple):
    location: str


def _get(url: ParsedUrl, deadline: Deadline, max_bytes: int, allow: tuple[str, ...]) -> bytes | _Redirect:
    """Sends one request and returns its content or redirect."""
    accept = {"Accept": "image/*"}
    with exchange("GET", url, accept, deadline=deadline, max_bytes=max_bytes, allow=allow) as response:
        if response.status in _REDIRECT_STATUSES:
            if (location := response.getheader("Location")) is None:
                raise ExchangeError(f"the server answers {response.status} without a Location header")
            return _Redirect(location)
        return _content(response, max_bytes)


def _content(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != http.client.OK:
        raise ExchangeError(f"the server answers {status_text(response.status)}")
    for header, expected in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        if (coding := response.getheader(header, expected).strip().lower()) != expected:
            raise ExchangeError(f"the server sends encoded content ({header}: {coding[:20]}) that was not requested")
    announced = response.length
    if announced is not None and announced > max_bytes:
        raise TooLargeError(max_bytes, announced)
    content = io.BytesIO()
    while chunk := response.read(_CHUNK):
        if content.tell() + len(chunk) > max_bytes:
            raise TooLargeError(max_bytes)
        content.write(chunk)
    if announced is not None and content.tell() < announced:
        raise ExchangeError(f"the connection ended after {content.tell()} of {announced} bytes")
    return content.getvalue()
