"""Vectors of trained towers on a large generated catalogue: what benchmarks/ann.py searches.

    python benchmarks/harness/vectors.py --folder FOLDER --items 1000000

Generates a log in MovieLens's layout, runs the pipeline's own components on it
up to the trainer, and embeds every item by the candidate tower and the
histories of users by the query tower. What is in FOLDER already is not made
again (the pipeline's cache counts code and knobs).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

_LAST_COMPONENT = "trainer"


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is generated, and how the towers are fitted on it."""

    items: int
    users: int
    ratings: int
    queries: int
    batch_size: int
    epochs: int = 1
    seed: int = 7


class Stage:
    """Prints how long a block took."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        print(f"{self._name} ...", flush=True)
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        print(f"{self._name}: {time.monotonic() - self._started:.1f} s", flush=True)


def make(folder: Path, size: Size) -> None:
    """Writes items.npy, float32[N, D], and queries.npy, float32[Q, D], to `folder`."""
    wanted = dataclasses.asdict(size)
    done = folder / "size.json"
    if done.exists() and json.loads(done.read_text()) == wanted:
        print(f"vectors: as made before, in {folder}", flush=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)
    data = folder / "data"
    with Stage("generated sample"):
        _generate(data, size)
    with Stage("components up to the trainer"):
        _train(folder, data, size)
    with Stage("items and queries embedded"):
        _embed(folder, size)
    done.write_text(json.dumps(wanted))


def _generate(data: Path, size: Size) -> None:
    from datasets.generated import movielens_sample

    stamp = data.with_suffix(".json")
    wanted = {"users": size.users, "items": size.items, "ratings": size.ratings, "seed": size.seed}
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return
    stamp.unlink(missing_ok=True)
    movielens_sample.generate(data, **wanted)
    stamp.write_text(json.dumps(wanted))


class _TrainedEnoughError(Exception):
    """Ends a run after the trainer: what comes later is not needed here."""


def _train(folder: Path, data: Path, size: Size) -> None:
    from components.common import progress
    from pipeline.config.sections import Config
    from pipeline.dag import create_pipeline
    from pipeline.runs import local_runner
    from pipeline.runs.run_records import NodeRun, new_run_id
    from pipeline.terminal.display import Display
    from pipeline.terminal.output import logs_to_file

    class Until(Display):
        def finished(self, outcome: NodeRun) -> None:
            super().finished(outcome)
            if outcome.node == _LAST_COMPONENT:
                raise _TrainedEnoughError

    trainer = {"epochs": size.epochs, "batch_size": size.batch_size}
    config = Config.model_validate(
        {"data": str(data), "artifacts": str(folder / "artifacts"), "trainer": trainer}
    )
    run_id = new_run_id()
    log = Path(config.logs_dir) / f"run-{run_id}.log"
    with logs_to_file(log, terminal_descriptor=1) as terminal, Until(terminal) as display:
        progress.set_listener(display.progress)
        try:
            local_runner.run(create_pipeline(config), run_id, display)
        except _TrainedEnoughError:
            pass
        finally:
            progress.set_listener(None)


def _embed(folder: Path, size: Size) -> None:
    import tensorflow as tf

    import contract
    from components.example_gen.records.read import read_items, read_timelines
    from components.index.build import sample_queries
    from components.index.carried import catalogue as catalogues
    from components.index.params import IndexParams
    from components.index.users.histories import known_histories

    def artifact(node: str, key: str) -> Path:
        return max((folder / "artifacts" / node / key).iterdir(), key=lambda path: int(path.name))

    towers = tf.saved_model.load(str(artifact("trainer", "model") / "Format-Serving"))
    params = IndexParams.model_validate({"recall_queries": size.queries, "max_history": 200})
    catalogue = catalogues.from_items(read_items(str(artifact("example_gen", "items"))))
    vectors = catalogues.embed(
        catalogue, towers.embed_item, params.embed_block, lambda done: _progress(done, len(catalogue))
    )
    timelines = read_timelines(str(artifact("example_gen", "timelines")), contract.TEST)
    histories = known_histories({contract.TEST: timelines}, catalogue)
    queries = sample_queries(towers, catalogue, histories, vectors, params)
    np.save(folder / "items.npy", vectors)
    np.save(folder / "queries.npy", np.asarray(queries))


def _progress(done: int, total: int) -> None:
    if done % (total // 10) < 4096:
        print(f"  {done}/{total} items embedded", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=6_000)
    parser.add_argument("--ratings", type=int, default=3_000_000)
    parser.add_argument("--queries", type=int, default=4096, help="users whose histories are the queries")
    parser.add_argument("--train-batch", type=int, default=4096, help="pairs in a training step")


def as_arguments(args: argparse.Namespace) -> list[str]:
    """What `add_arguments` read, for another process."""
    names = ("items", "users", "ratings", "queries", "train_batch")
    return [f"--{name.replace('_', '-')}={getattr(args, name)}" for name in names]


def size_of(args: argparse.Namespace) -> Size:
    return Size(args.items, args.users, args.ratings, args.queries, args.train_batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    add_arguments(parser)
    args = parser.parse_args()
    make(args.folder.absolute(), size_of(args))


if __name__ == "__main__":
    main()
