"""Serves the API of ``tilewright serve`` with several replicas on a Ray cluster, or on this machine.

    TILEWRIGHT_STORE=s3://bucket/images python examples/ray_serve.py --replicas 4 --cpus-per-replica 8

It needs ``pip install "ray[serve]"`` and the extra ``server``. All replicas share the image store of
``TILEWRIGHT_STORE``, so that each answers for the tasks of all. ``docs/scale.md`` has more.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from ray_cluster import ALONE, connect  # first: it sets what Ray reads when it is imported

# isort: split
from ray import serve

from tilewright import Settings, Upscaler
from tilewright.server.application import create_app
from tilewright.server.names import is_loopback
from tilewright.server.state import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.applications import Starlette

# Seconds for a replica that is stopped to finish what it has accepted.
_STOPPING = 300.0

# Calls and WebSocket connections of a replica. Further ones wait in Ray's proxy.
_CONNECTIONS = 1000


class Replica:
    """A process with its own open network."""

    app: Starlette  # comes from `serve.ingress`

    async def check_health(self) -> None:
        """Waits until ``/readyz`` would answer 200. Ray replaces a replica for which that takes 30 seconds."""
        while not self.app.state.server.is_ready:
            await asyncio.sleep(0.1)


def listen_on_loopback() -> None:
    """Keeps the port that each replica has for other deployments away from other machines.

    Ray 2.60 opens it on all network interfaces, where it asks for Ray's token, and has no option to
    change that.
    """
    from ray.serve._private import replica

    add_port = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: add_port(server, address.replace("[::]", "127.0.0.1"))


def application(host: str, *, replicas: int, cpus: int, gpus: int) -> serve.Application:
    """Makes the Serve application.

    Args:
        host: The address that Ray's proxy listens on.
        replicas: Number of replicas.
        cpus: Cores of one replica, at least 1.
        gpus: GPUs of one replica: 0 or 1.
    """

    def build() -> Starlette:
        """Runs in each replica. A network that cannot be opened is an error here, and Ray gives its reason."""
        if ALONE:
            listen_on_loopback()
        settings = replace(Settings.from_environment(), threads=cpus)
        upscaler = Upscaler(settings=settings, device="cuda" if gpus else "cpu")
        upscaler.session(factor=max(upscaler.factors()))
        return create_app(upscaler, ServerOptions.from_settings(settings, host=host))

    deployment = serve.deployment(
        serve.ingress(build)(Replica),
        name="tilewright",
        num_replicas=replicas,
        ray_actor_options={"num_cpus": cpus, "num_gpus": gpus},
        max_ongoing_requests=_CONNECTIONS,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=_STOPPING,
    )
    return deployment.bind()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Serves the API with Ray, on a cluster or on this machine.")
    parser.add_argument("--replicas", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--cpus-per-replica", type=int, default=1, help="cores of one replica; default: %(default)s")
    parser.add_argument("--gpu", action="store_true", help="one GPU for each replica")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    given = parser.parse_args(arguments)
    if not is_loopback(given.host) and not Settings.from_environment().api_key_hashes:
        parser.error(f"--host {given.host} can be reached from other machines; set TILEWRIGHT_API_KEY_HASHES")
    connect()
    serve.start(http_options={"host": given.host, "port": given.port})
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does
    try:
        app = application(given.host, replicas=given.replicas, cpus=given.cpus_per_replica, gpus=int(given.gpu))
        serve.run(app, blocking=True)
    except KeyboardInterrupt:
        if ALONE:  # on a cluster, the service goes on without this process; `serve shutdown` stops it
            serve.shutdown()


if __name__ == "__main__":
    main()
