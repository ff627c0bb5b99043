"""Limits that a container or a service manager sets on this process with Linux control groups.

Their files are described in the kernel's documentation: admin-guide/cgroup-v2.rst (``cpu.max``,
``memory.max``), scheduler/sched-bwc.rst (``cpu.cfs_quota_us``) and admin-guide/cgroup-v1/memory.rst
(``memory.limit_in_bytes``).
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/")


def cpu_limit(root: Path = _ROOT) -> int | None:
    """Returns how many CPUs this process may keep busy, rounded up; None if that is not limited.

    ``docker run --cpus 2`` and ``CPUQuota=200%`` give 2: the process sees all CPUs of the machine, and
    is stopped for the rest of each period when it has used up its time.

    Args:
        root: Folder that holds ``proc`` and ``sys``.
    """
    shares = []
    for group in _groups("cpu", root):
        with contextlib.suppress(OSError, ValueError):  # ValueError: "max" for no limit
            quota, period = (group / "cpu.max").read_text().split()
            shares.append(int(quota) / int(period))
        with contextlib.suppress(OSError, ValueError):
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            shares.append(int(quota) / int(period))
    limits = [math.ceil(share) for share in shares if share > 0]  # -1 is no limit in version 1
    return min(limits, default=None)


def memory_limit(root: Path = _ROOT) -> int | None:
    """Returns how many bytes of memory this process and its group may use; None if that is not limited.

    Args:
        root: Folder that holds ``proc`` and ``sys``.
    """
    limits = []
    for group in _groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # ValueError: "max" for no limit
                limits.append(int((group / name).read_text()))
    return min(limits, default=None)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yields folders of the groups that this process is in, inner ones first, with those around them.

    Some do not exist: in a container, the process may be told its group's place on the host.

    Args:
        controller: Name of a controller, for version 1, where each has a hierarchy of its own.
        root: Folder that holds ``proc`` and ``sys``.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if names else "")
        group = PurePosixPath(path.lstrip("/"))
        for inner in (group, *group.parents):
            yield mount / inner
