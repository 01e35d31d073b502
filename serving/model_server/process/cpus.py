"""How many CPUs this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def available(limit: Path = _CGROUP_LIMIT) -> float:
    """CPUs that the scheduler and the container leave to this process, above 0.

    `os.cpu_count` knows the machine alone: in a container with a limit of two
    CPUs on a node of 64 it says 64.

    Args:
      limit: the cgroup's `cpu.max`, "QUOTA PERIOD" or "max PERIOD", microseconds.
    """
    cpus = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = limit.read_text().split()
    except (FileNotFoundError, PermissionError):  # no cgroup v2, or not mounted here
        return cpus
    return cpus if quota == "max" else min(cpus, int(quota) / int(period))


def whole() -> int:
    """`available`, rounded up: threads that can run at the same time."""
    return max(1, -int(-available() // 1))
