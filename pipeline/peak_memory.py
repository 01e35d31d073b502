"""The most memory that the run's process holds during a step, by Linux's own count."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore

from pipeline.runs.run_records import PEAK_MEMORY

_PROC = Path("/proc/self")
_RESTART = "5"  # proc(5): the peak of the resident set begins anew

_log = logging.getLogger(__name__)


def restart() -> None:
    """Counts from here on. Where the kernel does not let it, peaks are those since the process began."""
    try:
        (_PROC / "clear_refs").write_text(_RESTART)
    except OSError as error:
        _log.info("peak memory of steps is counted from the start of the process: %s", error)


def peak() -> float | None:
    """MiB since `restart`; child processes, such as the tried model server, are not in it."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", (_PROC / "status").read_text(), re.MULTILINE)
    except OSError:
        return None  # no Linux
    return int(found[1]) / 1024 if found else None


def record(store: MetadataStore, execution_id: int) -> None:
    """Writes the peak into the execution, where reports find it."""
    mib = peak()
    if mib is None:
        return
    [execution] = store.get_executions_by_id([execution_id])
    execution.custom_properties[PEAK_MEMORY].double_value = mib
    store.put_executions([execution])
