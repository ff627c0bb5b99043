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

PAGE_PATHS = ("/", *(f"/{file.name}" for file in sorted(_FOLDER.iterdir()) if file.suffix in {".css", ".js", ".svg"}))
"""Paths of the page, its styles, scripts and icon."""

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


async def serve_facts(request: Request) -> Response:
    """Returns what the page has to know about the server.

    ``networks`` are those that can be used: name, aliases, summary, factors of tasks, licence.
    ``needsKey`` is whether clients need a key, and ``largestFrame`` the most bytes of a WebSocket
    frame.
    """
    state: ServerState = request.app.state.server
    models = await asyncio.to_thread(list_models, state.calls.upscaler.settings.models_dir)
    networks = []
    for model in models:
        scales = [scale for scale in model["scales"] if scale in TASK_FACTORS]
        if model["installed"] and scales:
            shown = {key: model[key] for key in ("name", "aliases", "summary", "licence")}
            networks.append({"scales": scales, **shown})
    facts = {
        "networks": networks,
        "needsKey": state.keys.are_needed,
        "largestFrame": state.options.max_body_bytes,
    }
    return JSONResponse(facts, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
