"""People and events as they are stored."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import alembic.command
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from serving.app.errors import ConflictError, NotFoundError
from serving.app.results import Experiment, NewEvent, NewExperiment, Recommendations, Recommended, Variant
from serving.app.store import experiment_counts, experiments, export, migrate, tables
from serving.app.store.database import Database, parse
from serving.app.store.events import Events
from serving.app.store.experiments import ExperimentStore
from serving.app.store.keys import Keys
from serving.app.store.people import People

Work = Callable[[Database], Coroutine[Any, Any, Any]]


def run(url: str, work: Work) -> Any:
    async def whole() -> Any:
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(whole())


def event(item: str, id_: str | None = None, kind: str = "like", value=None, time=None) -> NewEvent:
    return NewEvent(id=id_, kind=kind, item_id=item, value=value, time=time)


def test_tables_are_those_of_the_migrations(url):
    engine = sa.create_engine(parse(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
    engine.dispose()
    assert migrate.pending(url) == []
    migrate.upgrade(url)  # does nothing


def test_an_event_is_stored_once_whoever_posts_it_again(url):
    async def work(database):
        person = (await People(database).create()).id
        events = Events(database)
        batch = [event("1", "a", time=5), event("2", "b")]
        posts = await asyncio.gather(*(events.add(person, batch) for _ in range(20)))
        assert sum(post.stored.created for post in posts) == 2
        again = await events.add(person, batch)
        assert (again.stored.created, again.stored.repeated) == (0, 2)
        with pytest.raises(ConflictError) as refused:
            await events.add(person, [event("9", "new"), event("3", "a")])
        assert refused.value.field == "events.1.id"
        assert [one.id for one in await events.history(person, 10)] == ["a", "b"]

    run(url, work)


def test_pages_hold_each_event_once_newest_first(url):
    async def work(database):
        person = (await People(database).create()).id
        events = Events(database)
        # Many of one second: the number of the row decides.
        await events.add(person, [event(str(n), f"e{n}", time=n // 7) for n in range(60)])
        seen, cursor = [], None
        while True:
            page = await events.page(person, 7, cursor)
            seen += [one.id for one in page.items]
            cursor = page.next
            if cursor is None:
                break
        assert seen == [f"e{n}" for n in reversed(range(60))]
        assert [one.id for one in await events.history(person, 5)] == [f"e{n}" for n in range(55, 60)]

    run(url, work)


def test_correct_and_delete(url):
    async def work(database):
        person = (await People(database).create()).id
        events = Events(database)
        await events.add(person, [event("1", "a", "rating", 3.0, 100)])
        corrected = await events.correct(person, "a", event("1", None, "rating", 4.5))
        assert (corrected.value, corrected.time) == (4.5, 100)
        await events.delete(person, "a")
        for call in (
            events.delete(person, "a"),
            events.get(person, "a"),
            events.correct(person, "a", event("1")),
            events.history("nobody", 5),
        ):
            with pytest.raises(NotFoundError):
                await call
        with pytest.raises(ConflictError):
            await People(database).create(person)

    run(url, work)


def answer(*items: str) -> Recommendations:
    shown = [Recommended(id=item, title=item, score=1.0) for item in items]
    return Recommendations(items=shown, source="model", model="marquee", version=7)


def test_what_an_experiment_counted_of_an_event_follows_its_correction(url):
    async def work(database):
        people, events, experiments = People(database), Events(database), ExperimentStore(database)
        person = (await people.create()).id
        variants = [Variant(name="a"), Variant(name="b")]
        experiment = await experiments.start(NewExperiment(id=f"x{uuid.uuid4().hex[:8]}", variants=variants))
        await experiments.expose(experiment.id, "b", person, answer("1", "2"))
        await events.add(person, [event("1", "one"), event("2", "two")], experiment.id)
        # A retry of what is stored counts nothing again.
        await events.add(person, [event("1", "one"), event("2", "two")], experiment.id)

        async def outcomes() -> dict[str, float]:
            async with database.reading() as connection:
                counts = await connection.run_sync(experiment_counts.read, experiment)
            return {kind: float(by_person.sum()) for kind, by_person in counts["b"].outcomes.items()}

        assert await outcomes() == {"like": 2}
        await events.correct(person, "one", event("1", None, "hide"))
        assert await outcomes() == {"like": 1, "hide": 1}
        # Of another item, which was not shown, it is no outcome.
        await events.correct(person, "two", event("3", None, "like"))
        assert await outcomes() == {"hide": 1}
        await experiments.stop(experiment.id)

    run(url, work)


def test_events_and_what_an_experiment_counts_of_them_are_stored_together_or_not_at_all(url, monkeypatch):
    """A process that ended between the two lost the outcomes for good: a retry finds the events known."""

    async def work(database):
        people, events, store = People(database), Events(database), ExperimentStore(database)
        person = (await people.create()).id
        variants = [Variant(name="a"), Variant(name="b")]
        experiment = await store.start(NewExperiment(id=f"x{uuid.uuid4().hex[:8]}", variants=variants))
        await store.expose(experiment.id, "b", person, answer("1"))

        async def ends(*_: object) -> None:
            raise RuntimeError("the process ends here")

        with monkeypatch.context() as patched:
            patched.setattr(experiments, "insert_outcomes", ends)
            with pytest.raises(RuntimeError, match="ends here"):
                await events.add(person, [event("1", "one")], experiment.id)
        assert await events.history(person, 5) == []
        assert (await events.add(person, [event("1", "one")], experiment.id)).stored.created == 1
        async with database.reading() as connection:
            counts = await connection.run_sync(experiment_counts.read, experiment)
        assert {kind: float(found.sum()) for kind, found in counts["b"].outcomes.items()} == {"like": 1}
        await store.stop(experiment.id)

    run(url, work)


def test_people_are_held_against_the_weights_that_they_were_split_by(url):
    async def work(database):
        people, experiments = People(database), ExperimentStore(database)
        person = (await people.create()).id
        variants = [Variant(name="a"), Variant(name="b")]
        begun = await experiments.start(NewExperiment(id=f"x{uuid.uuid4().hex[:8]}", variants=variants))
        await experiments.expose(begun.id, "b", person, answer("1"))

        async def split(experiment: Experiment) -> int:
            async with database.reading() as connection:
                counts = await connection.run_sync(experiment_counts.read, experiment)
            return counts["b"].split

        assert await split(begun) == 1
        same = await experiments.reweigh(begun.id, {"b": 1.0})
        assert (same.weighed, await split(same)) == (None, 1)
        other = await experiments.reweigh(begun.id, {"b": 2.0})
        assert other == await experiments.get(begun.id)
        assert other.weighed is not None and await split(other) == 0
        settled = other.model_copy(update={"weighed": other.weighed - experiment_counts.SETTLED_S - 5})
        assert await split(settled) == 1
        stopped = await experiments.stop(begun.id)
        # Of an ended one they would hide how people were split.
        with pytest.raises(ConflictError, match="has ended"):
            await experiments.reweigh(begun.id, {"b": 9.0})
        assert await experiments.get(begun.id) == stopped

    run(url, work)


def test_erasing_a_person_erases_everything(url):
    async def work(database):
        people, events, experiments = People(database), Events(database), ExperimentStore(database)
        person, other = f"erase-{uuid.uuid4().hex}", (await people.create()).id
        await people.create(person)
        variants = [Variant(name="a"), Variant(name="b", label="canary")]
        experiment = await experiments.start(NewExperiment(id=f"x{uuid.uuid4().hex[:8]}", variants=variants))
        await experiments.expose(experiment.id, "b", person, answer("1", "2"))
        await events.add(other, [event("1", "kept")])
        await events.add(person, [event("1", f"{person}-1"), event("3", f"{person}-2")], experiment.id)
        await experiments.stop(experiment.id)
        erased = await people.erase(person)
        assert (erased.events, erased.exposures, erased.outcomes) == (2, 1, 1)
        with pytest.raises(NotFoundError):
            await people.get(person)
        assert (await people.get(other)).events == 1
        return person

    person = run(url, work)
    if url.startswith("sqlite"):
        path = parse(url).database
        assert path is not None
        files = [Path(path), Path(f"{path}-wal")]
        assert not any(person.encode() in file.read_bytes() for file in files if file.exists())


def test_keys_are_stored_hashed_and_end(url):
    async def work(database):
        keys = Keys(database)
        key, text = await keys.create("shop", ["read"], days=1)
        assert (await keys.verify(text)) == key
        for wrong in (
            "",
            "mq",
            text[:-1],
            text[:-1] + ("0" if text[-1] != "0" else "1"),
            "x" * 500,
            "mq_a_b",
        ):
            assert await keys.verify(wrong) is None
        async with database.reading() as connection:
            rows = (await connection.execute(sa.select(tables.keys))).all()
        assert text.rpartition("_")[2] not in json.dumps([list(row) for row in rows])
        new, new_text = await keys.rotate(key.id, overlap_hours=0)
        assert await keys.verify(text) is None and (await keys.verify(new_text)) == new
        assert (new.name, new.scopes) == ("shop", ("read",)) and new.expires is not None
        await keys.revoke(new.id)
        assert await keys.verify(new_text) is None
        expired, expired_text = await keys.create("old", ["read"], days=0)
        assert expired.expires is not None and expired.expires <= time.time()
        assert await keys.verify(expired_text) is None

    run(url, work)


def test_an_export_has_the_events_of_those_who_are_there(url, tmp_path):
    async def work(database):
        people, events = People(database), Events(database)
        for person in ("export-a", "export-b", "export-gone"):
            await people.create(person)
            await events.add(
                person,
                [
                    event("1", "1", "like", time=10),
                    event("1", "2", "rating", 3.5, 20),
                    event("2", "3", "view", time=30),
                    event("3", "4", "dislike", time=40),
                ],
            )
        await people.erase("export-gone")

    run(url, work)
    path = tmp_path / "folder" / "events.parquet"
    assert export.write(url, path) == pq.read_metadata(path).num_rows
    rows = [row for row in pq.read_table(path).to_pylist() if row["user"].startswith("export-")]
    assert [row["user"] for row in rows] == ["export-a"] * 4 + ["export-b"] * 4
    assert [(row["item"], row["event"], row["rating"], row["time"]) for row in rows[:4]] == [
        ("1", "like", None, 10),  # the later rating is this person's word on the item
        ("1", "rating", 3.5, 20),
        ("2", "view", None, 30),
        ("3", "dislike", 1.0, 40),
    ]
    assert [path.name for path in path.parent.iterdir()] == ["events.parquet"]
    export.write(url, path, (1.0, 10.0))
    rows = [row for row in pq.read_table(path).to_pylist() if row["user"] == "export-a"]
    assert [row["rating"] for row in rows] == [None, 3.5, None, 2.0]


def test_an_export_that_fails_leaves_what_was_there_and_nothing_else(url, tmp_path, monkeypatch):
    """What people did stayed in a hidden file that nobody looks for."""
    path = tmp_path / "events.parquet"
    path.write_bytes(b"of yesterday")

    def ends(*_):
        yield [{"user": "ada", "item": "1", "event": "like", "rating": 4.5, "time": 1}]
        raise OSError("the disk is full")

    monkeypatch.setattr(export, "_batches", ends)
    with pytest.raises(OSError, match="full"):
        export.write(url, path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(path.name, b"of yesterday")]


def test_a_history_is_whole_whatever_its_length(url):
    async def work(database):
        people, events = People(database), Events(database)
        nobody, person = f"nobody-{uuid.uuid4().hex}", (await people.create()).id
        with pytest.raises(NotFoundError, match=nobody):
            await events.history(nobody, 10)
        assert await events.history(person, 10) == []
        for start in range(0, 1100, 275):
            # The newest are stored first.
            batch = [event(str(n), f"e{n}", time=n) for n in range(start, start + 275)]
            await events.add(person, batch[::-1])
            stored = [str(n) for n in range(start + 275)]
            assert [one.item_id for one in await events.history(person, 20_000)] == stored
            assert [one.item_id for one in await events.history(person, 700)] == stored[-700:]
            assert [one.item_id for one in await events.history(person, 3)] == stored[-3:]

    run(url, work)


def test_a_locked_file_holds_up_no_other_request(url):
    if not url.startswith("sqlite"):
        pytest.skip("a file of SQLite")

    async def work(database):
        person = (await People(database).create()).id
        await Events(database).add(person, [event("1", "a", time=5)])
        path = database.url.database
        await database.close()
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("PRAGMA locking_mode=EXCLUSIVE")
        lock.execute("DELETE FROM events WHERE id = 'none'")
        database = Database(url)
        reading = asyncio.create_task(Events(database).history(person, 10))
        for _ in range(20):
            began = time.monotonic()
            await asyncio.sleep(0.01)
            # The lock is waited for 10 seconds.
            assert time.monotonic() - began < 5
        assert not reading.done()
        lock.close()
        assert [one.item_id for one in await reading] == ["1"]
        await database.close()

    run(url, work)


def test_what_an_earlier_version_stored_survives_the_migrations(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    engine = sa.create_engine(url)
    variants = json.dumps([{"name": "a"}, {"name": "b"}])
    with engine.begin() as connection:
        alembic.command.upgrade(migrate._config(connection), "0001")
        for row in (
            "INSERT INTO people (number, id, created) VALUES (1, 'ada', 1)",
            f"INSERT INTO experiments (id, started, variants) VALUES ('x', 1, '{variants}')",
            "INSERT INTO exposures (experiment, variant, person, time, version, source, items) "
            "VALUES ('x', 'b', 1, 2, 7, 'model', '[]')",
        ):
            connection.exec_driver_sql(row)
    assert migrate.pending(url) == ["0002"]
    migrate.upgrade(url)
    with engine.connect() as connection:
        (experiment,) = experiments.read_all(connection)
        assert experiment.weighed is None
        assert experiment_counts.read(connection, experiment)["b"].split == 1
    engine.dispose()
