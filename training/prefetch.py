"""Computes items in advance on a pool, up to a limit."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def prefetch(pool: Executor, make: Callable[[_Item], _Result], items: Iterable[_Item], depth: int) -> Iterator[_Result]:
    """Maps a function over items on a pool.

    Args:
        pool: Where `make` runs.
        make: The function.
        items: Its arguments.
        depth: Number of results that are computed or waiting at any time, besides the one in use.

    Yields:
        The results in the order of the items.
    """
    remaining = iter(items)
    pending = deque(pool.submit(make, item) for item in itertools.islice(remaining, depth))
    while pending:
        result = pending.popleft().result()
        pending.extend(pool.submit(make, item) for item in itertools.islice(remaining, 1))
        yield result
