"""How exchanges fail."""

from __future__ import annotations


class ExchangeError(Exception):
    """An exchange that failed; the message completes a phrase such as "cannot be fetched:"."""


class TooLargeError(ExchangeError):
    """The response has more than `max_bytes` bytes; `announced` is its length if that is known."""

    def __init__(self, max_bytes: int, announced: int | None = None) -> None:
        super().__init__(f"it is larger than {max_bytes} bytes" + (f" ({announced})" if announced else ""))


class SendError(Exception):
    """Content that was not accepted. The message is the reason.

    Attributes:
        retry_after: Seconds after which the receiver wants to be asked again; None if it says
            nothing of that.
        is_final: Whether another attempt would fail too.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, is_final: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_final = is_final
