"""Recent popularity against pandas: groups, sorts and loops over users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import contract
from components.common import feature_file
from components.common.features import Features
from components.common.metrics.hits import NEVER
from components.evaluator import recent_popularity
from components.example_gen.records import schemas, write
from components.example_gen.records.read import split_uri

DAY = 86_400


def log(rng: np.random.Generator, users: int = 12, items: int = 15, days: int = 20) -> pd.DataFrame:
    """A user's events in time order; the last two are test, the two before eval."""
    events = pd.DataFrame(
        {
            "user": np.repeat([f"u{i:02}" for i in range(users)], 10),
            "item": rng.integers(0, items, users * 10).astype(str),
            "time": rng.integers(0, days * DAY, users * 10),
        }
    ).sort_values(["user", "time"], kind="stable")
    after = events.groupby("user").cumcount(ascending=False)
    events["part"] = np.select([after < 2, after < 4], ["test", "eval"], "train")
    return events


def by_pandas(events: pd.DataFrame, days: int) -> dict[str, list[int]]:
    """The ranks by the definition: the list of each user, item by item."""
    train = events[events.part == "train"]
    totals = train.groupby("item").size()
    found = {}
    for user, own in events.groupby("user"):
        targets = own[own.part == "test"]
        cut = min(targets.time.min() // DAY, train.time.max() // DAY + 1)
        counted = train[(train.time // DAY >= cut - days) & (train.time // DAY < cut)].groupby("item").size()
        table = pd.DataFrame({"recent": counted.reindex(totals.index).fillna(0), "total": totals})
        table["id"] = table.index
        listed = table.sort_values(["recent", "total", "id"], ascending=[False, False, True]).index
        seen = set(own[own.part != "test"].item)
        listed = [item for item in listed if item not in seen]
        found[str(user)] = [listed.index(item) if item in listed else NEVER for item in targets.item]
    return found


def timelines(events: pd.DataFrame, history: tuple[str, ...], targets: tuple[str, ...]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in schemas.TIMELINES.names}
    for user, own in events.groupby("user"):
        columns[contract.USER_ID].append(user)
        for names, parts in ((contract.HISTORY_FEATURES, history), (contract.TARGET_FEATURES, targets)):
            rows = own[own.part.isin(parts)]
            for name, values in zip(names, (rows.item, [4.0] * len(rows), rows.time), strict=True):
                columns[name].append(list(values))
        columns[contract.SLICE_HISTORY].append("")
        columns[contract.SLICE_COLD].append("")
    return pa.table(columns, schema=schemas.TIMELINES)


def artifact(folder: Path, events: pd.DataFrame, features: Features | None = None) -> str:
    for split, history, targets in (
        (contract.TRAIN, ("train",), ()),
        (contract.TEST, ("train", "eval"), ("test",)),
    ):
        Path(split_uri(str(folder), split)).mkdir(parents=True)
        write.write_shard(split_uri(str(folder), split), 0, 1, timelines(events, history, targets))
    feature_file.write(str(folder), features or Features())
    return str(folder)


@pytest.mark.parametrize("days", [1, 3, 100])
def test_ranks_are_those_of_the_lists(tmp_path: Path, days: int) -> None:
    events = log(np.random.default_rng(days))
    measured = recent_popularity.measure(artifact(tmp_path / "examples", events), contract.TEST, days)
    assert isinstance(measured, pa.Table)
    read = recent_popularity.read(recent_popularity.write(str(tmp_path), measured))
    expected = by_pandas(events, days)
    assert {user.decode(): ranks.tolist() for user, ranks in read.items()} == expected
    flat = np.concatenate(list(expected.values()))
    assert (flat == NEVER).any()
    assert (flat < 5).any()


def test_after_a_date_the_counts_end_where_train_does(tmp_path: Path) -> None:
    """Everybody's list is that of the first day after train, however late the targets come."""
    events = pd.DataFrame(
        [
            ("u", "a", 1, "train"), ("v", "a", 1, "train"), ("w", "a", 1, "train"),
            ("w", "b", 9, "train"), ("x", "c", 9, "train"), ("x", "d", 10, "train"),
            ("u", "e", 30, "eval"), ("v", "e", 30, "eval"),
            ("u", "b", 40, "test"), ("v", "a", 50, "test"), ("v", "d", 50, "test"), ("v", "e", 51, "test"),
        ],
        columns=["user", "item", "time", "part"],
    )  # fmt: skip
    events["time"] *= DAY
    measured = recent_popularity.measure(artifact(tmp_path, events), contract.TEST, 2)
    assert isinstance(measured, pa.Table)
    # Days 9 and 10 have b, c and d, and a, which is of before, follows them.
    assert dict(zip(*measured.to_pydict().values(), strict=True))["u"] == [0]
    assert dict(zip(*measured.to_pydict().values(), strict=True))["v"] == [NEVER, 2, NEVER]


def test_a_log_without_times_or_without_a_cut_has_no_recent_popularity(tmp_path: Path) -> None:
    events = log(np.random.default_rng(0))
    untimed = artifact(tmp_path / "untimed", events, Features(timed=False))
    assert recent_popularity.measure(untimed, contract.TEST, 7) == recent_popularity.NO_TIMES
    drawn = events.assign(part=np.random.default_rng(1).permutation(events.part))
    in_both = [set(drawn[drawn.part == part].user) for part in ("train", "test")]
    drawn = drawn[drawn.user.isin(set.intersection(*in_both))]
    random_split = artifact(tmp_path / "random", drawn)
    assert recent_popularity.measure(random_split, contract.TEST, 7) == recent_popularity.NO_CUT
