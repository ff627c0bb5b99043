"""The service over HTTP and WebSocket. It needs the extra ``server``.

``tilewright serve`` runs it. For another ASGI server, its application is ``tilewright.server:app``,
with the settings of the environment; images then have to be reachable at
``TILEWRIGHT_STORE_PUBLIC_URL``, which leads to ``/images`` of that server.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tilewright.server.application import create_app
    from tilewright.upscaler import Upscaler

    app = create_app(Upscaler())
    globals()["app"] = app
    return app
