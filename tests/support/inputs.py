"""Reads and stores a picture as a request handler does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from tilewright.inputs.resolve import fetched, read_picture, store_input
from tilewright.limits import UNLIMITED
from tilewright.web.url import is_remote_url

if TYPE_CHECKING:
    from tilewright.picture import Animation, Picture
    from tilewright.store import ImageStore


class LoadedPicture(NamedTuple):
    """A picture or animation, and its UUID in the store."""

    picture: Picture | Animation
    image_uuid: str


def load_picture(value: object, store: ImageStore, **options: Any) -> LoadedPicture:
    """Reads a picture, and stores it if it is not stored yet; `options` of `read_picture` and `fetched`."""
    fetcher = options.pop("fetcher", None)
    if fetcher is not None and is_remote_url(value):
        context = {"limits": options.get("limits", UNLIMITED), "parameter": options.get("parameter", "inputImage")}
        value = fetched(value, fetcher, stop=threading.Event(), **context)
    source = read_picture(value, store, **options)
    return LoadedPicture(source.picture, store_input(source, store)[0])
