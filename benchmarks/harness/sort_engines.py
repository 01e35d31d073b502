"""DuckDB, Polars and Arrow at what ExampleGen asks of an engine: sort a ratings log by user and time.

    python benchmarks/harness/sort_engines.py --ratings 1000000 10000000

Each engine, in a process of its own, reads the same generated ratings.csv, sorts
it by user (numbers by value), time and position in the file, and hands the rows
on in batches, as the cut takes them. A bound on memory, where an engine has one,
shows whether it spills to disk or dies. Not part of the pipeline; needs `polars`
installed by hand. The choice that came of it is in docs/explain/data.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("userId", "movieId", "rating", "timestamp")
BATCH_ROWS = 1_000_000


def duckdb_rows(file: Path, limit_mb: int, spill: str) -> Iterator[pa.RecordBatch]:
    import duckdb

    engine = duckdb.connect(
        config={"temp_directory": spill, "threads": 2, "preserve_insertion_order": "true"}
    )
    if limit_mb:
        engine.execute(f"SET memory_limit = '{limit_mb}MiB'")
    yield from engine.execute(
        "SELECT userId, movieId, rating, timestamp FROM ("
        "SELECT *, row_number() OVER () AS row FROM read_csv(?, columns = "
        "{'userId': 'BIGINT', 'movieId': 'BIGINT', 'rating': 'FLOAT', 'timestamp': 'BIGINT'}, header = true, "
        "auto_detect = false)) ORDER BY userId, timestamp, row",
        [str(file)],
    ).to_arrow_reader(BATCH_ROWS)


def polars_rows(file: Path, limit_mb: int, spill: str) -> Iterator[pa.RecordBatch]:
    import polars as pl
    import pyarrow.parquet as pq

    schema = {"userId": pl.Int64, "movieId": pl.Int64, "rating": pl.Float32, "timestamp": pl.Int64}
    sorted_file = Path(spill, "sorted.parquet")
    # Streaming all the way: a collected frame would be in memory whole.
    (
        pl.scan_csv(file, schema=schema)
        .with_row_index("row")
        .sort("userId", "timestamp", "row")
        .select(COLUMNS)
        .sink_parquet(sorted_file, compression="uncompressed")
    )
    yield from pq.ParquetFile(sorted_file).iter_batches(BATCH_ROWS)


def arrow_rows(file: Path, limit_mb: int, spill: str) -> Iterator[pa.RecordBatch]:
    import pyarrow.compute as pc
    import pyarrow.csv as pv

    types = {"userId": pa.int64(), "movieId": pa.int64(), "rating": pa.float32(), "timestamp": pa.int64()}
    table = pv.read_csv(file, convert_options=pv.ConvertOptions(column_types=types))
    order = pc.sort_indices(table, sort_keys=[("userId", "ascending"), ("timestamp", "ascending")])
    for start in range(0, len(table), BATCH_ROWS):
        yield from table.take(order[start : start + BATCH_ROWS]).combine_chunks().to_batches()


def buckets_rows(file: Path, limit_mb: int, spill: str) -> Iterator[pa.RecordBatch]:
    """What ExampleGen does: its own reader and `log_store`."""
    from components.example_gen.reading import tables
    from components.example_gen.reading.quarantine import Quarantine
    from components.example_gen.reading.source import Delimited, Kind, Source
    from components.example_gen.sorting import log_store
    from components.example_gen.sorting.codes import Codes

    kinds: dict[str, Kind] = {"user": "id", "item": "id", "rating": "number", "time": "time:s"}
    columns = dict(zip(kinds, COLUMNS, strict=True))
    source = Source("ratings", (file,), Delimited(), columns, kinds)
    # About 150 bytes per row while a bucket is sorted.
    writer = log_store.Writer(Path(spill), Codes(), limit_mb * 2**20 // 150 or 4_000_000)
    for chunk in tables.read(source, Quarantine(), 65_536):
        users, items = writer.users.encode(chunk.table["user"]), writer.items.encode(chunk.table["item"])
        ratings, times = (chunk.table[name].to_numpy() for name in ("rating", "time"))
        writer.add(users, items, ratings, times, log_store.place(0, chunk.lines))
    log = writer.finish("read", lambda repeats: None)
    user_ids, item_ids = (np.array(ids.to_pylist(), np.int64) for ids in (log.user_ids, log.item_ids))
    for first, last in log.spans(BATCH_ROWS):
        events = log.events(first, last)
        user = np.repeat(user_ids[first:last], np.diff(events.offsets))
        arrays = (user, item_ids[events.items], events.ratings, events.timestamps)
        yield pa.RecordBatch.from_arrays([pa.array(array) for array in arrays], COLUMNS)


ENGINES: dict[str, Callable[[Path, int, str], Iterator[pa.RecordBatch]]] = {
    "duckdb": duckdb_rows,
    "polars": polars_rows,
    "arrow": arrow_rows,
    "buckets": buckets_rows,
}


def work(engine: str, file: Path, limit_mb: int) -> dict[str, object]:
    """Runs one engine in this process."""
    with tempfile.TemporaryDirectory() as spill:
        begin = time.monotonic()
        rows, digests = 0, [hashlib.sha256() for _ in COLUMNS]
        for batch in ENGINES[engine](file, limit_mb, spill):
            rows += len(batch)
            for digest, column in zip(digests, batch.columns, strict=True):
                digest.update(np.ascontiguousarray(column.to_numpy(zero_copy_only=False)).data)
        seconds = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "engine": engine, "rows": rows, "limit_mb": limit_mb, "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2), "peak_mb": used.ru_maxrss // 1024,
        "digest": "".join(digest.hexdigest()[:4] for digest in digests),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--limit-mb", type=int, nargs="+", default=[0, 512], help="0: the engine's default")
    parser.add_argument("--keep", help="folder that keeps the generated sets between calls")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        engine, file, limit = args.work
        print(json.dumps(work(engine, Path(file), int(limit))))
        return

    from datasets.generated.movielens_sample import generate

    folder = Path(args.keep or tempfile.mkdtemp())
    for ratings in args.ratings:
        data = folder / f"s{ratings}"
        if not data.exists():
            generate(data, users=ratings // 160, items=20_000, ratings=ratings)
        for limit in args.limit_mb:
            for engine in args.engines:
                done = subprocess.run(
                    [sys.executable, __file__, "--work", engine, str(data / "ratings.csv"), str(limit)],
                    capture_output=True, text=True, check=False,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                )  # fmt: skip
                error = f"{engine}: exit {done.returncode}: {done.stderr.strip()[-300:]}"
                print(done.stdout.strip() or error, flush=True)


if __name__ == "__main__":
    main()
