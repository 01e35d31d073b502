"""Every test of the store on SQLite and on PostgreSQL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from benchmarks.harness import postgres
from serving.app.store import migrate


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the tables of this version."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'app.sqlite'}"
        migrate.upgrade(found)
        yield found
        return
    programs = postgres.find()
    if programs is None:
        warnings.warn("PostgreSQL is not installed: the store is tested on SQLite alone", stacklevel=1)
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgres.running(programs) as found:
        migrate.upgrade(found)
        yield found
