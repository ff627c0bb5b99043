"""Limits of control groups, read from files as the kernel shows them."""

from __future__ import annotations

import pytest

from tilewright.cgroups import cpu_limit, memory_limit
from tilewright.engine import memory


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("max 100000", None), ("200000 100000", 2), ("150000 100000", 2), ("1000 100000", 1), ("garbage", None)],
)
def test_quota_of_a_container_limits_the_cpus(quota, cpus, tmp_path):
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota}\n"})
    assert cpu_limit(tmp_path) == cpus


def test_smallest_limit_of_a_group_and_those_around_it_counts(tmp_path):
    files = {
        "proc/self/cgroup": "0::/user.slice/work.service\n",
        "sys/fs/cgroup/user.slice/work.service/cpu.max": "800000 100000\n",
        "sys/fs/cgroup/user.slice/cpu.max": "300000 100000\n",
        "sys/fs/cgroup/user.slice/work.service/memory.max": "3000000\n",
        "sys/fs/cgroup/user.slice/memory.max": "max\n",
        "sys/fs/cgroup/other.slice/cpu.max": "100000 100000\n",
    }
    write(tmp_path, files)
    assert cpu_limit(tmp_path) == 3
    assert memory_limit(tmp_path) == 3_000_000


def test_limits_of_version_1_in_a_container_that_is_told_its_place_on_the_host(tmp_path):
    files = {
        "proc/self/cgroup": "5:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123\n0::/\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
    }
    write(tmp_path, files)
    assert cpu_limit(tmp_path) == 4
    assert memory_limit(tmp_path) == 2**29
    write(tmp_path, {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"})
    assert cpu_limit(tmp_path) is None


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert cpu_limit(tmp_path) is None
    assert memory_limit(tmp_path) is None


def test_memory_of_a_container_bounds_the_budget(monkeypatch):
    monkeypatch.setattr(memory, "memory_limit", lambda: 2**20)
    assert memory.default_memory_budget() == memory.extended_memory_budget() == 2**18
