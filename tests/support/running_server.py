"""A server in a thread of this process, on a port of the loopback interface."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace

from tilewright import Settings, Upscaler
from tilewright.server.application import create_app
from tilewright.server.uvicorn_server import TilewrightServer


class RunningServer:
    """A server that answers.

    Attributes:
        upscaler: The Upscaler that runs the tasks.
        state: The state of the application.
        port: Its port.
    """

    def __init__(self, upscaler, state, port):
        self.upscaler, self.state, self.port = upscaler, state, port

    @property
    def http(self):
        """Address for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self):
        """Address for WebSocket."""
        return f"ws://127.0.0.1:{self.port}/v1"

    def request(self, path, data=None, *, headers=None, method=None):
        """Sends a request; returns status, headers and body."""
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        request = urllib.request.Request(self.http + path, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def call(self, tasks, **options):
        """Sends tasks by HTTP; returns status and envelope."""
        status, _, body = self.request("/v1", tasks, **options)
        return status, json.loads(body)


@contextlib.contextmanager
def running_server(folder, *, options=None, settings=None):
    """Runs a server inside the block, with a store in a folder."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        public_url = f"http://127.0.0.1:{port}/images"
        given = replace(settings or Settings.from_environment(), store_public_url=public_url, store=str(folder))
        upscaler = Upscaler(settings=given, device="cpu")
        app = create_app(upscaler, options)
        server = TilewrightServer(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server could not be started"
                time.sleep(0.01)
            yield RunningServer(upscaler, app.state.server, port)
        finally:
            server.should_exit = True
            thread.join()
