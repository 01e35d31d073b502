"""`marquee app` and what reads its database, as commands."""

from __future__ import annotations

import json
import sqlite3

import pyarrow.parquet as pq
import pytest

from pipeline import cli
from serving.app.store import migrate


def run(capsys, *args: str) -> tuple[int, str, str]:
    code = cli.main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'app.sqlite'}"


def test_keys_are_made_listed_rotated_and_revoked(capsys, url):
    def keys(*args: str) -> dict:
        return json.loads(run(capsys, "app", "keys", *args, "--json", "--database", url)[1])

    made = keys("create", "shop", "--scope", "read", "--scope", "write", "--days", "30")
    assert made["key"].startswith(f"mq_{made['id']}_") and made["scopes"] == ["read", "write"]
    rotated = keys("rotate", made["id"])
    assert rotated["name"] == "shop" and rotated["key"] != made["key"]
    assert {key["id"] for key in keys("list")} == {made["id"], rotated["id"]}
    assert "key" not in json.dumps(keys("list"))
    keys("revoke", made["id"])
    assert [key["id"] for key in keys("list")] == [rotated["id"]]
    code, _, err = run(capsys, "app", "keys", "revoke", "none", "--database", url)
    assert code == 2 and 'there is no key "none"' in err


def test_without_keys_it_listens_on_a_loopback_address_only(capsys, url):
    code, _, err = run(capsys, "app", "--no-keys", "--host", "0.0.0.0", "--database", url)
    assert code == 2 and "0.0.0.0 is no loopback address" in err


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("mysql://x/y", "not supported"),
        ("nonsense", "not supported"),
        ("sqlite://", "needs a file"),
        ("postgresql://127.0.0.1:1/none", "connection"),
    ],
)
def test_a_database_that_cannot_be_is_told(capsys, database, words):
    code, _, err = run(capsys, "app", "migrate", "--database", database)
    assert code == 2 and words in err, err


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ('{"id": "x"', "MARQUEE_APP_EXPERIMENT: it is not JSON (Expecting"),
        ('{"id": "x"}', "MARQUEE_APP_EXPERIMENT.VARIANTS: Field required"),
        ('["x"]', "MARQUEE_APP_EXPERIMENT: Input should be a valid dictionary"),
        ("", "no loopback address"),  # as if it were not set; what is told is the next mistake
    ],
)
def test_an_experiment_of_the_settings_that_cannot_be_is_told(capsys, url, monkeypatch, experiment, words):
    monkeypatch.setenv("MARQUEE_APP_EXPERIMENT", experiment)
    code, _, err = run(capsys, "app", "--no-keys", "--host", "0.0.0.0", "--database", url)
    assert code == 2 and words in err, err


def test_migrate_twice(capsys, url):
    assert run(capsys, "app", "migrate", "--database", url)[1] == "ran 0001, 0002\n"
    assert run(capsys, "app", "migrate", "--database", url)[1] == "the database is up to date\n"


def test_tables_of_a_newer_version_are_told(capsys, url, tmp_path):
    migrate.upgrade(url)
    store = sqlite3.connect(tmp_path / "app.sqlite")
    store.execute("UPDATE alembic_version SET version_num = '9999'")
    store.commit()
    for command in (
        ("app", "--no-keys"),
        ("app", "migrate"),
        ("app", "keys", "list"),
        ("events", "export", tmp_path / "events.parquet"),
        ("experiments", "report"),
    ):
        code, _, err = run(capsys, *command, "--database", url)
        assert code == 2 and "newer version of the application (migration 9999" in err, (command, err)


def test_export_and_report_of_an_empty_database(capsys, url, tmp_path):
    path = tmp_path / "events.parquet"
    code, _, err = run(capsys, "events", "export", path, "--database", url)
    assert code == 2 and "there is no file" in err
    migrate.upgrade(url)
    assert run(capsys, "events", "export", path, "--database", url)[0] == 0
    assert pq.read_table(path).num_rows == 0
    code, _, err = run(capsys, "experiments", "report", "--database", url)
    assert code == 2 and "no experiment yet" in err
    store = sqlite3.connect(tmp_path / "app.sqlite")
    variants = json.dumps([{"name": "a"}, {"name": "b"}])
    store.execute("INSERT INTO experiments (id, started, variants) VALUES ('x', 1, ?)", (variants,))
    store.commit()
    out = run(capsys, "experiments", "report", "--database", url)[1]
    assert "Nobody has been shown a list yet: the data decide nothing." in out
