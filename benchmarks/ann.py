"""Approximate search: the exported ScaNN against exact search, faiss, hnswlib and ScaNN outside the graph.

    python benchmarks/ann.py --folder FOLDER

Vectors are those of towers trained on a generated catalogue of a million
items, queries those of its users' histories (see vectors.py; FOLDER keeps
them and the indexes, so a second run is quick). One thread searches. Every
engine's search setting is the fastest that reaches recall@10 of 0.95 on one
half of the queries; recall and time are then measured on the other half. In
each round the engines take turns, and a bar is the median over rounds of the
ratio within a round. Writes benchmarks/out/ann.json.

Beside them stands the search of `recommend` as it is exported, asked for ten items with and without
a condition that leaves one item in a hundred: what comes back with it is compared with NumPy.

Times are CPU of the whole process. Recall@10: share of the ten found whose
exact score reaches that of the tenth best (of two equal items either will do).
"""

from __future__ import annotations

import os

# Read when the libraries load.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"})

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.harness import ann_engines, vectors  # noqa: E402
from benchmarks.harness.ann_engines import TARGET_RECALL, Engine, K  # noqa: E402

TIMES_EXACT = 20.0
TIMES_BETTER = 1.5
TIMES_UNFILTERED = 5.0
BATCHES = (1, 32)
_EXACT = ("exact-tensorflow", "exact-numpy")
_CONDITIONS = "scann-conditions"
_OTHERS = ("faiss-ivfpq", "faiss-hnsw", "hnswlib")
# The tenth best score is computed by another product than the one it is compared with.
_ROUNDING = 1e-6
_SECONDS = 0.3  # of one engine's turn
# What is reached on other queries than those that a setting was chosen by differs by about this much.
_MARGIN = 0.005


def build(folder: Path, name: str) -> dict[str, float]:
    """Builds and saves an index in a process of its own, unless that was done; its size and seconds."""
    out = folder / name
    if not (out / "seconds").exists():
        shutil.rmtree(out, ignore_errors=True)
        with vectors.Stage(f"building {name}"):
            environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
            done = subprocess.run(
                [
                    sys.executable, str(Path(ann_engines.__file__)), name, "--out", str(out),
                    "--vectors", str(folder / "items.npy"), "--queries", str(folder / "tuning.npy"),
                ],
                capture_output=True, text=True, check=False, env=environment,
            )  # fmt: skip
        if done.returncode:
            sys.exit(f"{name} was not built\n{done.stdout}{done.stderr}")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {"build_seconds": float((out / "seconds").read_text()), "mebibytes": size / 2**20}


def load(make: Callable[[Any], Engine], given: Any) -> tuple[Engine, dict[str, float]]:
    """An engine ready to answer; the seconds and the memory that took."""
    process = psutil.Process()
    before, began = process.memory_info().rss, time.monotonic()
    engine = make(given)
    memory = (process.memory_info().rss - before) / 2**20
    return engine, {"load_seconds": time.monotonic() - began, "load_mebibytes": memory}


def tenth_best(matrix: np.ndarray, queries: np.ndarray, block: int = 64) -> np.ndarray:
    """float32[Q]: the score that a row must reach to be among the best K."""
    return np.concatenate(
        [
            np.partition(queries[at : at + block] @ matrix.T, -K, axis=1)[:, -K]
            for at in range(0, len(queries), block)
        ]
    )


def recall(matrix: np.ndarray, queries: np.ndarray, least: np.ndarray, rows: np.ndarray) -> float:
    hits = 0
    for query, bound, found in zip(queries, least, rows, strict=True):
        there = np.unique(found[found >= 0])
        hits += int((matrix[there] @ query >= bound - _ROUNDING).sum())
    return hits / (K * len(queries))


def search_all(engine: Engine, queries: np.ndarray, batch: int) -> np.ndarray:
    starts = range(0, len(queries), batch)
    return np.concatenate([engine.search(queries[at : at + batch]) for at in starts])


def seconds_per_query(engine: Engine, queries: np.ndarray, batch: int, seconds: float) -> float:
    """Mean over batches that follow one another through `queries`, for about `seconds`.

    Of CPU, all threads of the process together: on an idle machine the same as
    by the clock, since one thread searches, and on a busy one still that.
    """
    starts = range(0, len(queries) - batch + 1, batch)
    engine.search(queries[:batch])
    done, began = 0, time.process_time()
    while True:
        at = starts[done % len(starts)]
        engine.search(queries[at : at + batch])
        done += 1
        passed = time.process_time() - began
        if passed > seconds:
            return passed / (done * batch)


def tune(engine: Engine, matrix: np.ndarray, queries: np.ndarray) -> dict[str, int]:
    """The fastest setting of the grid that reaches the recall; else the one that comes closest.

    Recall grows along the grid for each value of the other knobs, so of each
    such line only the first that reaches it is timed.
    """
    least = tenth_best(matrix, queries)
    main, *_ = [*(engine.grid[0] or {"": 0})]
    lines: dict[tuple[Any, ...], list[dict[str, int]]] = {}
    for settings in engine.grid:
        others = tuple(value for name, value in settings.items() if name != main)
        lines.setdefault(others, []).append(settings)
    good: list[tuple[float, dict[str, int]]] = []
    closest: tuple[float, dict[str, int]] = (-1.0, {})
    for line in lines.values():
        # The recall rises with the first knob: halve the line until its first good place is found.
        low, high = 0, len(line)
        while low < high:
            middle = (low + high) // 2
            engine.set(line[middle])
            found = recall(matrix, queries, least, search_all(engine, queries, 32))
            closest = max(closest, (found, line[middle]), key=lambda pair: pair[0])
            if found >= TARGET_RECALL + _MARGIN:
                high = middle
            else:
                low = middle + 1
        if low < len(line):
            engine.set(line[low])
            good.append((seconds_per_query(engine, queries, 1, _SECONDS), line[low]))
    return min(good, key=lambda pair: pair[0])[1] if good else closest[1]


def measure(
    engines: dict[str, Engine], queries: np.ndarray, rounds: int
) -> dict[str, dict[int, list[float]]]:
    """engine -> batch -> milliseconds per query in each round."""
    times: dict[str, dict[int, list[float]]] = {name: {b: [] for b in BATCHES} for name in engines}
    for turn in range(rounds):
        for batch in BATCHES:
            for name, engine in engines.items():
                seconds = seconds_per_query(engine, queries, batch, _SECONDS)
                times[name][batch].append(1e3 * seconds)
        print(f"  round {turn + 1} of {rounds}, load {os.getloadavg()[0]:.1f}", flush=True)
    return times


def with_condition(
    folder: Path, matrix: np.ndarray, queries: np.ndarray, rounds: int
) -> dict[str, dict[int, list[float]]]:
    """Milliseconds per query of `recommend`'s search, as `measure`, without and with a condition.

    Ends the program if what the condition leaves is not what NumPy finds.
    """
    engine = ann_engines.ScannConditions(folder)
    kinds = engine.kinds(len(matrix))
    times: dict[str, dict[int, list[float]]] = {
        name: {b: [] for b in BATCHES} for name in ("without", "with")
    }
    engine.where = b"kind=7"
    allowed = matrix[kinds == 7]
    some = queries[:64]
    found = engine.search(some)
    best = np.sort(some @ allowed.T, axis=1)[:, : -K - 1 : -1]
    scores = np.take_along_axis(some @ matrix.T, found, axis=1)
    if not (kinds[found] == 7).all() or not np.allclose(scores, best, atol=1e-5):
        sys.exit("with the condition kind=7 other items came back than NumPy finds among those")
    for _ in range(rounds):
        for batch in BATCHES:
            for name, where in (("without", b""), ("with", b"kind=7")):
                engine.where = where
                times[name][batch].append(1e3 * seconds_per_query(engine, queries, batch, _SECONDS))
    return times


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def table(rows: dict[str, dict[str, Any]]) -> None:
    head = f"{'engine':<18}{'setting':<28}{'recall':>8}{'ms, 1':>9}{'ms, 32':>9}"
    print(f"\n{head}{'disk MiB':>10}{'build s':>9}{'load s':>8}{'memory MiB':>12}")
    for name, row in rows.items():
        setting = ", ".join(f"{key} {value}" for key, value in row["setting"].items())
        times = [f"{row['milliseconds'][batch]:>9.4f}" for batch in BATCHES]
        print(
            f"{name:<18}{setting:<28}{row['recall']:>8.3f}{''.join(times)}{row.get('mebibytes', 0):>10.0f}"
            f"{row.get('build_seconds', 0):>9.1f}{row['load_seconds']:>8.1f}{row['load_mebibytes']:>12.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="keeps vectors and indexes for the next run"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--engines",
        default=",".join(name for name in ann_engines.LOADED if name != _CONDITIONS),
        help="beside exact search; scann-exported is needed",
    )
    parser.add_argument("--out", type=Path, help="folder of ann.json; default benchmarks/out")
    vectors.add_arguments(parser)
    args = parser.parse_args()
    folder = args.folder.absolute()
    # A process of its own: TensorFlow's thread pools are made once in a process.
    command = [sys.executable, str(Path(vectors.__file__)), "--folder", str(folder)]
    if subprocess.run([*command, *vectors.as_arguments(args)], check=False).returncode:
        sys.exit("the vectors were not made; what went wrong stands above")
    matrix, queries = np.load(folder / "items.npy"), np.load(folder / "queries.npy")
    tuning, asked = queries[::2], np.ascontiguousarray(queries[1::2])
    np.save(folder / "tuning.npy", tuning)
    print(f"{len(matrix):,} items, {matrix.shape[1]} dimensions, {len(queries):,} queries")

    names = args.engines.split(",")
    rows: dict[str, dict[str, Any]] = {name: build(folder, name) for name in names}
    import scann  # noqa: F401 (so that the seconds of imports are not those of the first to load)
    import tensorflow  # noqa: F401

    exact: dict[str, Any] = {
        "exact-tensorflow": ann_engines.ExactTensorFlow,
        "exact-numpy": ann_engines.ExactNumpy,
    }
    engines: dict[str, Engine] = {}
    for name in (*exact, *names):
        given: Any = matrix if name in exact else folder / name
        engines[name], costs = load(exact.get(name) or ann_engines.LOADED[name], given)
        rows.setdefault(name, {}).update(costs)
    least = tenth_best(matrix, asked)
    for name, engine in engines.items():
        setting = tune(engine, matrix, tuning[:1024]) if len(engine.grid) > 1 else {}
        engine.set(setting)
        rows[name] |= {
            "setting": setting,
            "recall": recall(matrix, asked, least, search_all(engine, asked, 32)),
        }
        print(f"{name}: {setting or 'as exported'}, recall {rows[name]['recall']:.3f}", flush=True)
    times = measure(engines, asked, args.rounds)
    for name, row in rows.items():
        row["milliseconds"] = {batch: statistics.median(times[name][batch]) for batch in BATCHES}
    table({name: rows[name] for name in engines})
    costs = build(folder, _CONDITIONS)
    filtered = with_condition(folder / _CONDITIONS, matrix, asked, args.rounds)
    conditions = costs | {
        name: {batch: statistics.median(values) for batch, values in by_batch.items()}
        for name, by_batch in filtered.items()
    }

    ours = times["scann-exported"]
    print()
    bars = [
        report.at_least("recall@10 of the exported ScaNN", rows["scann-exported"]["recall"], TARGET_RECALL),
        report.at_least(
            "exported ScaNN, times faster than exact at batch 1",
            min(ratio(times[name][1], ours[1]) for name in _EXACT),
            TIMES_EXACT,
        ),
        report.at_most(
            "exported ScaNN per query at batch 32, times the better of faiss and hnswlib",
            max(ratio(ours[32], times[name][32]) for name in _OTHERS if name in times),
            TIMES_BETTER,
        ),
        report.at_most(
            "a condition that leaves 1 % of the items, at batch 1, times an unfiltered search",
            ratio(filtered["with"][1], filtered["without"][1]),
            TIMES_UNFILTERED,
        ),
    ]
    facts = {"items": len(matrix), "queries": len(asked), "engines": rows, "conditions": conditions}
    report.write("ann", bars, facts, args.out)


if __name__ == "__main__":
    main()
