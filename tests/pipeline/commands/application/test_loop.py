"""The loop closes: what a new person did in the application is exported, trained on, and answered by."""

from __future__ import annotations

import asyncio

import pyarrow.parquet as pq
import pytest
from support.servers.app import serve

import contract
from serving.app.results import NewEvent
from serving.app.store import migrate
from serving.app.store.database import Database
from serving.app.store.events import Events
from serving.app.store.people import People
from serving.client import Client

pytestmark = pytest.mark.nightly(
    "serving/app/store/export.py",
    "pipeline/commands/application/events.py",
    "components/example_gen/reading/layouts/events.py",
)
PERSON = "new-person"
LIKED = 20
# A tiny model on the sample moves a taste by some places; a short list may show none of it.
K = 100


def recommended(folder, version) -> tuple[list[str], list[str]]:
    """What a version recommends to the person, and to one whom nobody knows."""
    folder.mkdir()
    server = serve(version.parent, folder)
    try:
        with Client(server.grpc, timeout_s=60) as client:
            return client.recommend_user(PERSON, K).ids, client.recommend_user("nobody", K).ids
    finally:
        server.stop()


def taste(catalogue, item) -> set[str]:
    return set(catalogue[item][contract.GENRES])


def test_a_new_person_s_events_change_recommend_user(workspace_to_run_in, tmp_path):
    workspace = workspace_to_run_in
    first = workspace.pushed[-1]
    own, popular = recommended(tmp_path / "before", first)
    assert own == popular
    rows = pq.read_table(first / contract.ASSETS_EXTRA / contract.CATALOGUE).to_pylist()
    catalogue = {row[contract.ITEM_ID]: row for row in rows}
    # A taste that the popular list shows little of.
    shown = [genre for item in popular for genre in taste(catalogue, item)]
    genres = {genre for row in rows for genre in row[contract.GENRES]}
    having = {genre: [row for row in rows if genre in row[contract.GENRES]] for genre in genres}
    genre = min((g for g in genres if len(having[g]) >= 2 * LIKED), key=lambda g: (shown.count(g), g))
    liked = [row[contract.ITEM_ID] for row in having[genre][:LIKED]]

    url = f"sqlite:///{tmp_path / 'app.sqlite'}"
    migrate.upgrade(url)

    async def like() -> None:
        database = Database(url)
        await People(database).create(PERSON)
        events = [NewEvent(kind="like", item_id=item, time=1_900_000_000 + n) for n, item in enumerate(liked)]
        await Events(database).add(PERSON, events)
        await database.close()

    asyncio.run(like())
    path = tmp_path / "exports" / "events.parquet"
    assert workspace.command("events", "export", str(path), "--database", url).code == 0
    finished = workspace.run("--data", str(path))
    assert finished.code == 0, finished.out + finished.err
    own, popular = recommended(tmp_path / "after", workspace.pushed[-1])
    assert workspace.pushed[-1] != first and own != popular and not set(own) & set(liked[: LIKED - 4])
    assert sum(genre in taste(catalogue, item) for item in own) > sum(
        genre in taste(catalogue, item) for item in popular
    )
