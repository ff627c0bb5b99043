"""``GET /images/NAME``: stored images under the addresses that results state."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, Response

from tilewright.errors import SourceError, StoreError
from tilewright.store.identifiers import is_image, is_temporary

if TYPE_CHECKING:
    from starlette.requests import Request

    from tilewright.server.state import ServerState

_log = logging.getLogger("tilewright")

_MEDIA_TYPES = {
    "jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "tiff": "image/tiff",
    "bmp": "image/bmp", "avif": "image/avif", "heic": "image/heic",
}  # fmt: skip


async def serve_image(request: Request) -> Response:
    """Returns an image, or a part of it. Its content never changes, so its name is its ETag."""
    name = request.path_params["name"].lower()
    if not is_image(name) or is_temporary(name):  # the address of a temporary one was told to nobody
        return PlainTextResponse("there is no such image\n", 404)
    image_uuid, _, extension = name.partition(".")
    headers = {
        "ETag": f'"{image_uuid}"',
        "Cache-Control": "private, max-age=86400, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    media_type = _MEDIA_TYPES[extension]
    state: ServerState = request.app.state.server
    store = state.calls.upscaler.store
    try:
        path = await asyncio.to_thread(store.find_file, name)
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if path is not None:
            return FileResponse(path, headers=headers, media_type=media_type)
        data = await asyncio.to_thread(store.read_file, name)
    except SourceError:
        return PlainTextResponse("there is no such image\n", 404)
    except StoreError as error:
        _log.warning("%s", error)
        return PlainTextResponse("the image store cannot be read now\n", 503, {"Retry-After": "5"})
    return _part(data, request, headers, media_type)


def _part(data: bytes, request: Request, headers: dict[str, str], media_type: str) -> Response:
    """Returns the range of an image that is asked for; all of it if there are several, or none."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    asked = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", request.headers.get("range", "").replace(" ", ""))
    is_current = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
    if asked is None or not is_current or asked[0] == "bytes=-":
        return Response(data, headers=headers, media_type=media_type)
    if asked[1]:
        start, end = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
    else:  # the last bytes
        start, end = max(len(data) - int(asked[2]), 0), len(data)
    if start >= end:
        headers["Content-Range"] = f"bytes */{len(data)}"
        return PlainTextResponse("the image has no such bytes\n", 416, headers)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Response(data[start:end], 206, headers, media_type=media_type)
