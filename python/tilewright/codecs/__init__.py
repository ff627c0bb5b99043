"""Bytes to pictures and back: through libvips, and PNG files by our own writer."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from tilewright.errors import TilewrightError


@cache
def vips() -> Any:
    """The pyvips module, imported at first use and set up once for the process.

    Raises:
        TilewrightError: pyvips or the libvips library behind it is not installed.
    """
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError: pyvips is there, the shared library is not
        raise TilewrightError(
            f"pictures are read and written with pyvips, which cannot be loaded ({error}); "
            "install it with `pip install 'pyvips[binary]'`"
        ) from error
    # Every picture passes through once, so a cache of operations would only hold on to its pixels.
    pyvips.cache_set_max(0)
    # Loaders that libvips itself calls unsafe for strangers' files; ours are chosen by name, this is the second lock.
    pyvips.block_untrusted_set(True)
    # What libvips warns of is part of the error when it matters. Said on a thread of libvips' own, it would also leave
    # Python with an entry for that thread.
    if (said := logging.getLogger("pyvips")).level == logging.NOTSET:
        said.setLevel(logging.ERROR)
    # libvips keeps its own worker pool; it is busy only while a file is decoded or encoded, never beside the network.
    return pyvips


def reason(error: BaseException) -> str:
    """What libvips has to say, on one line: its report has one line per layer, the innermost first said last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(lines[1:] or lines))
