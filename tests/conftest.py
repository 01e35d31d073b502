"""One small real run that many tests look at."""

from __future__ import annotations

import pytest
from workspace import Workspace, new_workspace


@pytest.fixture(scope="session")
def pushed_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose first run pushed a model. Tests must not run in it again."""
    workspace = new_workspace(tmp_path_factory.mktemp("pushed"))
    finished = workspace.run()
    assert finished.code == 0, finished.out + finished.err
    (workspace.folder / "run.json").write_text(finished.out)
    return workspace
