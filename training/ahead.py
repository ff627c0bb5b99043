"""Results that others make ready while one is used, and no more of them than asked for."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def ahead(pool: Executor, make: Callable[[_Item], _Result], items: Iterable[_Item], most: int) -> Iterator[_Result]:
    """What `make` makes of each item, in their order; at most `most` are made beyond the one in use."""
    left = iter(items)
    ready = deque(pool.submit(make, item) for item in itertools.islice(left, most))
    while ready:
        result = ready.popleft().result()
        ready.extend(pool.submit(make, item) for item in itertools.islice(left, 1))
        yield result
