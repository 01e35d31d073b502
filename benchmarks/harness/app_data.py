"""People and events for benchmarks of the application, written past its API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pyarrow.parquet as pq
import sqlalchemy as sa

import contract
from benchmarks.serving import newest
from serving.app.store import migrate, tables
from serving.app.store.database import Database, parse
from serving.app.store.events import Events
from serving.app.store.people import People

_ROWS = 100_000


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for processes that are started in the block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def item_ids(models: Path) -> list[str]:
    table = pq.read_table(newest(models) / contract.ASSETS_EXTRA / contract.CATALOGUE)
    ids: list[str] = table[contract.ITEM_ID].to_pylist()
    return ids


async def until(session: aiohttp.ClientSession, path: str, seconds: float = 60.0) -> None:
    """Returns when the path answers 200."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(path) as answer:
                if answer.status == 200:
                    return
        if time.monotonic() > end:
            raise TimeoutError(f"{path} does not answer")
        await asyncio.sleep(0.1)


def fill(url: str, people: Sequence[tuple[str, Any]]) -> None:
    """Stores people with histories (ids, stars, times)."""
    migrate.upgrade(url)
    rows = [
        {"person": n, "id": str(at), "kind": "rating", "item_id": item.decode(), "value": stars, "time": when}
        for n, (_, history) in enumerate(people, 1)
        for at, (item, stars, when) in enumerate(zip(*history, strict=True))
    ]
    _insert(url, [{"number": n, "id": id_, "created": 0} for n, (id_, _) in enumerate(people, 1)], rows)


def fill_evenly(url: str, people: int, events: int) -> None:
    """Stores events of people at random, as they come in: a person's rows are all over the table."""
    migrate.upgrade(url)
    _insert(url, [{"number": n, "id": _id(n), "created": 0} for n in range(1, people + 1)], [])
    rng = np.random.default_rng(1)
    for start in range(0, events, _ROWS):
        owners = rng.integers(1, people + 1, min(_ROWS, events - start)).tolist()
        items = rng.integers(1, 50_000, len(owners)).tolist()
        rows = [
            {"person": owner, "id": f"e{start + n}", "kind": "like", "item_id": str(item), "value": None,
             "time": 1_700_000_000 + start + n}
            for n, (owner, item) in enumerate(zip(owners, items, strict=True))
        ]  # fmt: skip
        _insert(url, [], rows)


async def read_and_erase(url: str, people: int, reads: int) -> tuple[list[tuple[float, float]], int | None]:
    """Milliseconds of each read, and of this thread's CPU in it; how often an erased person's id is in the
    SQLite file, None for another database.
    """
    database = Database(url)
    events = Events(database)
    rng = np.random.default_rng(2)
    times = []
    for number in [1, *rng.integers(1, people + 1, reads).tolist()]:
        began, cpu = time.perf_counter(), time.thread_time()
        found = await events.history(_id(number), 20_000)
        times.append(((time.perf_counter() - began) * 1000, (time.thread_time() - cpu) * 1000))
        assert found or people > reads
    gone = _id(people // 2)
    await People(database).erase(gone)
    left = None
    if database.is_sqlite:
        files = [Path(f"{database.url.database}{suffix}") for suffix in ("", "-wal")]
        left = sum(file.read_bytes().count(gone.encode()) for file in files if file.exists())
    await database.close()
    return times[1:], left  # the first opens the connection


def _id(number: int) -> str:
    return f"somebody-{number:07d}-of-the-benchmark"


def _insert(url: str, people: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]]) -> None:
    engine = sa.create_engine(parse(url))
    with engine.begin() as connection:
        for table, rows in ((tables.people, people), (tables.events, events)):
            if rows:
                connection.execute(sa.insert(table), rows)
    engine.dispose()
