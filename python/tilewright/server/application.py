"""The server as an ASGI application: routes, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from tilewright.errors import TilewrightError
from tilewright.server.calls import Calls
from tilewright.server.estimates import serve_estimate
from tilewright.server.images import serve_image
from tilewright.server.keys import ApiKeys
from tilewright.server.origins import with_origin_checked
from tilewright.server.pages import PAGE_PATHS, serve_facts, serve_page
from tilewright.server.rest import serve_call
from tilewright.server.state import ServerOptions, ServerState
from tilewright.server.websocket import serve_socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from tilewright.upscaler import Upscaler

_log = logging.getLogger("tilewright")


def create_app(upscaler: Upscaler, options: ServerOptions | None = None) -> Starlette:
    """Makes the application.

    Args:
        upscaler: Runs the tasks. Its settings decide where images are kept and under which address
            they are served (``store_public_url``, which must lead to ``/images`` of this server).
        options: Keys and limits; None for those of the Upscaler's settings, and for a server that only
            this machine can reach.
    """
    settings = upscaler.settings
    options = options or ServerOptions.from_settings(settings)
    calls = Calls(upscaler, most_waiting=options.max_waiting_calls)
    state = ServerState(options, ApiKeys(options.key_hashes), calls)
    calls.metrics.watch("tilewright_connections", "Open WebSocket connections.", lambda: state.connections)
    cross_origin = Middleware(
        CORSMiddleware,
        allow_origins=list(options.allowed_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
    )
    app = Starlette(
        routes=[
            Route("/v1", serve_call, methods=["POST"]),
            WebSocketRoute("/v1", serve_socket),
            Route("/images/{name}", with_origin_checked(serve_image)),
            Route("/estimate", with_origin_checked(serve_estimate)),
            *(Route(path, with_origin_checked(serve_page)) for path in PAGE_PATHS),
            Route("/page.json", with_origin_checked(serve_facts)),
            Route("/metrics", with_origin_checked(_metrics)),
            Route("/healthz", _is_alive),  # checks of health call the server by any name
            Route("/readyz", _is_ready),
        ],
        middleware=[cross_origin] if options.allowed_origins else [],
        lifespan=_lifespan,
    )
    app.state.server = state
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    state: ServerState = app.state.server
    opening = asyncio.create_task(_open_network(state))
    pruning = asyncio.create_task(state.sessions.prune())
    try:
        yield
    finally:
        opening.cancel()
        pruning.cancel()
        await state.close()
        gc.unfreeze()


async def _open_network(state: ServerState) -> None:
    """Opens the default network before the first task needs it."""
    upscaler = state.calls.upscaler
    try:
        await asyncio.to_thread(lambda: upscaler.session(factor=max(upscaler.factors())))
    except TilewrightError as error:
        _log.error("the default network cannot be opened: %s", error)
    else:
        # What has been imported by now is no garbage. To find that out, the collector would stop the
        # event loop for tens of milliseconds again and again.
        gc.freeze()
        state.is_ready = True


async def _is_alive(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _metrics(request: Request) -> Response:
    state: ServerState = request.app.state.server
    return state.calls.metrics.exposed()


async def _is_ready(request: Request) -> Response:
    state: ServerState = request.app.state.server
    if state.calls.is_stopping:
        return PlainTextResponse("the server is stopping\n", 503)
    return PlainTextResponse("ready\n") if state.is_ready else PlainTextResponse("the network is not open yet\n", 503)
