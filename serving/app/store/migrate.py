"""Brings a database to the tables of this version, by Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from serving.app.store.database import parse

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(url: str) -> None:
    """Runs what has not run yet; does nothing on a database that is up to date.

    Raises:
      ValueError: the tables are of a newer version of the application.
    """
    engine = sa.create_engine(parse(url))
    try:
        with engine.begin() as connection:
            _revision(connection)
            command.upgrade(_config(connection), "head")
    finally:
        engine.dispose()


def pending(url: str) -> list[str]:
    """Revisions that have not run yet, oldest first. Raises ValueError as `upgrade`."""
    engine = sa.create_engine(parse(url))
    try:
        with engine.connect() as connection:
            current = _revision(connection)
            scripts = ScriptDirectory.from_config(_config(connection))
            return [script.revision for script in scripts.iterate_revisions("head", current)][::-1]
    finally:
        engine.dispose()


def _revision(connection: sa.Connection) -> str | None:
    """The newest that has run; None on an empty database. Raises ValueError for one that is not known."""
    current = MigrationContext.configure(connection).get_current_revision()
    known = [one.revision for one in ScriptDirectory.from_config(_config(connection)).walk_revisions()]
    if current not in (None, *known):
        raise ValueError(
            f"its tables are of a newer version of the application (migration {current}; this version knows "
            f"{', '.join(sorted(known))}): run the newer version, or restore a backup of the older tables"
        )
    return current


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
