"""Fetches pictures from the public internet, for tasks that may come from untrusted users.

A URL from an untrusted user must not make this machine send requests into its own network
(server-side request forgery). The host name is therefore resolved here, all its addresses are
checked, and the connection is made to a checked address rather than to the name: a second DNS
lookup could give another answer (DNS rebinding). The same is done for every redirect. `http.client`
speaks HTTP over that socket. Proxies are not used, because a proxy would resolve the name itself.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tilewright.engine.progress import raise_if_cancelled
from tilewright.errors import ImageTooLargeError, SourceError
from tilewright.inputs.url import (
    DEFAULT_PORTS,
    ParsedUrl,
    UrlNotAllowedError,
    is_public_address,
    parse_url,
    redacted_url,
    resolve_redirect,
)
from tilewright.limits import UNLIMITED, InputLimits

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

MAX_BYTES = 100 * 2**20
"""Default limit on the size of a fetched file, in bytes."""

TIMEOUT = 30.0
"""Default limit on the duration of a fetch, in seconds."""

# Ports of web servers. Other ports would let untrusted users reach mail servers and databases.
_PORTS = (80, 443, 8080, 8443)
_MAX_REDIRECTS = 5
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
_CHUNK = 2**16

# Longest wait in seconds before cancellation is noticed.
_PATIENCE = 0.1


class _RefusedError(Exception):
    """A fetch that is refused; the message completes the phrase "cannot be fetched:"."""


class _TooLargeError(_RefusedError):
    def __init__(self, max_bytes: int, announced: int | None = None) -> None:
        super().__init__(f"it is larger than {max_bytes} bytes" + (f" ({announced})" if announced else ""))


class _Deadline:
    """A point in time that bounds all waits of one fetch together, and ends them on cancellation."""

    def __init__(self, seconds: float, stop: threading.Event | None) -> None:
        self._end = time.monotonic() + seconds
        self._stop = stop

    def remaining(self) -> float:
        """Returns the remaining seconds.

        Raises:
            TimeoutError: The deadline has passed.
            CancelledError: The fetch was cancelled.
        """
        if self._stop is not None:
            raise_if_cancelled(self._stop)
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def patience(self) -> float:
        """Returns the seconds to wait before `remaining` must be called again; raises as it does."""
        return min(self.remaining(), _PATIENCE)

    def part(self, share: float) -> _Deadline:
        """Returns a deadline at a share of the remaining time."""
        return _Deadline(self.remaining() * share, self._stop)

    def wait(self, sock: socket.socket, event: int) -> None:
        """Waits until a socket is ready for an event of `selectors`; raises as `remaining` does."""
        with selectors.DefaultSelector() as selector:
            selector.register(sock, event)
            while not selector.select(self.patience()):
                pass

    def run(self, action: Callable[[], _T], sock: socket.socket, event: int) -> _T:
        """Runs an action on a non-blocking socket, as soon as the socket is ready for it.

        A server that always has more to send never makes it wait, so time and cancellation are
        checked before every action too.
        """
        while True:
            self.remaining()
            try:
                return action()
            except ssl.SSLWantReadError:
                self.wait(sock, selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                self.wait(sock, selectors.EVENT_WRITE)
            except BlockingIOError:
                self.wait(sock, event)


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
    deadline = _Deadline(timeout, stop)
    most = max_bytes if limits.file_bytes is None else min(max_bytes, limits.file_bytes)
    current = url
    try:
        for _ in range(1 + _MAX_REDIRECTS):
            reply = _get(parse_url(current), deadline, most, allow)
            if isinstance(reply, bytes):
                return reply
            current = resolve_redirect(current, reply.location)
        raise _RefusedError(f"there are more than {_MAX_REDIRECTS} redirects")
    except (UrlNotAllowedError, _RefusedError, OSError, http.client.HTTPException) as error:
        if isinstance(error, _TooLargeError) and most == limits.file_bytes:
            raise ImageTooLargeError(
                f"the picture at {redacted_url(url)!r} exceeds a limit: {error}; "
                "send a smaller one, or raise TILEWRIGHT_MAX_INPUT_BYTES"
            ) from error
        hop = "" if current == url else f"redirected to {redacted_url(current)!r}, "
        raise SourceError(
            f"the picture at {redacted_url(url)!r} cannot be fetched: {hop}{_reason(error, timeout)}"
        ) from error


class _Redirect(NamedTuple):
    location: str


def _get(url: ParsedUrl, deadline: _Deadline, max_bytes: int, allow: tuple[str, ...]) -> bytes | _Redirect:
    """Sends one request and returns its content or redirect."""
    host, default_port = url.authority.rpartition(":")[0], DEFAULT_PORTS[url.scheme]
    headers = {
        "Host": host if url.port == default_port else url.authority,
        "User-Agent": "tilewright",
        "Accept": "image/*",
        # Compressed content could expand beyond the limit.
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    with _connect(url, deadline, any_address=url.authority in allow) as sock:
        connection = http.client.HTTPConnection(url.host, url.port)
        connection.auto_open = 0  # it must not reconnect by name, which would resolve the name again
        connection.sock = _BoundedSocket(sock, deadline, max_bytes)
        connection.request("GET", url.resource, headers=headers)
        with connection.getresponse() as response:
            if response.status in _REDIRECT_STATUSES:
                if (location := response.getheader("Location")) is None:
                    raise _RefusedError(f"the server answers {response.status} without a Location header")
                return _Redirect(location)
            return _content(response, max_bytes)


def _content(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != http.client.OK:
        phrase = http.client.responses.get(response.status, "")
        raise _RefusedError(f"the server answers {response.status} {phrase}".rstrip())
    for header, expected in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        if (coding := response.getheader(header, expected).strip().lower()) != expected:
            raise _RefusedError(f"the server sends encoded content ({header}: {coding[:20]}) that was not requested")
    announced = response.length
    if announced is not None and announced > max_bytes:
        raise _TooLargeError(max_bytes, announced)
    content = io.BytesIO()
    while chunk := response.read(_CHUNK):
        if content.tell() + len(chunk) > max_bytes:
            raise _TooLargeError(max_bytes)
        content.write(chunk)
    if announced is not None and content.tell() < announced:
        raise _RefusedError(f"the connection ended after {content.tell()} of {announced} bytes")
    return content.getvalue()


def _connect(url: ParsedUrl, deadline: _Deadline, *, any_address: bool) -> socket.socket:
    """Connects to a checked address of the URL's host; the connection is encrypted for https."""
    if not any_address and url.port not in _PORTS:
        raise _RefusedError(f"port {url.port} is not one of {', '.join(map(str, _PORTS))}")
    found = _resolve(url, deadline)
    # All addresses must be public: a name with a public and a private address could pass a check of
    # the first and be connected to at the second. The message does not say which address is
    # private, so as not to disclose names of the internal network.
    if not any_address and not all(is_public_address(str(address[0])) for _, address in found):
        raise _RefusedError("its host has an address that is not on the public internet")
    for untried, (family, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            return _open(url, family, address, deadline.part(1 / untried))
        except ssl.SSLError:
            raise
        except OSError:
            if untried == 1:
                raise
    raise _RefusedError("its host name has no address")


def _open(url: ParsedUrl, family: socket.AddressFamily, address: Any, deadline: _Deadline) -> socket.socket:
    """Connects to one address. The socket is non-blocking."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(address)
        deadline.wait(sock, selectors.EVENT_WRITE)
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        if url.scheme == "http":
            return sock
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        sock = context.wrap_socket(sock, server_hostname=url.host, do_handshake_on_connect=False)
        deadline.run(sock.do_handshake, sock, selectors.EVENT_READ)
        return sock
    except BaseException:
        sock.close()
        raise


def _resolve(url: ParsedUrl, deadline: _Deadline) -> list[tuple[socket.AddressFamily, Any]]:
    """Returns all socket addresses of the URL's host, from one lookup."""
    answer: queue.SimpleQueue[list[tuple[socket.AddressFamily, Any]] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
            answer.put([(family, address) for family, _, _, _, address in found])
        except (OSError, UnicodeError) as error:
            answer.put(error)

    # getaddrinfo has no timeout. A thread that still waits for DNS at the deadline is left running.
    threading.Thread(target=look_up, name="tilewright-resolve", daemon=True).start()
    found = None
    while found is None:
        with contextlib.suppress(queue.Empty):
            found = answer.get(timeout=deadline.patience())
    if isinstance(found, Exception):
        raise _RefusedError("its host name cannot be resolved") from found
    return found


class _BoundedSocket:
    """A connected, non-blocking socket for http.client, which waits until the deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = max_bytes

    def sendall(self, data: bytes) -> None:
        while data:
            sent = self._deadline.run(partial(self._sock.send, data), self._sock, selectors.EVENT_WRITE)
            data = data[sent:]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline, self._max_bytes), _CHUNK)

    def close(self) -> None:
        """Does nothing: http.client closes its connection before the response has been read."""


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: _Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = max_bytes
        # Limits all bytes received, including headers and chunk sizes. http.client reads a chunk of
        # negative size as "until the end" into memory, and reads trailers without a limit.
        self._remaining = 2 * max_bytes + 2**20

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._remaining < 0:
            raise _TooLargeError(self._max_bytes)
        count = self._deadline.run(lambda: self._sock.recv_into(buffer), self._sock, selectors.EVENT_READ)
        self._remaining -= count
        return count


def _reason(error: Exception, timeout: float) -> str:
    """Returns why a fetch failed, without quoting the server, which may send anything."""
    match error:
        case UrlNotAllowedError() | _RefusedError():
            return str(error)
        case TimeoutError():
            return f"it takes longer than {timeout:g} seconds"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not valid ({error.verify_message})"
        case ssl.SSLError():
            return f"no encrypted connection ({error.reason or 'failed'})"
        case http.client.IncompleteRead():
            return "the connection ended early"
        case OSError():
            return f"the connection failed ({error.strerror or 'closed by the server'})"
        case _:
            return "the server's answer is not valid HTTP"
