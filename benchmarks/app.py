"""The application over the model server: what it adds, what it survives, how it reads two million events.

    python -m benchmarks.app [--models artifacts/serving_model] [--events 2000000] [--only load]

Prints tables and writes benchmarks/out/app.json with the bars:

- load: `GET recommendations` adds at most 5 ms at p50 and 15 ms at p99 to the model server's own answer
  to the same question, open loop, at 30 % of what the application can answer;
- model: the model server is killed under load and started again: no 5xx, lists marked, the model's own
  lists within 5 s of its return;
- writers: the application is killed (-9) while 1,000 writers post: every acknowledged event is there once;
- history: events of 100,000 people in SQLite and, where it is installed, PostgreSQL: a person's history
  is read in at most 5 ms at p99; an erased person's id is nowhere in the SQLite file.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import sqlalchemy as sa

import contract
from benchmarks import report
from benchmarks.harness import app_data, postgres
from benchmarks.harness.ports import free_port
from benchmarks.report import Bar
from benchmarks.serving import PREDICT, Server, generated, histories, newest, ours_command, started
from serving.protocol import messages, tensors
from serving.protocol.arrays import as_array

K = 10
SHARE = 0.3
ADDED_P50_MS, ADDED_P99_MS = 5.0, 15.0
BACK_S = 5.0
WRITERS = 1000
HISTORY_MS = 5.0


@dataclasses.dataclass(frozen=True)
class Running:
    """A model server and an application over it."""

    model: Server
    app: Server
    database: str


@contextlib.contextmanager
def running_app(models: Path, grpc: int, rest: int, database: str) -> Iterator[Server]:
    port = free_port()
    command = [
        "-m", "serving.app", "--no-keys", f"--port={port}", f"--database={database}",
        f"--model-server=127.0.0.1:{grpc}", f"--model-files={models}",
    ]  # fmt: skip
    limits = {f"MARQUEE_APP_{name}_LIMIT": "100000000/minute" for name in ("RATE", "ADDRESS")}
    with (
        app_data.environment({**limits, "MARQUEE_APP_LOG_LEVEL": "error"}),
        started("application", command, 0, port) as server,
    ):
        yield server


# --- load ----------------------------------------------------------------------------


def question(history: tuple[list[bytes], list[float], list[int]]) -> bytes:
    """The body of `recommend` as the application asks it."""
    row = dict(zip(contract.HISTORY_FEATURES, history, strict=True)) | {contract.K: K}
    signature = contract.SIGNATURES[contract.RECOMMEND]
    dtypes = {item.name: item.dtype for item in signature.inputs}
    request = messages.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = contract.MODEL, contract.RECOMMEND
    for name, value in signature.filled([row]).items():
        tensors.encode(as_array(value, dtypes[name]), request.inputs[name])
    body: bytes = request.SerializeToString()
    return body


def asked(server: Server, kind: str, requests: Path, *options: str) -> dict[str, Any]:
    """Figures of one run of load.py."""
    found = generated(server, kind, PREDICT, requests, *options)
    del found["first_answer"]
    return found


def measure_load(pair: Running, made: Sequence[Any], folder: Path, seconds: float) -> tuple[list[Bar], Any]:
    app_data.fill(pair.database, [(f"p{n}", history) for n, history in enumerate(made)])
    questions, bare, whole = (folder / name for name in ("questions", "bare", "whole"))
    questions.write_bytes(pickle.dumps([question(history) for history in made]))
    paths = [f"/v1/people/p{n}/recommendations?k={K}" for n in range(len(made))]
    bare.write_bytes(pickle.dumps([f"{path}&explain=false&ratings=false".encode() for path in paths]))
    whole.write_bytes(pickle.dumps([path.encode() for path in paths]))
    kinds = (
        ("model server, gRPC", "grpc", pair.model, questions),
        ("list alone", "get", pair.app, bare),
        ("list, ratings, reasons", "get", pair.app, whole),
    )
    rows: dict[str, Any] = {}
    print(f"\n{'':<26}{'load':>12}{'req/s':>8}{'CPU us':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for name, kind, server, requests in kinds:
        row = asked(server, kind, requests, "--clients", "16", "--seconds", str(seconds), "--warm-up", "1")
        rows[name] = {"closed": row}
        show(name, "16 clients", row)
    rate = SHARE * rows["list alone"]["closed"]["rate"]
    for name, kind, server, requests in kinds[:2]:
        options = ("--rate", f"{rate:.1f}", "--seconds", str(2 * seconds))
        row = asked(server, kind, requests, *options, "--connections", "8" if kind == "grpc" else "64")
        rows[name]["open"] = row
        show(name, f"{rate:.0f}/s", row)
    own, added = (rows[name]["open"]["milliseconds"] for name in ("model server, gRPC", "list alone"))
    return [
        report.at_most("added at p50 (ms)", added["p50"] - own["p50"], ADDED_P50_MS),
        report.at_most("added at p99 (ms)", added["p99"] - own["p99"], ADDED_P99_MS),
    ], rows


def show(name: str, text: str, row: dict[str, Any]) -> None:
    times = row["milliseconds"]
    print(
        f"{name:<26}{text:>12}{row['rate']:>8.0f}{row['server_cpu_microseconds']:>8.0f}"
        f"{times['p50']:>9.2f}{times['p99']:>9.2f}",
        flush=True,
    )


# --- kills -----------------------------------------------------------------------------


def kill_model(models: Path, folder: Path, made: Sequence[Any]) -> tuple[list[Bar], Any]:
    """Lists while the model server is killed and started again."""
    grpc, rest = free_port(), free_port()
    url = f"sqlite:///{folder / 'kill-model.sqlite'}"
    app_data.fill(url, [(f"p{n}", history) for n, history in enumerate(made[:50])])

    async def run() -> tuple[collections.Counter[str], float]:
        seen: collections.Counter[str] = collections.Counter()
        back = asyncio.Event()
        phase = "before"

        async def client(number: int, session: aiohttp.ClientSession) -> None:
            while phase != "over":
                path = f"/v1/people/p{number}/recommendations?k={K}"
                async with session.get(path) as answer:
                    body = await answer.json()
                    source = body.get("source", "")
                    seen[f"{phase} {answer.status} {source}"] += 1
                    if phase == "returned" and source == "model":
                        back.set()
                await asyncio.sleep(0.02)

        with running_app(models, grpc, rest, url) as app:
            async with aiohttp.ClientSession(f"http://{app.rest}") as session:
                with started("model server", ours_command(models, grpc, rest), grpc, rest) as model:
                    await app_data.until(session, "/health/ready")
                    clients = [asyncio.create_task(client(number, session)) for number in range(8)]
                    await asyncio.sleep(4)
                    phase = "killed"
                    model.process.kill()
                    await asyncio.sleep(4)
                again = await asyncio.to_thread(
                    lambda: stack.enter_context(
                        started("model server", ours_command(models, grpc, rest), grpc, rest)
                    )
                )
                phase, began = "returned", time.monotonic()
                await asyncio.wait_for(back.wait(), 60)
                took = time.monotonic() - began
                await asyncio.sleep(1)
                phase = "over"
                await asyncio.gather(*clients)
                assert again.process.poll() is None
                return seen, took

    with contextlib.ExitStack() as stack:
        seen, took = asyncio.run(run())
    print("\nthe model server is killed:", dict(sorted(seen.items())))
    wrong = sum(count for what, count in seen.items() if " 200 " not in what)
    marked = sum(count for what, count in seen.items() if what in ("killed 200 cached", "killed 200 popular"))
    return [
        report.at_most("answers that are no list, with the model server killed", wrong, 0),
        report.at_least("lists marked cached or popular", marked, 1),
        report.at_most("seconds until the model's own lists are back", took, BACK_S),
    ], {"answers": dict(seen), "back_s": took}


def kill_writers(models: Path, grpc: int, folder: Path) -> tuple[list[Bar], Any]:
    """1,000 writers post while the application is killed; what was acknowledged is looked up."""
    url = f"sqlite:///{folder / 'writers.sqlite'}"
    items = app_data.item_ids(models)
    app_data.fill(url, [(f"w{n}", ([], [], [])) for n in range(WRITERS)])
    acknowledged: set[str] = set()

    async def writer(session: aiohttp.ClientSession, number: int) -> None:
        for count in range(10_000):
            event = {"id": f"w{number}-{count}", "kind": "like", "item_id": items[count % len(items)]}
            try:
                async with session.post(f"/v1/people/w{number}/events", json=event) as answer:
                    if answer.status != 201:
                        return
                    await answer.read()
            except aiohttp.ClientError:
                return
            acknowledged.add(event["id"])

    async def run() -> None:
        with running_app(models, grpc, 0, url) as app:
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=120)
            async with aiohttp.ClientSession(
                f"http://{app.rest}", connector=connector, timeout=timeout
            ) as session:
                await app_data.until(session, "/health/ready")
                writers = [asyncio.create_task(writer(session, number)) for number in range(WRITERS)]
                while len(acknowledged) < 3 * WRITERS:
                    await asyncio.sleep(0.01)
                os.kill(app.process.pid, signal.SIGKILL)
                await asyncio.gather(*writers)

    asyncio.run(run())
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id FROM events")).scalars().all()
        sound = connection.execute(sa.text("PRAGMA integrity_check")).scalar_one()
    engine.dispose()
    counts = collections.Counter(rows)
    lost = sum(id_ not in counts for id_ in acknowledged)
    twice = sum(count > 1 for count in counts.values())
    print(f"\n{WRITERS} writers, one kill -9: {len(acknowledged)} events acknowledged, {len(rows)} stored")
    return [
        report.at_most("acknowledged events that are lost", lost, 0),
        report.at_most("events that are there twice", twice, 0),
        report.at_most("faults of the database file", int(sound != "ok"), 0),
    ], {"acknowledged": len(acknowledged), "stored": len(rows)}


# --- histories ---------------------------------------------------------------------------


def measure_history(url: str, name: str, people: int, events: int, reads: int) -> tuple[list[Bar], Any]:
    """Reads of a history among many, and an erasure."""
    began = time.monotonic()
    app_data.fill_evenly(url, people, events)
    filled = time.monotonic() - began
    times, left = asyncio.run(app_data.read_and_erase(url, people, reads))
    (p50, cpu50), (p99, cpu99) = np.percentile(times, [50, 99], axis=0)
    print(
        f"\n{name}: {events:,} events of {people:,} people, filled in {filled:.0f} s; a history is read in "
        f"{p50:.2f} ms at p50, {p99:.2f} ms at p99, with {cpu50:.2f} and {cpu99:.2f} ms of CPU"
    )
    bars = [report.at_most(f"a history from {name} at p99 (ms)", float(p99), HISTORY_MS)]
    if left is not None:
        bars.append(report.at_most("traces of an erased person in the SQLite file", left, 0))
    found = {"p50_ms": p50, "p99_ms": p99, "cpu_p50_ms": cpu50, "cpu_p99_ms": cpu99}
    figures = {name: float(value) for name, value in found.items()}
    return bars, {**figures, "events": events, "people": people}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("artifacts/serving_model"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--reads", type=int, default=3000)
    parser.add_argument("--only", nargs="+", choices=("load", "model", "writers", "history"))
    args = parser.parse_args()
    only = args.only or ("load", "model", "writers", "history")
    models = args.models.resolve()
    made = histories(newest(models), 500)
    bars: list[Bar] = []
    figures: dict[str, Any] = {}

    def note(name: str, found: tuple[list[Bar], Any]) -> None:
        bars.extend(found[0])
        figures[name] = found[1]

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        if {"load", "writers"} & set(only):
            grpc, rest = free_port(), free_port()
            with started("model server", ours_command(models, grpc, rest), grpc, rest) as model:
                if "load" in only:
                    url = f"sqlite:///{folder / 'load.sqlite'}"
                    with running_app(models, grpc, rest, url) as app:
                        note("load", measure_load(Running(model, app, url), made, folder, args.seconds))
                if "writers" in only:
                    note("writers", kill_writers(models, grpc, folder))
        if "model" in only:
            note("model", kill_model(models, folder, made))
        if "history" in only:
            url = f"sqlite:///{folder / 'history.sqlite'}"
            note("sqlite", measure_history(url, "SQLite", args.people, args.events, args.reads))
            programs = postgres.find()
            if programs is None:
                print("\nPostgreSQL is not installed: its histories are not measured")
            else:
                with postgres.running(programs) as url:
                    note(
                        "postgresql", measure_history(url, "PostgreSQL", args.people, args.events, args.reads)
                    )
    report.write("app", bars, figures)


if __name__ == "__main__":
    main()
