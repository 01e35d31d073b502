"""What fits are made of, without a run of the pipeline."""

from __future__ import annotations

import pytest
from support.toys import toy_artifacts


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory) -> toy_artifacts.Artifacts:
    """The generated sample as timelines, items and Transform's graph. Tests only read them."""
    return toy_artifacts.make(tmp_path_factory.mktemp("toy"))
