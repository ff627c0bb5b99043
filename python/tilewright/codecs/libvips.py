"""Access to libvips through pyvips, loaded at first use."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from tilewright.errors import TilewrightError


@cache
def vips() -> Any:
    """Imports pyvips and configures it once per process.

    Returns:
        The module ``pyvips``.

    Raises:
        TilewrightError: pyvips, or the libvips library that it loads, is not installed.
    """
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError: pyvips is installed, the shared library is not
        raise TilewrightError(
            f"pictures are read and written with pyvips, which cannot be loaded ({error}); "
            "install it with `pip install 'pyvips[binary]'`"
        ) from error
    # Each picture is processed once, so cached operations would only keep its pixels in memory.
    pyvips.cache_set_max(0)
    # Blocks the loaders that libvips marks as unsafe for untrusted files. This is a second line of
    # defence: the decoder already selects loaders by name.
    pyvips.block_untrusted_set(True)
    # Warnings are not logged. Logging would also happen on a libvips thread, which then stays
    # registered with Python's threading module.
    if (logger := logging.getLogger("pyvips")).level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    # libvips has its own thread pool. It is active only while a file is decoded or encoded, never
    # while the network runs.
    return pyvips
