"""Folders shaped like SavedModels; the pusher never looks inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import contract

FILES = ("saved_model.pb", "variables/variables.index", "assets.extra/index.json")


@pytest.fixture
def make_sources(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """make_sources(tag, *more): both models (and more), whose files say `tag`; returns {model: folder}."""

    def make(tag: str, *more: str) -> dict[str, str]:
        folders = {}
        for model in (*contract.MODELS, *more):
            root = tmp_path / "sources" / tag / model / "Format-Serving"
            for name in FILES:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(f"{tag} {model} {name}\n" * 50)
            folders[model] = str(root)
        return folders

    return make
