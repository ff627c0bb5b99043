"""Small tasks for a running server, and frames of its WebSocket."""

from __future__ import annotations

import base64
import io
import json
import random
import uuid

from PIL import Image

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
