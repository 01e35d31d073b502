"""URLs of the metadata store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.metadata_store import connection_config


def test_sqlite_absolute_and_relative() -> None:
    assert connection_config("sqlite:////var/m.db").sqlite.filename_uri == "/var/m.db"
    assert connection_config("sqlite:///m.db").sqlite.filename_uri == str(Path.cwd() / "m.db")


def test_mysql() -> None:
    mysql = connection_config("mysql://user:p%40ss@db.example:3307/marquee").mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db.example", 3307, "marquee")
    assert (mysql.user, mysql.password) == ("user", "p@ss")
    assert connection_config("mysql://u:p@db/m").mysql.port == 3306


def test_postgresql() -> None:
    postgresql = connection_config("postgresql://user:pw@db.example/marquee").postgresql
    assert (postgresql.host, postgresql.port, postgresql.dbname) == ("db.example", "5432", "marquee")
    assert (postgresql.user, postgresql.password) == ("user", "pw")


@pytest.mark.parametrize("url", ["redis://h/d", "mysql://host", "postgresql:///db", "/a/path"])
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="must be sqlite:///PATH"):
        connection_config(url)
