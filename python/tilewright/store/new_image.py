"""An image that is being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import BinaryIO


class NewImage:
    """An image being written to a store; `ImageStore.writer` makes it.

    Attributes:
        uuid: The image's UUID (version 4, lower case).
    """

    def __init__(
        self, image_uuid: str, file: BinaryIO, mapped_errors: Callable[[str], AbstractContextManager[None]]
    ) -> None:
        self.uuid = image_uuid
        self._file = file
        self._mapped_errors = mapped_errors

    def write(self, data: bytes) -> None:
        """Appends bytes to the image.

        Raises:
            StoreError: The bytes cannot be written.
        """
        with self._mapped_errors("written"):
            self._file.write(data)
