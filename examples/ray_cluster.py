"""Connects the examples to the Ray cluster at ``RAY_ADDRESS``, or starts Ray on this machine alone."""

from __future__ import annotations

import os

ALONE = "RAY_ADDRESS" not in os.environ
"""Whether Ray runs on this machine only."""

# Ray reads these variables when it is imported. It would otherwise send statistics on its use, and
# listen on all network interfaces even where there is no cluster.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
if ALONE:
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

import ray  # noqa: E402


def connect() -> None:
    """Connects to the cluster, whose workers get the ``TILEWRIGHT_`` variables of this process.

    Without ``RAY_ADDRESS``, Ray starts on this machine, listens on the loopback interface only, and
    ends with this process. Does nothing if this process is connected already.

    Raises:
        ConnectionError: The cluster does not answer.
    """
    if not ray.is_initialized():
        variables = {name: value for name, value in os.environ.items() if name.startswith("TILEWRIGHT_")}
        ray.init(os.environ.get("RAY_ADDRESS", "local"), include_dashboard=False, runtime_env={"env_vars": variables})
