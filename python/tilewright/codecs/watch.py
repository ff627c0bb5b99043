"""Stops the decoding of a picture that takes too long or that nobody waits for any more."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from tilewright.codecs.libvips import vips
from tilewright.errors import CancelledError, ImageTooLargeError, TilewrightError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tilewright.limits import InputLimits

# Smaller pictures are decoded in a fraction of a second, so that a thread would be wasted on them.
_WATCHED_PIXELS = 1 << 20

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def watched(image: Any, limits: InputLimits, stop: threading.Event | None) -> Iterator[None]:
    """Decodes within a time limit, and until an event is set.

    libvips stops before the next strip of rows. Progressive JPG and WEBP files are decoded as a
    whole, so they stop when that is done.

    Args:
        image: libvips image whose pixels are read within the block.
        limits: `seconds` is the time limit.
        stop: Event that cancels the decoding; None if it cannot be cancelled.

    Raises:
        CancelledError: `stop` was set.
        ImageTooLargeError: The time limit has passed.
    """
    if stop is not None and stop.is_set():
        raise _cancelled()
    if image.width * image.height < _WATCHED_PIXELS or (stop is None and limits.seconds is None):
        yield
        return
    done = threading.Event()
    reasons: list[TilewrightError] = []
    thread = threading.Thread(
        target=_watch, args=(image, limits.seconds, stop, done, reasons), daemon=True, name="decoding"
    )
    thread.start()
    try:
        yield
    except vips().Error:
        if reasons:
            raise reasons[0] from None
        raise
    finally:
        done.set()
        thread.join()


def _watch(
    image: Any,
    seconds: float | None,
    stop: threading.Event | None,
    done: threading.Event,
    reasons: list[TilewrightError],
) -> None:
    begin = time.monotonic()
    while not done.wait(_POLL_SECONDS):
        if stop is not None and stop.is_set():
            reasons.append(_cancelled())
        elif seconds is not None and time.monotonic() - begin > seconds:
            reasons.append(
                ImageTooLargeError(
                    f"decoding the picture takes longer than {seconds:g} s; "
                    "send a smaller one, or raise TILEWRIGHT_MAX_DECODE_SECONDS"
                )
            )
        if reasons:
            image.set_kill(True)
            return


def _cancelled() -> CancelledError:
    return CancelledError("cancelled while the picture was decoded; no result was stored")
