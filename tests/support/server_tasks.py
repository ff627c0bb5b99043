"""Small tasks for a running server, and frames of its WebSocket."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import socket
import uuid

from PIL import Image
from websockets.sync.client import connect

KEY = "k" * 32


def picture(width=8, height=6, *, seed=1):
    buffer = io.BytesIO()
    noise = random.Random(seed).randbytes(3 * width * height)  # results of noise are large files
    Image.frombytes("RGB", (width, height), noise).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def task(**fields):
    own = {"taskType": "imageUpscale", "taskUUID": str(uuid.uuid4()), "inputImage": picture(), "upscaleFactor": 2}
    return own | fields


def authentication(key=KEY, **fields):
    return {"taskType": "authentication", "apiKey": key, **fields}


def send(ws, *tasks):
    ws.send(json.dumps(list(tasks)))


def receive(ws):
    return json.loads(ws.recv(timeout=60))


@contextlib.contextmanager
def lazy_client(server):
    """Connects a client that takes frames only when a test receives them.

    The system keeps few bytes for it: by default it may keep tens of megabytes, so that all is sent.
    """
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        connection.connect(("127.0.0.1", server.port))
        with connect(server.ws, sock=connection, max_queue=1, max_size=None, ping_interval=None) as ws:
            yield ws
