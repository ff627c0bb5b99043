"""Which pages may call the server: its own, and those of allowed origins."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tilewright.errors import TilewrightError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from tilewright.server.state import ServerOptions


def check_origin(headers: Headers, options: ServerOptions) -> None:
    """Refuses pages of other servers. Browsers name the origin of a page; programs send none.

    Raises:
        TilewrightError: The origin is another one, or the server is called by a name that is not its
            own, as by a page whose name leads to this machine (code ``forbiddenOrigin``).
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    allowed = options.allowed_origins
    is_own_name = not options.allowed_hosts or _name_in(f"//{host}") in options.allowed_hosts
    is_own_page = origin is None or _authority_of(origin) == host
    if not (is_own_name and is_own_page) and not ("*" in allowed or origin in allowed):
        raise TilewrightError(
            "pages of other servers may not call this one, unless TILEWRIGHT_ALLOWED_ORIGINS names them",
            code="forbiddenOrigin",
        )


def _name_in(address: str) -> str | None:
    """Returns the host name of an address without its port; None if it has none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _authority_of(address: str) -> str | None:
    """Returns host name and port of an address; None if it has none."""
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None
