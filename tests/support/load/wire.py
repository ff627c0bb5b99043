"""HTTP and WebSocket, as far as the clients of a load need them, over streams whose pace they choose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import struct

from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

HOST = "127.0.0.1"


async def opened(port, *, buffer=None):
    """Opens a connection; returns its reader and writer. With `buffer`, only about as many bytes are received ahead."""
    plain = socket.socket()
    plain.setblocking(False)
    try:
        if buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await asyncio.get_running_loop().sock_connect(plain, (HOST, port))
        return await asyncio.open_connection(sock=plain, limit=buffer or 2**20)
    except BaseException:
        plain.close()
        raise


def request(tasks, *, close=False):
    """Returns the bytes of a call by HTTP."""
    body = json.dumps(tasks).encode()
    headers = "Connection: close\r\n" if close else ""
    head = f"POST /v1 HTTP/1.1\r\nHost: {HOST}\r\n{headers}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def status_and_length(head):
    """Returns the status of a response and the length of its body, from the bytes of its head."""
    [length] = re.findall(rb"(?im)^content-length: (\d+)", head)
    return int(head.split(None, 2)[1]), int(length)


async def response(reader):
    """Reads a response to a call; returns status and envelope."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = status_and_length(head)
    return status, json.loads(await reader.readexactly(length))


class Socket:
    """A WebSocket that reads only when it is told to.

    Attributes:
        texts: Text frames that have arrived, oldest first.
    """

    def __init__(self, reader, writer, port):
        self.reader, self.writer, self.texts = reader, writer, []
        self._protocol = ClientProtocol(parse_uri(f"ws://{HOST}:{port}/v1"), max_size=None)
        self._protocol.send_request(self._protocol.connect())

    async def open(self):
        """Sends the handshake and reads its answer."""
        await self._flush()
        while not await self.read(2**12):
            pass

    async def send(self, tasks):
        """Sends tasks as one frame."""
        self._protocol.send_text(json.dumps(tasks).encode())
        await self._flush()

    async def read(self, most):
        """Reads at most so many bytes. Returns whether anything was complete.

        Raises:
            ConnectionError: The connection has ended.
        """
        data = await self.reader.read(most)
        if not data:
            raise ConnectionError("the server has closed the connection")
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        for event in events:
            if isinstance(event, Response):
                assert event.status_code == 101, event
            elif event.opcode is Opcode.TEXT:
                self.texts.append(bytes(event.data))
        await self._flush()
        return bool(events)

    async def _flush(self):
        self.writer.writelines(self._protocol.data_to_send())
        await self.writer.drain()


async def closed(writer):
    """Closes a connection."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def reset(writer):
    """Ends a connection with a reset: what was sent last may be lost."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
