"""Envelopes and HTTP responses that the server itself makes, beside those of tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from tilewright.service.responses import envelope, error_items, serialised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tilewright.errors import TilewrightError

# HTTP status by error code, for a call that fails as a whole. Errors of single tasks are part of a
# response with status 200, as the service's clients expect.
_STATUS = {
    "forbiddenOrigin": 403,
    "invalidApiKey": 401,
    "rateLimitExceeded": 429,
    "internalServerError": 500,
    "requestTooLarge": 413,
    "serverStopping": 503,
}

# Answers that take the event loop about a millisecond.
_FEW_ANSWERS = 50

_RETRY_SECONDS = {429: 1, 503: 5}


def failure(error: TilewrightError, task: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns the envelope of a call that fails as a whole."""
    return envelope([], error_items(error, task or {}, remote=True))


def failed_response(error: TilewrightError) -> Response:
    """Returns the HTTP response of a call that fails as a whole."""
    status = _STATUS.get(error.code, 400)
    headers = {"Retry-After": str(_RETRY_SECONDS[status])} if status in _RETRY_SECONDS else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return json_response(serialised(failure(error)), status=status, headers=headers)


def json_response(content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns JSON that nobody may keep or take for a page."""
    own = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(content, status, {**own, **(headers or {})}, media_type="application/json")


async def serialised_aside(response: Mapping[str, Any]) -> bytes:
    """Returns an envelope as JSON; made in a thread if it has many answers or holds pictures."""
    answers = response["data"]
    is_large = len(answers) + len(response.get("errors", ())) > _FEW_ANSWERS or any(
        key in item for item in answers for key in ("imageBase64Data", "imageDataURI")
    )
    return await asyncio.to_thread(serialised, response) if is_large else serialised(response)
