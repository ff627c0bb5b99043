"""A relay between a client and a server on this machine, whose connections can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Passes connections on to a server.

    Attributes:
        port: Its own port.
        server_port: Port of the server, for further connections.
        is_open: Whether it takes connections; others are closed at once.
    """

    def __init__(self, listener, server_port):
        self._listener, self.server_port = listener, server_port
        self.port = listener.getsockname()[1]
        self.is_open = True
        self._sockets, self._threads = [], []

    @property
    def http(self):
        """Address for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self):
        """Ends all connections, and takes no others until `is_open` is set."""
        self.is_open = False
        while self._sockets:
            end(self._sockets.pop())
        while self._threads:
            self._threads.pop().join()

    def serve(self):
        """Takes connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                if not self.is_open:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.server_port))
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=pass_on, args=(source, target)))
                    self._threads[-1].start()


def pass_on(source, target):
    with source, contextlib.suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    end(target)


def end(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay_to(server_port):
    """Runs a relay inside the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(listener, server_port)
        thread = threading.Thread(target=relay.serve)
        thread.start()
        try:
            yield relay
        finally:
            relay.cut()
            end(listener)  # closing it would not wake the thread
            thread.join()
