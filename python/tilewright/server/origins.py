"""Which pages may call the server: its own, and those of allowed origins."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tilewright.errors import TilewrightError
from tilewright.server.answers import failed_response
from tilewright.server.log import log_refusal
from tilewright.server.names import authority_of, name_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.responses import Response

    from tilewright.server.state import ServerOptions

    Endpoint = Callable[[Request], Awaitable[Response]]


def check_origin(headers: Headers, options: ServerOptions) -> None:
    """Refuses pages of other servers. Browsers name the origin of a page; programs send none.

    Raises:
        TilewrightError: The origin is another one, or the server is called by a name that is not its
            own, as by a page whose name leads to this machine (code ``forbiddenOrigin``).
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    allowed = options.allowed_origins
    is_own_name = not options.allowed_hosts or name_in(f"//{host}") in options.allowed_hosts
    # A web server in front may have replaced the host.
    is_own_page = origin is None or origin == options.public_origin or authority_of(origin) == host
    if not (is_own_name and is_own_page) and not ("*" in allowed or origin in allowed):
        raise TilewrightError(
            "pages of other servers may not call this one, unless TILEWRIGHT_ALLOWED_ORIGINS names them",
            code="forbiddenOrigin",
        )


def with_origin_checked(endpoint: Endpoint) -> Endpoint:
    """Returns an endpoint that refuses pages of other servers, see `check_origin`."""

    @functools.wraps(endpoint)
    async def checked(request: Request) -> Response:
        try:
            check_origin(request.headers, request.app.state.server.options)
        except TilewrightError as error:
            log_refusal(error, request)
            return failed_response(error)
        return await endpoint(request)

    return checked
