"""Is each kind of drift found and named, and how often is there a false alarm?

    python benchmarks/drift.py [--draws 200]

Draws logs of people with tastes, items with popularity, genre and price, and two months of events;
the last ten days are new. Without a shift no check may say drift in more than 5 % of the draws; with
each known shift, in ten draws, its own check has to. Writes benchmarks/out/drift.json. Exit code 1
where a bar is missed.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import contract
from benchmarks import report
from components.common.features import Features, FeatureSpec
from pipeline.drift import checks
from pipeline.drift.log import Log
from pipeline.drift.params import DriftParams

USERS, ITEMS, GENRES = 400, 300, 8
DAYS, NEW_DAYS, PER_DAY = 60, 10, 0.5
_DAY_S = 86_400
_START = 1_700_000_000
FEATURES = Features(
    item=(
        FeatureSpec(name="genre", kind="categorical", taste=True),
        FeatureSpec(name="price", kind="number", log=True),
    )
)
# Each shift with the check that has to name it.
SHIFTS = {
    "popularity": "popularity",
    "taste": "tastes",
    "new items": "unseen items",
    "broken column": "missing price",
    "units": "units of price",
    "activity": "activity",
    "ratings": "ratings",
}


def draw(seed: int, shift: str = "") -> tuple[Log, Log, set[bytes]]:
    """The log before, the log now and the ids that the model knows."""
    rng = np.random.default_rng(seed)
    genre = rng.integers(GENRES, size=ITEMS)
    price = np.exp(rng.normal(3, 0.6, ITEMS))
    popularity = 1.0 / (1.0 + rng.permutation(ITEMS)) ** 0.7
    taste = rng.dirichlet(np.full(GENRES, 0.5), USERS)
    before = _events(rng, taste, genre, popularity, DAYS - NEW_DAYS, 0, PER_DAY)
    if shift == "popularity":
        popularity = rng.permutation(popularity)
    if shift == "taste":
        taste = 0.6 * taste + 0.4 * np.eye(GENRES)[0]
    rate = PER_DAY * (3.0 if shift == "activity" else 1.0)
    newer = _events(rng, taste, genre, popularity, NEW_DAYS, DAYS - NEW_DAYS, rate)
    if shift == "ratings":
        newer["ratings"] = np.clip(newer["ratings"] - 1.5, 0.5, 5.0).astype(np.float32)
    known = {b"%d" % item for item in range(ITEMS)}
    if shift == "new items":
        known = {item for item in known if rng.random() > 0.35}
    now_price = price * (100.0 if shift == "units" else 1.0)
    # Prices move, and a few are unknown, also where nothing is wrong.
    now_price = now_price * np.exp(rng.normal(0, 0.05, ITEMS))
    there = rng.random(ITEMS) > (0.4 if shift == "broken column" else 0.03)
    events = {name: np.concatenate([before[name], newer[name]]) for name in before}
    return (
        _log(before, _catalogue(genre, price, rng.random(ITEMS) > 0.03)),
        _log(events, _catalogue(genre, now_price, there)),
        known,
    )


def _events(
    rng: np.random.Generator, taste: np.ndarray, genre: np.ndarray, popularity: np.ndarray,
    days: int, first: int, rate: float,
) -> dict[str, np.ndarray]:  # fmt: skip
    counts = rng.poisson(rng.gamma(2.0, 0.5, USERS) * rate * days)
    owner = np.repeat(np.arange(USERS), counts)
    weights = taste[:, genre] * popularity
    weights /= weights.sum(1, keepdims=True)
    rows = (rng.random((len(owner), 1)) > np.cumsum(weights, 1)[owner]).sum(1).clip(max=ITEMS - 1)
    return {
        "owner": owner,
        "items": np.array([b"%d" % row for row in rows], object),
        "ratings": (np.round(rng.normal(3.6, 0.8, len(owner)).clip(0.5, 5) * 2) / 2).astype(np.float32),
        "times": _START + (_DAY_S * (first + days * rng.random(len(owner)))).astype(np.int64),
    }


def _catalogue(genre: np.ndarray, price: np.ndarray, there: np.ndarray) -> pa.Table:
    prices = [[value] if known else [] for value, known in zip(price, there, strict=True)]
    return pa.table(
        {
            contract.ITEM_ID: pa.array([str(row) for row in range(ITEMS)]),
            "genre": pa.array([[f"g{value}"] for value in genre], pa.large_list(pa.large_string())),
            "price": pa.array(prices, pa.large_list(pa.float32())),
        }
    )


def _log(events: dict[str, np.ndarray], catalogue: pa.Table) -> Log:
    order = np.lexsort((events["times"], events["owner"]))
    users = np.array([b"%d" % user for user in range(USERS)], object)
    sorted_events = {name: values[order] for name, values in events.items()}
    return Log(users=users, catalogue=catalogue, features=FEATURES, **sorted_events)


def named(seed: int, shift: str = "") -> list[str]:
    """Checks that say drift."""
    found = checks.of_logs(*draw(seed, shift), DriftParams.model_validate({}))
    return [finding.check for finding in found if finding.drifted]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=200, help="without a shift (default %(default)s)")
    parser.add_argument("--out", type=Path, help="default: benchmarks/out")
    args = parser.parse_args()
    started = time.monotonic()
    alarms = collections.Counter(
        check for seed in range(args.draws) for check in [tuple(named(seed))] if check
    )
    false = sum(alarms.values()) / args.draws
    found = {shift: [named(10_000 + seed, shift) for seed in range(10)] for shift in SHIFTS}
    bars = [report.at_most(f"false alarms in {args.draws} draws", false, 0.05)]
    for shift, check in SHIFTS.items():
        share = sum(check in each for each in found[shift]) / len(found[shift])
        bars.append(report.at_least(f"{shift}: named {check}", share, 1.0))
    figures = {
        "draws": args.draws,
        "false_alarms": {" and ".join(names): number for names, number in alarms.items()},
        "found": {
            shift: dict(collections.Counter(check for each in draws for check in each))
            for shift, draws in found.items()
        },
        "seconds": time.monotonic() - started,
    }
    report.write("drift", bars, figures, args.out)
    return 0 if all(bar["ok"] for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
