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
    """Runs what has not run yet; does nothing on a database that is up to date."""
    engine = sa.create_engine(parse(url))
    try:
        with engine.begin() as connection:
            command.upgrade(_config(connection), "head")
    finally:
        engine.dispose()


def pending(url: str) -> list[str]:
    """Revisions that have not run yet, oldest first."""
    engine = sa.create_engine(parse(url))
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            scripts = ScriptDirectory.from_config(_config(connection))
            return [script.revision for script in scripts.iterate_revisions("head", current)][::-1]
    finally:
        engine.dispose()


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
