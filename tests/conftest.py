"""One small real run that many tests look at."""

from __future__ import annotations

import fcntl
import os

import pytest
from support.workspace import Workspace, new_workspace


@pytest.fixture(scope="session")
def pushed_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose first run pushed a model. Tests must not run in it again.

    With several test processes the first that asks makes it for all of them.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    workspace = Workspace(base / "pushed")
    with (base / "pushed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (workspace.folder / "run.json").exists():
            workspace = new_workspace(workspace.folder)
            finished = workspace.run()
            assert finished.code == 0, finished.out + finished.err
            (workspace.folder / "run.json").write_text(finished.out)
    return workspace
