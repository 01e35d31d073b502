"""Versions of a small model, copied to where a test wants them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.models import conformance_models

PutVersion = Callable[..., Path]


@pytest.fixture(scope="session")
def half_plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that answers x/2 + 2."""
    path = tmp_path_factory.mktemp("half_plus") / "1"
    conformance_models.half_plus(path, 2.0)
    return path


@pytest.fixture(scope="session")
def put_version(half_plus: Path) -> PutVersion:
    """Publishes the model as BASE/NAME by a rename, as our pusher does."""

    def put(base: Path, name: int | str) -> Path:
        base.mkdir(parents=True, exist_ok=True)
        writing = base / f"writing-{name}"
        shutil.copytree(half_plus, writing)
        return writing.rename(base / str(name))

    return put
