"""Reads and stores a picture as a request handler does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tilewright.inputs.resolve import read_picture, store_input

if TYPE_CHECKING:
    from tilewright.picture import Animation, Picture
    from tilewright.store import ImageStore


class LoadedPicture(NamedTuple):
    """A picture or animation, and its UUID in the store."""

    picture: Picture | Animation
    image_uuid: str


def load_picture(value: object, store: ImageStore, **options: Any) -> LoadedPicture:
    """Reads a picture, and stores it if it is not stored yet; `options` of `read_picture`."""
    source = read_picture(value, store, **options)
    return LoadedPicture(source.picture, store_input(source, store)[0])
