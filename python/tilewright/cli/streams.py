"""Standard streams that may be closed, full, or left by their reader."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from typing import IO, TYPE_CHECKING, Any, BinaryIO, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

_Parameters = ParamSpec("_Parameters")

_FAILED = 1


class CheckedStream:
    """A text stream whose first error is kept and whose output is discarded from then on.

    Work that takes hours must not fail because a message cannot be printed.

    Attributes:
        error: The first error; None if everything was written.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        """Wraps a stream; None is a stream that was closed when Python started."""
        self._is_closed = stream is None
        self._stream = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: PTH123, SIM115
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Writes text, or discards it after an error."""
        if self.error is None:
            try:
                if self._is_closed:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                self._stream.write(text)
            except OSError as error:
                self.fail(error)
        return len(text)

    def flush(self) -> None:
        """Flushes the stream, if it can still be written."""
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.fail(error)

    def fail(self, error: OSError) -> None:
        """Keeps an error, and discards what is written from now on and what is still buffered.

        Otherwise Python would fail again when it flushes the stream at exit.
        """
        self.error = error
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream has no descriptor
            discard = os.open(os.devnull, os.O_WRONLY)
            os.dup2(discard, self._stream.fileno())
            os.close(discard)
        with contextlib.suppress(OSError):
            self._stream.flush()

    @property
    def buffer(self) -> BinaryIO:
        """The binary stream below.

        Raises:
            OSError: The stream was closed when Python started.
        """
        if self._is_closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.buffer  # type: ignore[attr-defined,no-any-return]

    def close_own(self) -> None:
        """Closes the stream that stands for a closed one."""
        if self._is_closed:
            self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def has_lost_reader() -> bool:
    """Returns whether the reader of stdout closed it before everything was written."""
    return isinstance(getattr(sys.stdout, "error", None), BrokenPipeError)


def with_checked_streams(main: Callable[_Parameters, int]) -> Callable[_Parameters, int]:
    """Decorates a main function so that it ends its work whatever happens to stdout and stderr.

    If stdout cannot be written, that is reported on stderr and the exit status is at least 1.
    Messages that cannot be printed on stderr do not change the exit status.
    """

    @functools.wraps(main)
    def checked(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> int:
        _occupy_descriptors()
        before = sys.stdout, sys.stderr
        out, err = CheckedStream(sys.stdout), CheckedStream(sys.stderr)
        sys.stdout, sys.stderr = out, err
        try:
            status = main(*arguments, **options)
            out.flush()
            if out.error is not None:
                status = status or _FAILED
                if not isinstance(out.error, BrokenPipeError):  # a reader that has enough, such as `head`
                    err.write(f"tilewright: stdout cannot be written: {out.error.strerror}\n")
            err.flush()
            return status
        finally:
            sys.stdout, sys.stderr = before
            out.close_own()
            err.close_own()

    return checked


def _occupy_descriptors() -> None:
    """Opens the descriptors 0 to 2 where they are closed.

    Otherwise the next file to be opened would get one of them, and what native code prints would end
    in a picture.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is the one that was found to be closed.
            os.open(os.devnull, os.O_RDWR)
