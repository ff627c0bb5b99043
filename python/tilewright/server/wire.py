"""Task types of the transport, which are no work: authentication and ping."""

from __future__ import annotations

from tilewright.errors import TilewrightError

AUTHENTICATION, PING = "authentication", "ping"


def invalid_key() -> TilewrightError:
    """Returns the error for a missing or wrong API key."""
    return TilewrightError(
        "the API key is missing or not accepted; send it as `Authorization: Bearer KEY` or in an authentication task",
        code="invalidApiKey",
        parameter="apiKey",
    )
