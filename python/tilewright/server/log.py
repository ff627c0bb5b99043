"""One line of JSON for each task. Values that clients sent are checked before they are logged."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import HTTPConnection

    from tilewright.errors import TilewrightError

_log = logging.getLogger("tilewright.server")

# A value of a task that is logged. Longer ones, and those with other characters, are not.
_LONGEST = 64


def log_task(task: Mapping[str, Any], outcome: str, client: str, seconds: float) -> None:
    """Logs a task that ended, or an asynchronous one that was accepted; for the values see `Metrics.count`."""
    _write(
        client=client,
        taskType=_checked(task.get("taskType")),
        taskUUID=_checked(task.get("taskUUID")),
        outcome=outcome,
        seconds=round(seconds, 3),
    )


def log_refusal(error: TilewrightError, connection: HTTPConnection) -> None:
    """Logs that a call or a connection was refused, and the address that it came from."""
    log_refusal_of(None if connection.client is None else connection.client.host, error.code)


def log_refusal_of(address: str | None, code: str) -> None:
    """Logs that a call or a connection was refused.

    Args:
        address: Address of the client; None if it is not known.
        code: Code of the error.
    """
    _write(address=_checked(address), error=code)


def _write(**facts: str | float | None) -> None:
    _log.info(json.dumps({name: value for name, value in facts.items() if value is not None}))


def _checked(value: object) -> str | None:
    is_plain = isinstance(value, str) and len(value) <= _LONGEST and value.isascii() and value.isprintable()
    return value if is_plain and isinstance(value, str) else None
