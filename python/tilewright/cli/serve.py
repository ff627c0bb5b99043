"""The command `tilewright serve`: the service over HTTP and WebSocket."""

from __future__ import annotations

import importlib.util
import logging
import re
import signal
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tilewright.cli.terminal import print_line
from tilewright.errors import TilewrightError, short_repr
from tilewright.settings import Settings

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

_PACKAGES = ("starlette", "uvicorn", "httptools", "websockets", "prometheus_client")

# Connections that the system accepts before the server does.
_BACKLOG = 2048


def run(arguments: argparse.Namespace, console: Console, _signals: Any) -> int:
    """Serves until it is stopped, and finishes what it has accepted.

    Raises:
        TilewrightError: The server cannot be started.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise TilewrightError(
            f"the server needs {' and '.join(missing)}; run: pip install {' '.join(_PACKAGES).replace('_', '-')}"
        )
    from tilewright.server.names import is_loopback

    settings = _settings(arguments)
    if not (is_loopback(arguments.host) or settings.api_key_hashes or arguments.without_key):
        raise TilewrightError(
            f"--host {arguments.host} can be reached from other machines; give --api-key KEY, or --without-key to let "
            "everybody in"
        )
    if arguments.host in ("0.0.0.0", "::") and arguments.public_url is None and settings.store_public_url is None:
        raise TilewrightError(
            f"with --host {arguments.host}, give --public-url: the address by which clients reach this server"
        )
    with _listener(arguments.host, arguments.port) as listener:
        address = _address(arguments.host, listener.getsockname()[1])
        settings = replace(
            settings,
            store_public_url=_images_url(arguments.public_url, address, settings),
            # The server reads the files itself, so other users of the machine need not.
            store_shared=bool(settings.store_shared),
        )
        key = "with" if settings.api_key_hashes else "without"
        print_line(console, f"tilewright: serving on {address}, {key} API key; Ctrl-C finishes what runs and stops")
        _serve(arguments, settings, listener)
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    from tilewright.server.keys import hash_of

    settings = Settings.from_environment()
    if arguments.api_key:
        settings = replace(settings, api_key_hashes=tuple(hash_of(key.strip()) for key in arguments.api_key))
    if hash_of("") in settings.api_key_hashes:  # such as that of an unset variable
        raise TilewrightError("an API key is empty; check --api-key or TILEWRIGHT_API_KEY_HASHES")
    return settings


def _serve(arguments: argparse.Namespace, settings: Settings, listener: socket.socket) -> None:
    from tilewright.server.application import create_app
    from tilewright.server.state import ServerOptions
    from tilewright.server.uvicorn_server import TilewrightServer
    from tilewright.upscaler import Upscaler

    _log_tasks()
    options = ServerOptions.from_settings(settings, host=arguments.host)
    app = create_app(Upscaler(settings=settings, model=arguments.model, device=arguments.device), options)
    # uvicorn stops at SIGINT and SIGTERM, and repeats them when it has stopped. By then there is
    # nothing left to do.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: None)
    if hasattr(signal, "SIGHUP"):  # sent when the terminal is closed; there is nothing to read again
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    TilewrightServer(app).run(sockets=[listener])


def _log_tasks() -> None:
    """Writes one line of JSON to stderr for each finished task."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("tilewright.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # uvicorn reports every WebSocket that is refused with a response as an error.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "completing handshake" not in record.getMessage())


def _images_url(public_url: str | None, address: str, settings: Settings) -> str:
    """Returns the address of stored images: of the option, the settings, or this server."""
    if public_url is None:
        return settings.store_public_url or f"{address}/images"
    if not re.fullmatch(r"https?://[^\s?#]+", public_url, re.IGNORECASE):
        raise TilewrightError(
            f"--public-url must be an address such as https://upscale.example.org, not {short_repr(public_url)}"
        )
    return f"{public_url.rstrip('/')}/images"


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        raise TilewrightError(f"cannot listen on {host}, port {port}: {error}") from error


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
