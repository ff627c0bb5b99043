"""Connections to a server that a test can cut: a TCP proxy on the loopback interface."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading


class CutProxy(socketserver.ThreadingTCPServer):
    """Passes bytes on in both directions.

    Attributes:
        connections: How many connections it has accepted.
    """

    daemon_threads = True

    def __init__(self, port):
        """Binds a port. It passes connections on to another port of this machine."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = ("127.0.0.1", port)
        self.connections = 0
        self._lock = threading.Lock()
        self._open = set()

    @property
    def authority(self):
        """Host and port as in a URL."""
        return f"127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def open(self, *ends):
        """Holds both ends of a connection, which `cut` ends."""
        with self._lock:
            self.connections += 1
            self._open.add(ends)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(ends)

    def cut(self):
        """Ends all connections, as a lost network does: no end says goodbye. New ones are accepted."""
        with self._lock:
            assert self._open, "there was no connection to cut"
            for ends in self._open:
                _end(*ends)


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(self.server.target) as target, self.server.open(self.request, target):
            back = threading.Thread(target=_pass_on, args=(target, self.request))
            back.start()
            _pass_on(self.request, target)
            back.join()


def _pass_on(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
    _end(source, sink)


def _end(*ends):
    for end in ends:
        with contextlib.suppress(OSError):  # it has ended already
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def cut_proxy(port):
    """Runs a proxy inside the block."""
    with CutProxy(port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
