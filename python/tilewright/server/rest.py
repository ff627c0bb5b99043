"""``POST /v1``: an array of tasks in, an envelope out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.errors import TilewrightError
from tilewright.server.answers import failed_response, json_response, serialised_aside
from tilewright.server.body import body_of, parse_tasks
from tilewright.server.keys import bearer_key
from tilewright.server.log import log_refusal
from tilewright.server.origins import check_origin
from tilewright.server.wire import AUTHENTICATION, invalid_key

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tilewright.server.state import ServerState


async def serve_call(request: Request) -> Response:
    """Answers one call."""
    state: ServerState = request.app.state.server
    try:
        check_origin(request.headers, state.options)
        header_key = bearer_key(request.headers)
        if header_key is not None and state.keys.client(header_key) is None:
            raise invalid_key()  # before the body is read
        # Whoever has no key in the header is asked for it in the body, but not for long.
        is_known = header_key is not None or not state.keys.are_needed
        async with body_of(request, state, is_known=is_known) as body:
            key, tasks = _without_authentication(await parse_tasks(body), header_key)
            client = state.keys.client(key)
            if client is None:
                raise invalid_key()
            response = await state.calls.run(tasks, client)
    except TilewrightError as error:
        log_refusal(error, request)
        return failed_response(error)
    return json_response(await serialised_aside(response))


def _without_authentication(tasks: list[dict[str, Any]], key: str | None) -> tuple[str | None, list[dict[str, Any]]]:
    """Returns the key of a call, from its header or its first task, and the other tasks."""
    if tasks and tasks[0].get("taskType") == AUTHENTICATION:
        given = tasks[0].get("apiKey")
        return (given if isinstance(given, str) else key), tasks[1:]
    return key, tasks
