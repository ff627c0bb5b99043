"""The page at ``/``, and what it needs beside the API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import FileResponse, JSONResponse

from tilewright.literals import TASK_FACTORS
from tilewright.models.listing import list_models

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tilewright.server.state import ServerState

_FOLDER = Path(__file__).parent / "page"

# Only what this server sends may run or be shown. blob: is for the pictures that were chosen.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def serve_page(request: Request) -> Response:
    """Returns the page, its style or its script; routes name the file."""
    name = request.url.path.rpartition("/")[2] or "index.html"
    return FileResponse(_FOLDER / name, headers=_HEADERS)


async def serve_networks(request: Request) -> Response:
    """Returns the networks that can be used: name, summary, factors of tasks, licence."""
    state: ServerState = request.app.state.server
    models = await asyncio.to_thread(list_models, state.calls.upscaler.settings.models_dir)
    usable = []
    for model in models:
        scales = [scale for scale in model["scales"] if scale in TASK_FACTORS]
        if model["installed"] and scales:
            usable.append({"scales": scales, **{key: model[key] for key in ("name", "summary", "licence")}})
    return JSONResponse(usable)
