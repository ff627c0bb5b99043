"""HTTP servers and DNS answers for tests that fetch pictures and send results; nothing leaves this machine.

`fetch` and `send` refuse loopback addresses, so tests allow these servers by host and port. Names ending in
``.test`` are reserved (RFC 6761); tests decide what they resolve to.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import socket
import threading

import numpy as np
import pytest
from PIL import Image

from tilewright.errors import SourceError
from tilewright.inputs.fetch import fetch
from tilewright.web.url import redacted_url


def _png():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


PNG = _png()
"""A PNG file of 7 x 5 pixels."""


class Server(http.server.ThreadingHTTPServer):
    """Answers as a test has set up.

    Attributes:
        routes: Chunks of the answer by request path.
        seen: Path and headers of every request.
        received: Method, path, media type and content of every request that has content.
    """

    def __init__(self, address=("127.0.0.1", 0)):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.routes = {}
        self.seen = []
        self.received = []
        self._first = {}
        self._held = {}
        self.stop = threading.Event()

    @property
    def authority(self):
        """Host and port as in a URL."""
        host = self.server_address[0]
        return f"[{host}]:{self.server_port}" if ":" in host else f"{host}:{self.server_port}"

    def url(self, path):
        """Returns the URL of a path on this server."""
        return f"http://{self.authority}{path}"

    def reply(self, path, body=b"", *, status=200, **headers):
        """Sets the answer for a path; a header that is None is not sent."""
        headers = {"Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        self.raw(path, "\r\n".join([f"HTTP/1.1 {status} X", *lines, "", ""]).encode("latin-1") + body)

    def raw(self, path, *chunks):
        """Sets the raw bytes of the answer for a path; each chunk after the first follows 50 ms later."""
        self.routes[path] = chunks

    def fail_first(self, path, *statuses, **headers):
        """Sets the statuses of the first answers for a path, before those of `reply`."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._first[path] = [
            "\r\n".join([f"HTTP/1.1 {status} X", "Content-Length: 0", *lines, "", ""]).encode() for status in statuses
        ]

    def hold(self, path):
        """Returns an event; requests for a path are answered once it is set."""
        return self._held.setdefault(path, threading.Event())

    def chunks_of(self, path):
        """Returns the next answer for a path."""
        if (held := self._held.get(path)) is not None:
            held.wait(60)
        first = self._first.get(path)
        return [first.pop(0)] if first else self.routes[path]

    def redirect(self, path, location, status=302):
        """Sets a redirect as the answer for a path."""
        self.reply(path, status=status, Location=location)

    def handle_error(self, *_args):
        """Does nothing: in many of these tests the client closes the connection early."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers))
        self.close_connection = True
        for number, chunk in enumerate(self.server.chunks_of(self.path)):
            if number and self.server.stop.wait(0.05):
                return
            self.wfile.write(chunk)
            self.wfile.flush()

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.command, self.path, self.headers["Content-Type"], content))
        self.do_GET()

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *_args):
        pass


@contextlib.contextmanager
def serving(address=("127.0.0.1", 0), context=None):
    """Runs a `Server` inside the block; with an SSL context it speaks https."""
    server = Server(address)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


class Names(dict):
    """DNS answers: a list of answers by name, each a list of addresses; the last one repeats.

    Attributes:
        asked: All names that were looked up.
    """

    def __init__(self):
        self.asked = []

    def answer(self, name):
        """Returns the next answer for a name."""
        self.asked.append(name)
        if name not in self:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self[name].pop(0) if len(self[name]) > 1 else self[name][0]


def refusal(url, **options):
    """Returns the message with which `fetch` refuses a URL."""
    with pytest.raises(SourceError) as caught:
        fetch(url, **options)
    assert caught.value.code == "failedToTransferImage"
    assert repr(redacted_url(url)) in caught.value.message
    return caught.value.message
