"""Thirty days of a shop that changes: what daily retraining, refresh alone, and neither make of Recall@10.

    python benchmarks/month.py [--seeds 2] [--days 30] [--window 21d] [--jobs 2]

A shop of `harness/drifting_shop.py` has a past as long as the window, at whose end a first model is
trained. Then, after each day, ExampleGen's reader reads the log so far with `example_gen.window`, and

- retrain: the model of the sample config is fitted anew by the trainer's own functions;
- refresh: the first model's towers embed the catalogue as it is now;
- neither: the first model stays, with its catalogue.

What is new goes through the Evaluator's gates at their default bounds, against popularity, recent
popularity and the version that serves; refused, the older one stays. Each of the three is then asked,
by its signature `recommend` with exact search, for every customer who buys something the next day: the
history is all that came before, whoever answers. Not run: TFX around these functions, the approximate
index, the serving check, the Pusher.

Writes benchmarks/out/month.json, and month.svg beside it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import contract
from benchmarks import report
from benchmarks.harness import drifting_shop
from benchmarks.harness.drifting_shop import DAY_S, FIRST_DAY, Shop, Sizes
from components.common.features import Features
from components.common.metrics import names
from components.common.plots import plot
from components.evaluator import gates
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.params import EvaluatorParams
from components.example_gen.dates import window_start
from components.example_gen.params import ExampleGenParams
from components.example_gen.records import schemas
from leaderboard.split import Part, Split
from pipeline.config import reader
from pipeline.drift import served
from pipeline.drift.log import Log

RETRAIN, REFRESH, NEITHER = WAYS = ("retraining", "refresh", "neither")
_K: Final = 100
_AT: Final = 10
# A batch that leaves some steps to an epoch of so small a log, and epochs for early stopping to choose from.
_TRAINER: Final = {"batch_size": 256, "epochs": 10, "uniform_negatives": 256}


@dataclasses.dataclass(frozen=True)
class Version:
    """What serves.

    Attributes:
      day: on whose evening it was made.
      recommend: the function of the signature.
    """

    day: int
    recommend: Any

    def answers(self, asked: Sequence[served.Asked]) -> list[list[bytes]]:
        return list(served.lists(self.recommend, asked, True, _K))


@dataclasses.dataclass(frozen=True)
class Judged:
    """A candidate in front of the gates; `refused` names those that do not let it through."""

    recall: float
    refused: tuple[str, ...]


def read(folder: Path, window: str) -> Split:
    """The log so far as ExampleGen reads and cuts it."""
    from leaderboard import protocols

    params = ExampleGenParams.model_validate(
        {
            "columns": {"user": "customer", "item": "sku", "time": "at"},
            "files": [drifting_shop.LOG],
            "items": drifting_shop.ITEMS,
            "item_columns": {"item": "sku", "title": "name"},
            "item_features": [
                {"name": "topic", "kind": "categorical", "taste": True},
                {"name": "maker", "kind": "categorical"},
            ],
            "window": window,
        }
    )
    return protocols.load(folder, protocols.USER_TIME, params).final


def fitted(split: Split, seed: int) -> Any:
    """The towers of a fit, as they are exported."""
    from leaderboard.models.learnt.two_tower import TwoTower

    config = reader.load("sample")
    model = TwoTower(
        seed=seed,
        model=config.model.model_dump(),
        trainer=config.trainer.model_copy(update=_TRAINER).model_dump(),
    )
    model.fit(split.without_test())
    return model.towers


def version(towers: Any, split: Split, day: int) -> Version:
    """Towers with the items of a split, as the index builds them."""
    from components.index.build import assemble
    from components.index.params import IndexParams

    nobody = {contract.TRAIN: schemas.timelines_schema().empty_table()}
    params = IndexParams.model_validate({"max_k": _K})
    only = (contract.MODEL_EXACT,)
    built = assemble(towers, split.catalogue.table, nobody, params, only, split.features)
    return Version(day, built[contract.MODEL_EXACT].module.function(contract.RECOMMEND))


def questions_of_part(split: Split, part: Part) -> list[served.Asked]:
    """What the Evaluator asks: the history and the relevant targets of each user of a part."""
    from leaderboard import ranking

    relevant, users = ranking.judged(part)
    ids = np.array([id_.encode() for id_ in split.catalogue.ids], object)
    asked = []
    for user in users:
        events = slice(*part.history.offsets[user : user + 2])
        wanted = slice(*relevant.offsets[user : user + 2])
        history = {
            contract.HISTORY_ITEM_IDS: list(ids[part.history.rows[events]]),
            contract.HISTORY_RATINGS: list(part.history.ratings[events]),
            contract.HISTORY_TIMESTAMPS: list(part.history.timestamps[events]),
        }
        asked.append((history, set(ids[relevant.rows[wanted]])))
    return asked


def judge(candidate: Version, last: Version | None, split: Split) -> Judged:
    """The Evaluator's gates on the test split; the index's is met, as the search is exact."""
    from leaderboard import ranking
    from leaderboard.models.simple.popularity import Popularity

    assert split.test is not None
    params = EvaluatorParams.model_validate({})
    asked = questions_of_part(split, split.test)
    popularity = Popularity()
    popularity.fit(split)
    of_popular = ranking.evaluate(popularity, split, split.test)

    def first(answers: list[list[bytes]], k: int) -> np.ndarray:
        return served.recalls([items[:k] for items in answers], asked)

    found = candidate.answers(asked)
    values = first(found, _AT)
    metrics = {
        names.RECALL_10: float(values.mean()),
        names.RECALL_100: float(first(found, 100).mean()),
        names.POPULARITY_RECALL_10: of_popular.mean(names.RECALL_10),
        names.CATALOGUE_SIZE: float(split.catalogue.size),
        names.ANN_RECALL_10: 1.0,
    }
    recent = recent_recalls(split, split.test, params.recent_popularity_days)
    metrics[names.RECENT_POPULARITY_RECALL_10] = float(recent.mean())
    by_user = {
        names.RECALL_10: values,
        names.RECENT_POPULARITY_RECALL_10: recent,
        names.RECALL_MINUS_RECENT_POPULARITY_10: values - recent,
    }
    errors = {name: float(each.std(ddof=1)) / math.sqrt(len(each)) for name, each in by_user.items()}
    interval = None
    if last is not None:
        before = first(last.answers(asked), _AT)
        change = values - before
        interval = PairedInterval.from_sums(
            names.RECALL_10, len(asked), change.sum(), (change**2).sum(), before.sum()
        )
    verdict = gates.judge(metrics, errors, interval, params, implicit=True)
    return Judged(metrics[names.RECALL_10], tuple(gate.name for gate in verdict if not gate.ok))


def recent_recalls(split: Split, part: Part, days: int) -> np.ndarray:
    """float64[R]: Recall@10 of what most bought in the days before, of the users that are asked."""
    from components.evaluator import recent_popularity
    from leaderboard import ranking

    _, users = ranking.judged(part)
    history, targets = part.history.take(users), part.targets.take(users)
    ids = pa.array(split.catalogue.ids, pa.large_string())

    def column(values: pa.Array, offsets: np.ndarray) -> pa.LargeListArray:
        return pa.LargeListArray.from_arrays(pa.array(offsets), values)

    asked = pa.table(
        {
            contract.HISTORY_ITEM_IDS: column(ids.take(history.rows), history.offsets),
            contract.TARGET_ITEM_IDS: column(ids.take(targets.rows), targets.offsets),
            contract.TARGET_TIMESTAMPS: column(pa.array(targets.timestamps), targets.offsets),
        }
    )
    found = recent_popularity.ranks(ids, split.train.rows, split.train.timestamps // DAY_S, asked, days)
    return np.array([np.mean(np.array(ranks) < _AT) for ranks in found.to_pylist()])


def log_until(shop: Shop, day: int) -> Log:
    """All events up to the end of a day, as the drift check looks at a log."""
    kept = np.flatnonzero(shop.days <= day)
    rows = kept[np.lexsort((shop.times[kept], shop.users[kept]))]
    people = int(shop.users.max()) + 1
    return Log(
        users=np.array([b"%d" % user for user in range(people)], object),
        owner=shop.users[rows],
        items=np.array([b"%d" % item for item in shop.items[rows]], object),
        ratings=np.full(len(rows), contract.MAX_RATING, np.float32),
        times=shop.times[rows],
        catalogue=pa.table({}),
        features=Features(feedback="implicit"),
    )


def simulated(seed: int, days: int, window: str, sizes: Sizes) -> dict[str, Any]:
    """One month.

    Returns:
      recall: way -> Recall@10 of each day; new: likewise, of customers' items that came on sale since
      the first model; users: customers asked on each day; pushed: way -> whether a version was pushed on
      the evening before; refused: way -> gate -> evenings; seconds.
    """
    import tensorflow as tf

    from leaderboard import ranking  # noqa: F401  # what it imports shall not count as a day's seconds

    tf.config.threading.set_intra_op_parallelism_threads(1)
    began = time.monotonic()
    past = -(-(FIRST_DAY - window_start(window, FIRST_DAY)) // DAY_S)
    shop = drifting_shop.draw(seed, past + days, sizes)
    serving: dict[str, Version] = {}
    first_towers: Any = None
    recall: dict[str, list[float]] = {way: [] for way in WAYS}
    new: dict[str, list[float]] = {way: [] for way in WAYS}
    pushed: dict[str, list[bool]] = {RETRAIN: [], REFRESH: []}
    refused: dict[str, dict[str, int]] = {RETRAIN: {}, REFRESH: {}}
    users = []
    fresh = {b"%d" % row for row in np.flatnonzero(shop.on_sale > past)}
    with tempfile.TemporaryDirectory(prefix="marquee-month-") as name:
        for evening in range(past - 1, past + days - 1):
            shop.write(Path(name), evening)
            split = read(Path(name), window)
            towers = fitted(split, seed)
            if not serving:
                first_towers = towers
                one = version(towers, split, evening)
                if out := judge(one, None, split).refused:
                    raise RuntimeError(f"seed {seed}: the first model was refused by {', '.join(out)}")
                serving = dict.fromkeys(WAYS, one)
            else:
                for way, made in ((RETRAIN, towers), (REFRESH, first_towers)):
                    candidate = version(made, split, evening)
                    out = judge(candidate, serving[way], split).refused
                    pushed[way].append(not out)
                    for gate in out:
                        refused[way][gate] = refused[way].get(gate, 0) + 1
                    if not out:
                        serving[way] = candidate
            asked = served.questions(log_until(shop, evening), log_until(shop, evening + 1))
            users.append(len(asked))
            of_new = [(history, targets & fresh) for history, targets in asked]
            for way, one in serving.items():
                found = [items[:_AT] for items in one.answers(asked)]
                recall[way].append(float(served.recalls(found, asked).mean()))
                some = [(ask, items) for ask, items in zip(of_new, found, strict=True) if ask[1]]
                values = served.recalls([items for _, items in some], [ask for ask, _ in some])
                new[way].append(float(values.mean()) if some else math.nan)
            print(
                f"seed {seed}, day {len(users):2}: "
                + ", ".join(f"{way} {values[-1]:.3f}" for way, values in recall.items()),
                flush=True,
            )
    seconds = time.monotonic() - began
    return {
        "seed": seed, "events": len(shop.users), "recall": recall, "new": new, "users": users,
        "pushed": pushed, "refused": refused, "seconds": seconds,
    }  # fmt: skip


def summary(months: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over the months: by way the mean recall of all days, of the last ten, and of new items alone."""

    def over(key: str, way: str, days: slice) -> list[float]:
        return [float(np.nanmean(month[key][way][days])) for month in months]

    found = {}
    for way in WAYS:
        parts = {
            "all": over("recall", way, slice(None)),
            "first ten": over("recall", way, slice(None, 10)),
            "last ten": over("recall", way, slice(-10, None)),
            "new items, last ten": over("new", way, slice(-10, None)),
        }
        found[way] = {name: {"mean": float(np.mean(each)), "seeds": each} for name, each in parts.items()}
    return found


def by_day(months: Sequence[Mapping[str, Any]], way: str) -> np.ndarray:
    """float64[days]: Recall@10, the mean over the months."""
    mean: np.ndarray = np.mean([month["recall"][way] for month in months], axis=0)
    return mean


def picture(months: Sequence[Mapping[str, Any]]) -> plot.Plot:
    """The recall by day, the mean over the months."""
    series = {way: list(enumerate(by_day(months, way).tolist(), 1)) for way in WAYS}
    return plot.lines("Recall@10 of the next day's events, by day", series, "day", form="{:.3f}")


def table(months: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    """Both, as the docs have them."""
    names_ = list(found[RETRAIN])
    lines = [f"| | {' | '.join(names_)} |", "|---" * (len(names_) + 1) + "|"]
    for way in WAYS:
        cells = [
            f"{each['mean']:.3f} ({', '.join(f'{value:.3f}' for value in each['seeds'])})"
            for each in found[way].values()
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    days = len(months[0]["users"])
    lines += ["", f"| day | {' | '.join(WAYS)} |", "|---|" + "---|" * len(WAYS)]
    means = {way: by_day(months, way) for way in WAYS}
    lines += [
        f"| {day} | {' | '.join(f'{means[way][day - 1]:.3f}' for way in WAYS)} |"
        for day in range(1, days + 1)
        if day == 1 or day % 5 == 0
    ]
    return "\n".join(lines)


def write(months: list[dict[str, Any]], window: Any, sizes: Sizes, out: Path | None) -> None:
    """benchmarks/out/month.json and month.svg, or in `out`."""
    figures = {
        "window": window, "sizes": dataclasses.asdict(sizes), "summary": summary(months), "months": months,
    }  # fmt: skip
    report.write("month", [], figures, out)
    drawn = picture(months)
    folder = out or report.ROOT / "benchmarks" / "out"
    # A file by itself, unlike an element of a page, says what it is.
    (folder / "month.svg").write_text(drawn.svg.replace("<svg ", '<svg style="background:#fff" ', 1) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2, help="months, one by each (default %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="default %(default)s")
    parser.add_argument("--window", default="21d", help="example_gen.window (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (default %(default)s)")
    parser.add_argument("--users", type=int, default=Sizes.users, help="default %(default)s")
    parser.add_argument("--out", type=Path, help="default: benchmarks/out")
    args = parser.parse_args()
    window = ExampleGenParams.model_validate({"window": args.window}).window
    assert window is not None
    sizes = Sizes(users=args.users)
    # TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(args.jobs, context) as pool:
        futures = [
            pool.submit(simulated, seed, args.days, window, sizes) for seed in range(1, args.seeds + 1)
        ]
        months: list[dict[str, Any]] = []
        for future in futures:
            months.append(future.result())
            # Hours may follow: a run that is stopped keeps its whole months.
            write(months, window, sizes, args.out)
    found = summary(months)
    print(table(months, found))
    for way in (RETRAIN, REFRESH):
        gain = found[way]["last ten"]["mean"] / found[NEITHER]["last ten"]["mean"] - 1
        print(f"{way} against neither, last ten days: {100 * gain:+.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
