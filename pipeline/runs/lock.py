"""One run at a time per artifacts root."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from components.common import storage
from pipeline.config.sections import Config
from pipeline.errors import LockedError

# `marquee status` holds a shared lock for an instant to see whether a run is
# on; a starting run waits that long before it says no.
_PATIENCE_SECONDS = 1.0


def lock_path(config: Config) -> Path:
    """The lock's file, in the artifacts root; with a URL it guards this machine only."""
    if storage.is_local(config.artifacts):
        return Path(config.artifacts_dir) / "run.lock"
    name = hashlib.sha256(config.artifacts.encode()).hexdigest()[:12]
    return Path(config.local_dir) / f"run-{name}.lock"


@contextlib.contextmanager
def run_lock(path: Path, run_id: str) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel frees it if the process dies.

    A POSIX record lock, not flock: a worker forked by Beam does not inherit
    it, so it cannot outlive a killed run.

    Raises:
      LockedError: if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _try_lock(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise LockedError(_message(path))
            time.sleep(0.05)
        file.truncate(0)
        json.dump({"pid": os.getpid(), "run": run_id}, file)
        file.flush()
        yield
        file.truncate(0)


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock."""
    if not path.exists():
        return False
    with path.open() as file:
        return not _try_lock(file.fileno(), fcntl.LOCK_SH)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _message(path: Path) -> str:
    who = "another run"
    with contextlib.suppress(ValueError, KeyError):  # its holder may be writing it just now
        holder = json.loads(path.read_text())
        who = f"run {holder['run']} (process {holder['pid']})"
    return (
        f"{who} is using {path.parent}; wait until it has finished, "
        "or give this one its own root: --set artifacts=PATH"
    )
