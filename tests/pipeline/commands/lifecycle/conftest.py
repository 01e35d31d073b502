from __future__ import annotations

from pathlib import Path

import pytest

import contract
from components.pusher.publish import publish


@pytest.fixture
def served(tmp_path: Path) -> str:
    """The folder of three pushed versions of both models: 100, 200, 300."""
    sources = {}
    for model in contract.MODELS:
        sources[model] = str(tmp_path / model)
        Path(sources[model]).mkdir()
        (tmp_path / model / "saved_model.pb").touch()
    for number in (100, 200, 300):
        publish(sources, str(tmp_path / "served"), {}, now=number)
    return str(tmp_path / "served")
