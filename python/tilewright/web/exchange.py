"""One HTTP request and its response, with a host on the public internet.

A URL from an untrusted user must not make this machine send requests into its own network
(server-side request forgery). The host name is therefore resolved here, all its addresses are
checked, and the connection is made to a checked address rather than to the name: a second DNS
lookup could give another answer (DNS rebinding). `http.client` speaks HTTP over that socket. Proxies
are not used, because a proxy would resolve the name itself.
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
from functools import partial
from typing import TYPE_CHECKING, Any

from tilewright.web.errors import ExchangeError, TooLargeError
from tilewright.web.url import DEFAULT_PORTS, ParsedUrl, UrlNotAllowedError, check_host, is_public_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tilewright.web.deadline import Deadline

_CHUNK = 2**16


FAILURES = (UrlNotAllowedError, ExchangeError, OSError, http.client.HTTPException)
"""What `exchange`, and reading its response, raises if the exchange fails."""


@contextlib.contextmanager
def exchange(
    method: str,
    url: ParsedUrl,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    deadline: Deadline,
    max_bytes: int,
    allow: tuple[str, ...],
) -> Iterator[http.client.HTTPResponse]:
    """Sends one request and yields the response, whose content has not been read yet.

    Redirects are not followed. Certificates are verified.

    Args:
        method: HTTP method.
        url: Where to send it.
        headers: Headers of the request, in addition to those of the connection.
        body: Content of the request.
        deadline: Bounds all waits, those for the response's content included.
        max_bytes: Most bytes that the caller reads of the content. Reading much more than this, such
            as endless headers, fails.
        allow: Hosts with ports, as written in the URL (``"127.0.0.1:8000"``), that may have any
            address and port.

    Raises:
        UrlNotAllowedError: The host, one of its addresses, or the port is not allowed.
        ExchangeError: The host has no address, or the response is too large.
        OSError: The connection failed; `TimeoutError` if the deadline has passed.
        http.client.HTTPException: The response is not valid HTTP.
        CancelledError: The deadline's event was set.
    """
    host, default_port = url.authority.rpartition(":")[0], DEFAULT_PORTS[url.scheme]
    headers = {
        "Host": host if url.port == default_port else url.authority,
        "User-Agent": "tilewright",
        # Compressed content could expand beyond the limit.
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    with _connect(url, deadline, allow) as sock:
        connection = http.client.HTTPConnection(url.host, url.port)
        connection.auto_open = 0  # it must not reconnect by name, which would resolve the name again
        connection.sock = _BoundedSocket(sock, deadline, max_bytes)
        connection.request(method, url.resource, body, headers)
        with connection.getresponse() as response:
            yield response


def status_text(status: int) -> str:
    """Returns a status with its standard phrase, never that of the server, which may send anything."""
    return f"{status} {http.client.responses.get(status, '')}".rstrip()


def failure_reason(error: Exception, timeout: float) -> str:
    """Returns why an exchange failed, without quoting the server, which may send anything.

    Args:
        error: One of `FAILURES`.
        timeout: Seconds of the deadline.
    """
    match error:
        case UrlNotAllowedError() | ExchangeError():
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


def _connect(url: ParsedUrl, deadline: Deadline, allow: tuple[str, ...]) -> socket.socket:
    """Connects to a checked address of the URL's host; the connection is encrypted for https."""
    check_host(url, allow)
    found = _resolve(url, deadline)
    # All addresses must be public: a name with a public and a private address could pass a check of
    # the first and be connected to at the second. The message does not say which address is
    # private, so as not to disclose names of the internal network.
    if url.authority not in allow and not all(is_public_address(str(address[0])) for _, address in found):
        raise UrlNotAllowedError("its host has an address that is not on the public internet")
    for untried, (family, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            return _open(url, family, address, deadline.part(1 / untried))
        except ssl.SSLError:
            raise
        except OSError:
            if untried == 1:
                raise
    raise ExchangeError("its host name has no address")


def _open(url: ParsedUrl, family: socket.AddressFamily, address: Any, deadline: Deadline) -> socket.socket:
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


def _resolve(url: ParsedUrl, deadline: Deadline) -> list[tuple[socket.AddressFamily, Any]]:
    """Returns all socket addresses of the URL's host, from one lookup."""
    answer: queue.SimpleQueue[list[tuple[socket.AddressFamily, Any]] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
            answer.put([(family, address) for family, _, _, _, address in found])
        except (OSError, UnicodeError) as error:
            answer.put(error)

    # getaddrinfo has no timeout. A thread that still waits for DNS at the deadline is left running.
    try:
        threading.Thread(target=look_up, name="tilewright-resolve", daemon=True).start()
    except RuntimeError:  # since Python 3.12, none can be started while the process ends
        look_up()
    found = None
    while found is None:
        with contextlib.suppress(queue.Empty):
            found = answer.get(timeout=deadline.patience())
    if isinstance(found, Exception):
        raise ExchangeError("its host name cannot be resolved") from found
    return found


class _BoundedSocket:
    """A connected, non-blocking socket for http.client, which waits until the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = max_bytes

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)  # slices of it are no copies
        while rest:
            sent = self._deadline.run(partial(self._sock.send, rest), self._sock, selectors.EVENT_WRITE)
            rest = rest[sent:]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline, self._max_bytes), _CHUNK)

    def close(self) -> None:
        """Does nothing: http.client closes its connection before the response has been read."""


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline, max_bytes: int) -> None:
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
            raise TooLargeError(self._max_bytes)
        count = self._deadline.run(lambda: self._sock.recv_into(buffer), self._sock, selectors.EVENT_READ)
        self._remaining -= count
        return count
