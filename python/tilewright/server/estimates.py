"""``GET /estimate``: how long a picture will take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tilewright.errors import ParameterError, TilewrightError, short_repr
from tilewright.literals import TASK_FACTORS
from tilewright.models.loader import check_name
from tilewright.server.answers import failed_response, json_response
from tilewright.server.keys import bearer_key
from tilewright.server.log import log_refusal
from tilewright.server.wire import invalid_key

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from tilewright.server.state import ServerState

# More digits than any side of a picture has.
_MOST_DIGITS = 9


async def serve_estimate(request: Request) -> Response:
    """Returns the expected seconds of a picture in a network: ``{"seconds": 12.3}``.

    The query has ``width`` and ``height`` in pixels, ``factor``, and ``model``, which may be absent
    for the default. Without a picture, only its time in the network can be known.
    """
    state: ServerState = request.app.state.server
    try:
        client = state.keys.client(bearer_key(request.headers))
        if client is None:
            raise invalid_key()
        query = request.query_params
        width, height = _integer(query, "width"), _integer(query, "height")
        factor, model = _factor(query), query.get("model")
        settings = state.calls.upscaler.settings
        settings.limits.check_size(width, height)  # tiles of sizes that no picture has take long to plan
        if model is not None:  # networks that tasks may name, and no paths of files
            check_name(model, factor, models_dir=settings.models_dir)
        seconds = await state.calls.estimate(client, width=width, height=height, factor=factor, model=model)
    except TilewrightError as error:
        log_refusal(error, request)
        return failed_response(error)
    return json_response(json.dumps({"seconds": seconds}).encode())


def _integer(query: QueryParams, name: str) -> int:
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text)):
        raise _invalid(name, f"{name} must be a number of pixels from 1 on, not {short_repr(text)}")
    return int(text)


def _factor(query: QueryParams) -> int:
    text = query.get("factor", "")
    if text not in map(str, TASK_FACTORS):
        raise _invalid("factor", f"factor must be one of {', '.join(map(str, TASK_FACTORS))}, not {short_repr(text)}")
    return int(text)


def _invalid(name: str, message: str) -> TilewrightError:
    return ParameterError(message, code="invalidRequest", parameter=name)
