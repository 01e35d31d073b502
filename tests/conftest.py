"""One small real run that many tests look at or go on from."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
from support.runs.shared_run import SharedRun, session_folder
from support.workspace import Workspace

# What fails, fails again, here and in CI; MARQUEE_RANDOM_EXAMPLES=1 looks for what has not been met yet.
hypothesis.settings.register_profile(
    "repeatable", derandomize=not os.environ.get("MARQUEE_RANDOM_EXAMPLES"), deadline=None
)
hypothesis.settings.load_profile("repeatable")
pytest_plugins = ("support.session.nightly", "support.session.slowest")


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> SharedRun:
    """With several test processes the first that asks makes it for all of them."""
    return SharedRun(session_folder(tmp_path_factory.getbasetemp()) / "shared-run")


@pytest.fixture(scope="session")
def pushed_workspace(shared_run: SharedRun) -> Workspace:
    """A workspace whose first run pushed a model. Tests must not run in it again."""
    return shared_run.to_read


@pytest.fixture(scope="module")
def workspace_to_run_in(shared_run: SharedRun) -> Iterator[Workspace]:
    """The same, at the module's disposal: runs find the first one's steps in the cache."""
    with shared_run.to_run_in() as workspace:
        yield workspace
