"""Ctrl-C, SIGTERM and SIGHUP: a command ends soon, says so at once, and leaves no partial file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

from tilewright.cli.terminal import print_error
from tilewright.unfinished import remove_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

    from rich.console import Console

# Windows has no SIGHUP.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

# A command that ends within this many seconds needs no announcement.
_UNNOTICED = 0.2

# Service managers kill a process that is still there some seconds after SIGTERM, Docker after 10.
_GRACE = 5.0

_SHOW_CURSOR = b"\r\x1b[2K\x1b[?25h"


class StoppedError(KeyboardInterrupt):
    """A signal has stopped the command.

    Attributes:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


def stop_status(stop: KeyboardInterrupt) -> int:
    """Returns the exit status by convention: 128 plus the number of the signal."""
    return 128 + (stop.signum if isinstance(stop, StoppedError) else signal.SIGINT)


class StopSignals:
    """Handles the signals while the block runs.

    The first signal raises `StoppedError` in the main thread. Leaving the block then waits for the
    tile that is in the network. A thread says so, because the main thread may be busy in native
    code. A second signal, or `_GRACE` seconds after SIGTERM or SIGHUP, ends the process at once.
    Signals that were ignored before, as nohup does, stay ignored.

    Attributes:
        stop: Set at the first signal, also while the main thread is in native code.
    """

    def __init__(self, console: Console) -> None:
        """Handles nothing yet.

        Args:
            console: Console on stderr.
        """
        self.stop = threading.Event()
        self._console = console
        self._received: int | None = None
        self._raised = False
        self._postponed = False
        self._ended = threading.Event()
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # others may not handle signals
            self._install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._cleanup.close()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            remove_unfinished()  # the exception may have come before a file's own cleanup was in place

    @contextlib.contextmanager
    def postponed(self) -> Iterator[None]:
        """Raises `StoppedError` only at the end of the block, instead of an exception in the block.

        For native code that calls Python: cffi discards exceptions that are raised there.
        """
        self._postponed = True
        try:
            yield
        finally:
            self._postponed = False
            self._raise_once()

    def _install(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            self._cleanup.callback(end.close)
        writer.setblocking(False)
        watcher = threading.Thread(target=self._watch, args=[reader], name="tilewright-signals", daemon=True)
        self._cleanup.callback(watcher.join)
        self._cleanup.callback(writer.shutdown, socket.SHUT_WR)  # wakes the watcher
        previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._cleanup.callback(signal.set_wakeup_fd, previous)
        for signum in _SIGNALS:
            before = signal.getsignal(signum)
            if before is not signal.SIG_IGN:
                signal.signal(signum, self._handle)
                self._cleanup.callback(signal.signal, signum, signal.SIG_DFL if before is None else before)
        watcher.start()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        self._received = self._received or signum
        if not self._postponed:
            self._raise_once()

    def _raise_once(self) -> None:
        """Raises for the first signal only: a second exception would interrupt the cleanup."""
        if self._received is not None and not self._raised:
            self._raised = True
            raise StoppedError(self._received)

    def _watch(self, reader: socket.socket) -> None:
        first = _next_signal(reader)
        if first is not None:
            self.stop.set()
        if first is None or self._ended.wait(_UNNOTICED):
            return
        again = (
            "; press Ctrl-C again to stop now" if first == signal.SIGINT else f", or in {_GRACE:.0f} s at the latest"
        )
        with contextlib.suppress(OSError, ValueError):  # after SIGHUP the terminal is gone
            print_error(self._console, f"stopping after this tile{again}")
        reader.settimeout(None if first == signal.SIGINT else _GRACE)
        try:
            second = _next_signal(reader)
        except TimeoutError:
            second = first
        if second is not None:
            _exit_now(second)


def _next_signal(reader: socket.socket) -> int | None:
    """Waits for one of `_SIGNALS`; returns None if the other end was closed."""
    while data := reader.recv(1):
        if data[0] in _SIGNALS:
            return data[0]
    return None


def _exit_now(signum: int) -> None:
    """Ends the process, whatever its threads are doing. Partial files are removed."""
    remove_unfinished()
    # Not through the console: another thread may hold its lock.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        prefix = _SHOW_CURSOR if sys.stderr.isatty() else b""
        os.write(sys.stderr.fileno(), prefix + b"tilewright: stopped at once; finished files are kept\n")
    os._exit(128 + signum)
