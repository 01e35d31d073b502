"""The generated shop that changes, and benchmarks/month.py at toy size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.workspace import REPOSITORY

from benchmarks.harness import drifting_shop

SIZES = drifting_shop.Sizes(users=80, items=120)


def test_the_shop_obeys_its_rules(tmp_path: Path) -> None:
    shop = drifting_shop.draw(1, 12, SIZES)
    events = pd.DataFrame({"user": shop.users, "item": shop.items, "day": shop.days})
    assert not events.duplicated(["user", "item"]).any()
    assert (shop.on_sale[shop.items] <= shop.days).all()
    assert (np.diff(shop.times) >= 0).all()
    assert shop.days[0] == 0
    assert shop.days[-1] == 11
    later = events[events["day"] >= 6]
    assert (shop.on_sale[later["item"]] > 0).mean() > 0.1  # new items are bought
    assert later["user"].max() >= SIZES.users  # by new customers, too

    shop.write(tmp_path, 5)
    log = pd.read_csv(tmp_path / drifting_shop.LOG)
    assert (
        log[["customer", "sku"]].to_numpy().tolist()
        == events[events["day"] <= 5][["user", "item"]].to_numpy().tolist()
    )
    items = pd.read_csv(tmp_path / drifting_shop.ITEMS)
    assert items["sku"].tolist() == np.flatnonzero(shop.on_sale <= 6).tolist()


def test_the_same_seed_draws_the_same_shop() -> None:
    one, same, other = (drifting_shop.draw(seed, 4, SIZES) for seed in (3, 3, 4))
    for column in ("users", "items", "times", "topics", "makers"):
        np.testing.assert_array_equal(getattr(one, column), getattr(same, column))
    assert not np.array_equal(one.topics, other.topics)


@pytest.mark.timeout(3600)
@pytest.mark.nightly(
    "benchmarks/month.py", "benchmarks/harness/drifting_shop.py", "components/evaluator/gates.py"
)
def test_two_days_of_all_three_ways(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "benchmarks/month.py", "--seeds=1", "--days=2", "--users=300", "--window=2w",
            f"--out={tmp_path}",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "month.json").read_text())
    [month] = written["months"]
    first = {way: values[0] for way, values in month["recall"].items()}
    # On the first day one model answers for all.
    assert len(first) == 3
    assert len(set(first.values())) == 1
    assert all(0 < value < 1 for values in month["recall"].values() for value in values)
    assert all(count > 50 for count in month["users"])
    assert {way: len(pushed) for way, pushed in month["pushed"].items()} == {"retraining": 1, "refresh": 1}
    assert (tmp_path / "month.svg").read_text().startswith("<svg ")
