"""URLs of the metadata store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.metadata_url import without_password
from pipeline.runs.metadata_store import StoreError, connect, connection_config


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


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/d",
        "mysql://host",
        "mysql://host/",
        "postgresql:///db",
        "/a/path",
        "",
        "sqlite:x.db",
        "sqlite://rel.db",
        "sqlite:///",
        "mysql://u:p@host:port/db",
        "mysql://u:p@host:99999/db",
        "mysql://u:p@host:0/db",
        "mysql://[host/db",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite:///PATH"):
        connection_config(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://u:secret@db:3307/m", "mysql://u:***@db:3307/m"),
        ("mysql://u:se@cr/et@db/m", "mysql://u:***@db/m"),
        ("'mysql://u:secret@db:port/m'", "'mysql://u:***@db:port/m'"),
        ("mysql://u@db:3307/m", "mysql://u@db:3307/m"),
        ("sqlite:////var/m.db", "sqlite:////var/m.db"),
    ],
)
def test_a_password_is_starred_out(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_server_that_is_down_is_named_without_the_password(scheme: str) -> None:
    with pytest.raises(StoreError) as caught:
        connect(f"{scheme}://user:secret@127.0.0.1:1/marquee")
    assert f"{scheme}://user:***@127.0.0.1:1/marquee cannot be opened" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "m.db").write_text("no database" * 1000)
    with pytest.raises(StoreError, match=r"m\.db cannot be opened: .*file is not a database"):
        connect(f"sqlite:///{tmp_path}/m.db")


def test_the_folder_of_a_new_store_is_made(tmp_path: Path) -> None:
    assert connect(f"sqlite:///{tmp_path}/new/m.db").get_artifact_types() == []
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        connect(f"sqlite:///{tmp_path}/file/m.db")
