"""``GET /images/NAME``: stored images under the addresses that results state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse, Response

from tilewright.errors import SourceError, StoreError
from tilewright.store.identifiers import is_image, is_temporary

if TYPE_CHECKING:
    from starlette.requests import Request

    from tilewright.server.state import ServerState

_MEDIA_TYPES = {
    "jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif", "tiff": "image/tiff",
    "bmp": "image/bmp", "avif": "image/avif", "heic": "image/heic",
}  # fmt: skip


async def serve_image(request: Request) -> Response:
    """Returns an image, or a part of it. Its content never changes, so its name is its ETag."""
    name = request.path_params["name"]
    if not is_image(name) or is_temporary(name):
        return PlainTextResponse("there is no such image\n", 404)
    image_uuid, _, extension = name.partition(".")
    headers = {
        "ETag": f'"{image_uuid}"',
        "Cache-Control": "private, max-age=86400, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    state: ServerState = request.app.state.server
    try:
        path = await asyncio.to_thread(state.calls.upscaler.store.find_file, image_uuid)
        if path is not None:
            if path.name != name.lower():  # another format, or an image whose address nobody was told
                return PlainTextResponse("there is no such image\n", 404)
            if headers["ETag"] in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            return FileResponse(path, headers=headers, media_type=_MEDIA_TYPES[extension])
        data = await asyncio.to_thread(state.calls.upscaler.store.get, image_uuid)
    except SourceError:
        return PlainTextResponse("there is no such image\n", 404)
    except StoreError:
        return PlainTextResponse("the image store cannot be read now\n", 503, {"Retry-After": "5"})
    return Response(data, headers=headers, media_type=_MEDIA_TYPES[extension])
