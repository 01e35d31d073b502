"""What component tests read: artifacts of a small run, without a trained model."""

from __future__ import annotations

import pytest
from support.training import toy_artifacts


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> toy_artifacts.Artifacts:
    """The generated sample as timelines, items and Transform's graph. Tests only read them."""
    return toy_artifacts.make(tmp_path_factory.mktemp("toy"))
