"""A relay between clients and a server on this machine, whose connections a test can cut."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading


class Relay(socketserver.ThreadingTCPServer):
    """Passes bytes on in both directions.

    Attributes:
        server_port: Port of the server, for further connections.
        connections: How many connections it has accepted.
        is_open: Whether it takes connections; others are closed at once.
    """

    def __init__(self, server_port):
        """Binds a port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_port = server_port
        self.connections = 0
        self.is_open = True
        self._lock = threading.Lock()
        self._ends = set()

    @property
    def authority(self):
        """Host and port as in a URL."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def http(self):
        """Address for HTTP."""
        return f"http://{self.authority}"

    @contextlib.contextmanager
    def open(self, *ends):
        """Holds both ends of a connection, which `cut` ends."""
        with self._lock:
            self.connections += 1
            self._ends.add(ends)
        try:
            yield
        finally:
            with self._lock:
                self._ends.discard(ends)

    def cut(self):
        """Ends all connections, as a lost network does: no end says goodbye. Returns how many there were."""
        with self._lock:
            for ends in self._ends:
                _end(*ends)
            return len(self._ends)

    def refuse(self):
        """Ends all connections, and takes no others until `is_open` is set."""
        self.is_open = False
        self.cut()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        if not self.server.is_open:
            return
        with (
            socket.create_connection(("127.0.0.1", self.server.server_port)) as server,
            self.server.open(self.request, server),
        ):
            back = threading.Thread(target=_pass_on, args=(server, self.request))
            back.start()
            _pass_on(self.request, server)
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
def relay_to(server_port):
    """Runs a relay inside the block."""
    with Relay(server_port) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield relay
        finally:
            relay.refuse()
            relay.shutdown()
            thread.join()
