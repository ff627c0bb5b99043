"""A queue in which clients take turns."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Item = TypeVar("_Item")


class FairQueue(Generic[_Item]):
    """Items that wait, in one queue for each client. It is not thread-safe.

    A client that adds a thousand items delays the only item of another client by a single one.
    """

    def __init__(self) -> None:
        """Starts empty."""
        # The client whose turn is next comes first.
        self._queues: OrderedDict[str, deque[_Item]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, client: str, item: _Item) -> None:
        """Adds an item of a client."""
        self._queues.setdefault(client, deque()).append(item)
        self._length += 1

    def share_is_used(self, client: str, most: int) -> bool:
        """Returns whether a client has its share of the items that may wait, or more.

        Clients that wait have equal shares. One that comes late gets its own beyond `most`.
        """
        queue = self._queues.get(client, ())
        return len(queue) >= most / (len(self._queues) + (not queue))

    def take(self, may_take: Callable[[str], bool] = lambda _client: True) -> tuple[str, _Item] | None:
        """Removes the oldest item of the client that has waited longest since its last turn.

        Args:
            may_take: Returns whether it can be a client's turn; the others are passed over and keep
                their places.

        Returns:
            The client and its item; None if there is none.
        """
        client = next(filter(may_take, self._queues), None)
        if client is None:
            return None
        queue = self._queues.pop(client)
        item = queue.popleft()
        self._length -= 1
        if queue:
            self._queues[client] = queue  # at the end of the line
        return client, item

    def remove(self, client: str, item: _Item) -> None:
        """Removes an item that has not been taken."""
        queue = self._queues[client]
        queue.remove(item)
        self._length -= 1
        if not queue:
            del self._queues[client]
