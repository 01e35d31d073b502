"""What component tests read: artifacts of a small run, without a trained model."""

from __future__ import annotations

import pytest
from support.runs.shared_run import session_folder, transformed_once
from support.training import toy_artifacts
from support.workspace import Workspace


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> toy_artifacts.Artifacts:
    """The generated sample as timelines, items and Transform's graph. Tests only read them."""
    return toy_artifacts.make(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def transformed_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The artifacts of example_gen and transform. Tests must not run in it."""
    return transformed_once(session_folder(tmp_path_factory.getbasetemp()) / "transformed")
