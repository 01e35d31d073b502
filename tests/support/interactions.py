"""Interactions as files, and as the log that comes of them."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import contract
from components.example_gen import accounts
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import catalogue, layouts
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.records import item_records, splits, timelines
from components.example_gen.sorting import gather, log_store
from components.example_gen.sorting.codes import Codes, id_order
from components.example_gen.sorting.totals import totals

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,3.5,200\n1,30,5.0,300\n2,10,0.5,100\n"
ITEMS = """movieId,title,genres
10,Toy Story (1995),Adventure|Comedy
20,Heat (1995),Crime
30,Babylon 5,Sci-Fi
"""
TAGS = "userId,movieId,tag,timestamp\n1,10,Fun,90\n"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder in the MovieLens layout; each file is text or bytes, None leaves it out."""

    def write(
        ratings: str | bytes | None = RATINGS,
        items: str | bytes | None = ITEMS,
        tags: str | bytes | None = TAGS,
    ) -> Path:
        for name, content in (("ratings.csv", ratings), ("movies.csv", items), ("tags.csv", tags)):
            (tmp_path / name).unlink(missing_ok=True)
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (tmp_path / name).write_bytes(data)
        return tmp_path

    return write


@dataclasses.dataclass(frozen=True)
class Records:
    """What comes of a log: tables by split, and the items' table."""

    splits: dict[str, pa.Table]
    sizes: dict[str, list[int]]
    items: pa.Table


@pytest.fixture(scope="session")
def make_records() -> Callable[..., Records]:
    """Records of (user, item, stars, seconds), (user, item, tag, seconds) and item ids."""

    def table(rows: Sequence[Sequence], schema: pa.Schema) -> pa.Table:
        columns = zip(*rows, strict=True) if rows else [()] * len(schema)
        arrays = [
            pa.array(column, pa.string()).dictionary_encode()
            if pa.types.is_dictionary(field.type)
            else pa.array(column, field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def make(
        ratings: Sequence, tags: Sequence, item_ids: Sequence[str], buffer_rows: int = 1000, **params
    ) -> Records:
        knobs = ExampleGenParams(**params)
        ids = pa.array(item_ids, pa.string())
        ids = ids.take(id_order(ids))
        items = table(
            [(id_, f"Title {id_}", 1990, ["Drama"]) for id_ in ids.to_pylist()], catalogue.ITEMS_SCHEMA
        )
        with tempfile.TemporaryDirectory() as scratch:
            writer = log_store.Writer(Path(scratch), Codes(ids), buffer_rows)
            users, rated, stars, seconds = zip(*ratings, strict=True)
            encoded = [pa.chunked_array([pa.array(x).dictionary_encode()]) for x in (users, rated)]
            writer.add(
                writer.users.encode(encoded[0]), writer.items.encode(encoded[1]),
                np.array(stars), np.array(seconds), log_store.place(0, np.arange(len(ratings))),
            )  # fmt: skip
            # What a user rates twice has tests of its own.
            log = writer.finish(None, pytest.fail)
            known = totals(log, knobs)
            events = log.events(0, len(log.user_ids))
            parts = splits.parts(events, knobs)
            return Records(
                {split: timelines.records(events, parts, split, known.seen) for split in contract.SPLITS},
                {split: known.sizes(split).tolist() for split in contract.SPLITS},
                item_records.records(items, table(tags, catalogue.TAGS_SCHEMA), log.user_ids, known),
            )

    return make


@dataclasses.dataclass(frozen=True)
class Read:
    """What was gathered: (user, item, stars, seconds) by user and time, the tables, the rows set aside."""

    layout: str
    ratings: list[tuple[str, str, float, int]]
    items: list[dict]
    tags: list[dict]
    left_out: dict[str, int]
    bad: Quarantine
    rows_bad: list[dict]


@pytest.fixture
def read(tmp_path_factory) -> Callable[..., Read]:
    """Reads a path as ExampleGen does; keywords are ExampleGenParams."""
    folder = tmp_path_factory.mktemp("scratch")

    def do(path: Path, **params) -> Read:
        # Thousands of logs may be read by one test: what the reader leaves on disk goes with each.
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            return _read(path, Path(scratch), ExampleGenParams(**params))

    return do


def _read(path: Path, scratch: Path, knobs: ExampleGenParams) -> Read:
    with Quarantine(scratch / "bad") as bad:
        data = gather.gather(layouts.detect(path, knobs), knobs, bad, scratch)
    rows_bad = [json.loads(line) for line in (scratch / "bad").read_text().splitlines()]
    events = data.log.events(0, len(data.log.user_ids))
    users = np.repeat(np.array(events.user_ids.to_pylist()), np.diff(events.offsets)).tolist()
    items = events.item_ids.take(pa.array(events.items)).to_pylist()
    ratings = list(zip(users, items, events.ratings.tolist(), events.timestamps.tolist(), strict=True))
    known = totals(data.log, knobs, data.dataset.timed)
    # Every row is somewhere, whatever was read.
    rows = accounts.account(data, known, bad, knobs).tables["ratings"]
    assert rows.rows_in == rows.used + sum(rows.bad.values()) + sum(rows.left_out.values())
    return Read(
        str(data.dataset),
        ratings,
        data.items.to_pylist(),
        data.tags.to_pylist(),
        data.left_out,
        bad,
        rows_bad,
    )
