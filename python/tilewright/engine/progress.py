"""Progress of a picture while its tiles run, and how to cancel it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilewright.errors import CancelledError

if TYPE_CHECKING:
    import threading

    from tilewright.engine.report import Report


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one picture.

    Attributes:
        done: Finished tiles; in a stream, finished steps of equal size.
        total: Tiles or steps of the picture, including those of its alpha channel.
        rows: Finished output rows, from the top.
        pixels: Input pixels that the network has processed so far, halos included.
    """

    done: int
    total: int
    rows: int
    pixels: int


# Called before the first tile and after each tile, on the thread that runs them. An exception
# raised here stops the work and is passed on to the caller.
OnProgress = Callable[[Progress], None]

# Called with the taskUUID as well. Tasks that run at the same time call it at the same time.
OnTaskProgress = Callable[[str, Progress], None]


class ProgressTracker:
    """Counts finished tiles, for the report and for the caller's callback."""

    def __init__(self, on_progress: OnProgress | None, report: Report) -> None:
        """Starts at 0 tiles.

        Args:
            on_progress: Callback of the caller; None if there is none.
            report: Receives the number of finished tiles.
        """
        self._on_progress = on_progress
        self._report = report
        self._done = 0
        self._pixels = 0

    def tile_done(self, pixels: int, *, remaining: int, rows: int) -> None:
        """Counts one finished tile and calls the callback.

        Args:
            pixels: Input pixels of the tile, halo included.
            remaining: Tiles that are still to run.
            rows: Finished output rows, from the top.
        """
        self._done += 1
        self._pixels += pixels
        self._report.tiles = self._done
        self.announce(remaining=remaining, rows=rows)

    def announce(self, *, remaining: int, rows: int) -> None:
        """Calls the callback; arguments as for `tile_done`."""
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._done + remaining, rows, self._pixels))


def raise_if_cancelled(stop: threading.Event) -> None:
    """Returns unless the work is to stop.

    Raises:
        CancelledError: `stop` is set.
    """
    if stop.is_set():
        raise CancelledError("cancelled before it was finished; no result was stored")


def cancel_on(stop: threading.Event, on_progress: OnProgress | None = None) -> OnProgress:
    """Returns a progress callback that cancels the work after the current tile if `stop` is set.

    Args:
        stop: Cancels the work.
        on_progress: Called afterwards, if the work goes on; None if nobody listens.
    """

    def check(progress: Progress) -> None:
        raise_if_cancelled(stop)
        if on_progress is not None:
            on_progress(progress)

    return check
