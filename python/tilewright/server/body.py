"""Reads the JSON of a call, within limits, without blocking the event loop."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    from starlette.requests import Request

# JSON of more than this is parsed in a thread. Below, the parser takes less than 2 ms.
_PARSED_HERE = 2**17


async def read_body(request: Request, limit: int) -> bytes:
    """Returns the body of a request.

    Raises:
        TilewrightError: It has more than `limit` bytes (code ``requestTooLarge``). No more of it is
            read.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


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
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: invalid JSON or encoding
        raise _invalid(f"the request is not JSON: {error}") from error


def _too_large(limit: int) -> TilewrightError:
    return TilewrightError(f"the request has more than {limit} bytes, which is the limit", code="requestTooLarge")


def _invalid(message: str) -> TilewrightError:
    return TilewrightError(message, code="invalidRequest")
