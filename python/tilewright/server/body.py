"""Reads the JSON of a call, within limits, without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from tilewright.server.state import ServerState

# JSON of more than this is parsed in a thread. Below, the parser takes less than 2 ms.
_PARSED_HERE = 2**17

MAX_UNKNOWN_BYTES = 2**16
"""Most bytes that are read from a client before its key is known."""

# Most values of a call's JSON. Ten thousand tasks with all fields have fewer. Each takes hundreds of
# times its own length as a Python object, and the parser holds up all threads.
_MOST_VALUES = 250_000

# Seconds without any part of a body, and for the whole body of a client whose key is not known.
_PATIENCE = 30.0


@contextlib.asynccontextmanager
async def body_of(request: Request, state: ServerState, *, is_known: bool) -> AsyncIterator[bytes]:
    """Reads the body of a request, and counts it as memory inside the block.

    Args:
        request: The request.
        state: Counts the bytes of all bodies.
        is_known: Whether the client's key is known. Others may send less, in less time.

    Raises:
        TilewrightError: It is too large (code ``requestTooLarge``), or the bodies of all requests
            together are (``rateLimitExceeded``), or it comes too slowly or not to its end
            (``invalidRequest``). No more of it is read.
    """
    limit = state.options.max_body_bytes if is_known else MAX_UNKNOWN_BYTES
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    length = 0
    try:
        stream = request.stream()
        deadline = None if is_known else asyncio.get_running_loop().time() + _PATIENCE
        while (part := await _next_part(stream, deadline)) is not None:
            length += len(part)
            state.body_bytes += len(part)
            if length > limit:
                raise _too_large(limit)
            if not state.has_memory:
                raise too_much_in_memory()
            parts.append(part)
        yield b"".join(parts)
    finally:
        state.body_bytes -= length


async def _next_part(stream: AsyncIterator[bytes], deadline: float | None) -> bytes | None:
    try:
        async with asyncio.timeout(_PATIENCE), asyncio.timeout_at(deadline):
            return await anext(stream, None)
    except TimeoutError as error:
        problem = "no part of the request came for" if deadline is None else "without a key, a call may not take"
        raise _invalid(f"{problem} {_PATIENCE:g} seconds") from error
    except ClientDisconnect as error:
        raise _invalid("the connection was closed before the request was complete") from error


async def parse_tasks(data: bytes | str) -> list[dict[str, Any]]:
    """Parses one task or an array of tasks.

    Raises:
        TilewrightError: It is not JSON, or holds something else (code ``invalidRequest``).
    """
    parsed = await asyncio.to_thread(_parsed, data) if len(data) > _PARSED_HERE else _parsed(data)
    tasks = parsed if isinstance(parsed, list) else [parsed]
    for index, task in enumerate(tasks):
        if not isinstance(task, dict):
            raise _invalid(f'item {index} of the request must be a task object such as {{"taskType": …}}')
    return tasks


def _parsed(data: bytes | str) -> Any:
    separators = ("[", "{", ",") if isinstance(data, str) else (b"[", b"{", b",")
    if sum(map(data.count, separators)) > _MOST_VALUES:  # type: ignore[arg-type]  # of the same type as the data
        raise _invalid(f"the request has more than {_MOST_VALUES:,} values; send it in several calls")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: invalid JSON or encoding
        raise _invalid(f"the request is not JSON: {error}") from error


def too_much_in_memory() -> TilewrightError:
    """Returns the error for a call while the bodies of others take all the memory that they may."""
    return TilewrightError(
        "too many large requests are being read or run; send this one again later", code="rateLimitExceeded"
    )


def _too_large(limit: int) -> TilewrightError:
    return TilewrightError(f"the request has more than {limit} bytes, which is the limit", code="requestTooLarge")


def _invalid(message: str) -> TilewrightError:
    return TilewrightError(message, code="invalidRequest")
