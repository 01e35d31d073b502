"""One run of the pipeline that many tests look at and others go on from.

ML Metadata and the cache's keys hold absolute paths. A copy that is run again must therefore lie where
the run was made; a copy that is only read may lie anywhere once its paths are rewritten.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from support.workspace import Workspace, new_workspace

RUN = "run.json"  # what `marquee run --json` printed
_TEXT = (".json",)


class SharedRun:
    """A small pushed model, made once for all test processes of a session.

    Attributes:
      to_read: the workspace after the run. Nothing may run in it.
    """

    def __init__(self, base: Path) -> None:
        """base: a folder of the session, the same in all its processes."""
        base.mkdir(exist_ok=True)
        self._live, self._fresh, self._lock = base / "live", base / "fresh", base / "live.lock"
        self.to_read = Workspace(base / "read")
        # Who only reads must not wait for a module that runs in the other copy.
        if not self._is_made():
            with alone(self._lock):
                if not self._is_made():
                    self._make()

    def _is_made(self) -> bool:
        return (self.to_read.folder / RUN).exists()

    @contextlib.contextmanager
    def to_run_in(self) -> Iterator[Workspace]:
        """The workspace as it was after the run, its steps in the cache; one test process at a time."""
        with alone(self._lock):
            shutil.rmtree(self._live, ignore_errors=True)
            shutil.copytree(self._fresh, self._live)
            yield Workspace(self._live)

    def _make(self) -> None:
        shutil.rmtree(self._live, ignore_errors=True)
        workspace = new_workspace(self._live)
        finished = workspace.run(real=True, timeout=1800)
        assert finished.code == 0, finished.out + finished.err
        (workspace.folder / RUN).write_text(finished.out)
        shutil.copytree(self._live, self._fresh)
        copied = self.to_read.folder.with_suffix(".part")
        shutil.copytree(self._live, copied)
        rewrite_paths(copied, self._live, self.to_read.folder)
        copied.rename(self.to_read.folder)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process of the session at a time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def rewrite_paths(folder: Path, old: Path, new: Path) -> None:
    """Replaces the path `old` by `new` in a workspace's metadata and text files.

    SavedModels name their assets' former paths too, but load them from their own folder.
    """
    store = sqlite3.connect(folder / "artifacts" / "metadata.sqlite")
    with contextlib.closing(store), store:
        for table, column in (
            ("Artifact", "uri"), ("ArtifactProperty", "string_value"), ("ExecutionProperty", "string_value"),
        ):  # fmt: skip
            store.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?) WHERE instr({column}, ?)",
                (str(old), str(new), str(old)),
            )
    for path in folder.rglob("*"):
        if path.suffix in _TEXT and path.is_file() and str(old) in (text := path.read_text()):
            path.write_text(text.replace(str(old), str(new)))


def session_folder(basetemp: Path) -> Path:
    """The folder that a session's processes share, from the base folder of one of them."""
    return basetemp.parent if "PYTEST_XDIST_WORKER" in os.environ else basetemp
