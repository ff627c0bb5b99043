"""Pictures from the web, for tasks that may come from anybody: what is fetched must lie on the public internet.

An address chosen by a stranger must not make this machine ask its own network for things. So the name is resolved
here, every address it has is judged, and the connection is made to a judged address, not to the name: asking DNS
again could give another answer. The same happens anew after every redirect. `http.client` speaks HTTP over that
socket, and no proxy is used, as a proxy would resolve the name itself.
"""

from __future__ import annotations

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from typing import Any, NamedTuple

from tilewright.errors import SourceError
from tilewright.inputs.url import DEFAULT_PORTS, Target, UnfitAddressError, is_public, parse_url, redirected, shown_url

MAX_BYTES = 100 * 2**20
"""Largest file fetched, by default."""

TIMEOUT = 30.0
"""Seconds that one fetch may take, by default."""

# Where web servers are. On other ports a stranger would be talking to mail servers and databases through us.
_PORTS = (80, 443, 8080, 8443)
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 2**16


class _RefusedError(Exception):
    """Why a picture is not fetched, in words that follow on "cannot be fetched:"."""


class _TooLargeError(_RefusedError):
    def __init__(self, max_bytes: int, announced: int | None = None) -> None:
        super().__init__(f"it is larger than {max_bytes} bytes" + (f" ({announced})" if announced else ""))


class _Deadline:
    """One moment at which everything ends, however many waits lie before it."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds to go.

        Raises:
            TimeoutError: none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def fetch(url: str, *, max_bytes: int = MAX_BYTES, timeout: float = TIMEOUT, allow: tuple[str, ...] = ()) -> bytes:
    """The bytes at an http or https address on the public internet, whatever they are.

    Up to five redirects are followed, none from https to http. Addresses with a user name or password, and ports other
    than 80, 443, 8080 and 8443, are refused.

    Args:
        url: what to fetch; certificates of https are verified.
        max_bytes: refuse a file of more bytes than this, before reading it where the server announces its length.
        timeout: seconds for everything together: names, connections, redirects and the whole content.
        allow: hosts with ports, written as in the URL (``"127.0.0.1:8000"``), that may have any address and port.

    Raises:
        SourceError: anything else than the whole content; the message names the URL without its query, and the reason.
    """
    deadline = _Deadline(timeout)
    address = url
    try:
        for _ in range(1 + _MOST_REDIRECTS):
            answer = _get(parse_url(address), deadline, max_bytes, allow)
            if isinstance(answer, bytes):
                return answer
            address = redirected(address, answer.location)
        raise _RefusedError(f"there are more than {_MOST_REDIRECTS} redirects")
    except (UnfitAddressError, _RefusedError, OSError, http.client.HTTPException) as error:
        hop = "" if address == url else f"redirected to {shown_url(address)!r}, "
        raise SourceError(
            f"the picture at {shown_url(url)!r} cannot be fetched: {hop}{_reason(error, timeout)}"
        ) from error


class _Redirect(NamedTuple):
    location: str


def _get(target: Target, deadline: _Deadline, max_bytes: int, allow: tuple[str, ...]) -> bytes | _Redirect:
    """One request and its answer."""
    host, default_port = target.authority.rpartition(":")[0], DEFAULT_PORTS[target.scheme]
    headers = {
        "Host": host if target.port == default_port else target.authority,
        "User-Agent": "tilewright",
        "Accept": "image/*",
        # Content that unpacks to more than was sent would pass by the limit.
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    with _connect(target, deadline, any_address=target.authority in allow) as sock:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.auto_open = 0  # it would connect to whatever the name means by then
        connection.sock = _BoundedSocket(sock, deadline, max_bytes)
        connection.request("GET", target.resource, headers=headers)
        with connection.getresponse() as response:
            if response.status in _REDIRECTS:
                if (location := response.getheader("Location")) is None:
                    raise _RefusedError(f"the server answers {response.status} without saying where to")
                return _Redirect(location)
            return _content(response, max_bytes)


def _content(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.status != http.client.OK:
        phrase = http.client.responses.get(response.status, "")
        raise _RefusedError(f"the server answers {response.status} {phrase}".rstrip())
    for header, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        if (coding := response.getheader(header, plain).strip().lower()) != plain:
            raise _RefusedError(f"the server sends it encoded ({header}: {coding[:20]}), which was not asked for")
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


def _connect(target: Target, deadline: _Deadline, *, any_address: bool) -> socket.socket:
    """A connection, encrypted for https, to an address of the target's that has been judged."""
    if not any_address and target.port not in _PORTS:
        raise _RefusedError(f"port {target.port} is not one of {', '.join(map(str, _PORTS))}")
    found = _resolve(target, deadline)
    # One bad address among good ones is how a name is made to pass the check and be connected to elsewhere. Which
    # address it is stays unsaid: the names of an internal network are nobody else's business.
    if not any_address and not all(is_public(str(address[0])) for _, address in found):
        raise _RefusedError("its host has an address that is not on the public internet")
    for to_try, (family, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            return _open(target, family, address, deadline, share=1 / to_try)
        except ssl.SSLError:
            raise
        except OSError:
            if to_try == 1:
                raise
    raise _RefusedError("its host name has no address")


def _open(
    target: Target, family: socket.AddressFamily, address: Any, deadline: _Deadline, *, share: float
) -> socket.socket:
    """A connection to one address; no step of it takes more than a share of the time left, which others need too."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(deadline.left() * share)
        sock.connect(address)
        if target.scheme == "http":
            return sock
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        sock.settimeout(deadline.left() * share)
        return context.wrap_socket(sock, server_hostname=target.host)
    except BaseException:
        sock.close()
        raise


def _resolve(target: Target, deadline: _Deadline) -> list[tuple[socket.AddressFamily, Any]]:
    """All socket addresses of the target's host, asked for once."""
    answer: queue.SimpleQueue[list[tuple[socket.AddressFamily, Any]] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            answer.put([(family, address) for family, _, _, _, address in found])
        except (OSError, UnicodeError) as error:
            answer.put(error)

    # getaddrinfo knows no deadline; a thread that is still waiting for DNS may go on doing so.
    threading.Thread(target=ask, name="tilewright-resolve", daemon=True).start()
    try:
        found = answer.get(timeout=deadline.left())
    except queue.Empty as error:
        raise TimeoutError from error
    if isinstance(found, Exception):
        raise _RefusedError("its host name cannot be resolved") from found
    return found


class _BoundedSocket:
    """A connected socket as http.client uses one, on which no wait goes beyond the deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = max_bytes

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._deadline, self._max_bytes), _CHUNK)

    def close(self) -> None:
        """Nothing: http.client lets go of a connection before its answer has been read."""


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: _Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = max_bytes
        # All that comes over the wire, headers and the sizes of chunks too. http.client takes a chunk of negative size
        # for "all there is" and trailers without end, and would keep the first and read the second.
        self._left = 2 * max_bytes + 2**20

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left < 0:
            raise _TooLargeError(self._max_bytes)
        # Before every read: a server that sends a byte a second would otherwise never run into a timeout.
        self._sock.settimeout(self._deadline.left())
        count = self._sock.recv_into(buffer)
        self._left -= count
        return count


def _reason(error: Exception, timeout: float) -> str:
    """What went wrong, in our own words as far as possible: servers may say anything."""
    match error:
        case UnfitAddressError() | _RefusedError():
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
