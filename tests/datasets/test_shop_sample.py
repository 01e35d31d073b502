"""The generated shop: its tables, and that there is something to learn in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.example_gen.reading import layouts
from datasets.generated import choices, shop_sample
from datasets.report import check
from pipeline.config import reader

SMALL = {"users": 150, "items": 300, "interactions": 6_000, "seed": 3}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop_sample.generate(tmp_path_factory.mktemp("shop") / "small", **SMALL).path


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_same_arguments_same_bytes(shop, tmp_path):
    made = shop_sample.generate(tmp_path / "again", **SMALL)
    assert contents(made.path) == contents(shop)
    assert made.interactions == 6_000
    other = shop_sample.generate(tmp_path / "other", **{**SMALL, "seed": 4})
    assert contents(other.path)["events.csv"] != contents(shop)["events.csv"]


def test_blocks_hold_the_memory_and_fit_together(tmp_path, monkeypatch):
    monkeypatch.setattr(choices, "_BLOCK_USERS", 40)
    path = shop_sample.generate(tmp_path / "blocks", **SMALL).path
    assert pd.read_csv(path / "events.csv")["customer_id"].nunique() == 150
    assert pd.read_csv(path / "customers.csv")["customer_id"].tolist() == [f"c{i}" for i in range(1, 151)]


def test_a_purchase_comes_after_its_cart_and_that_after_its_view(shop):
    events = pd.read_csv(shop / "events.csv", parse_dates=["created_at"])
    assert len(events.drop_duplicates(["customer_id", "sku"])) == 6_000
    times = events.pivot(index=["customer_id", "sku"], columns="event", values="created_at")
    assert times["view"].notna().all()
    assert times["cart"][times["purchase"].notna()].notna().all()
    assert (times["cart"].dropna() > times["view"][times["cart"].notna()]).all()
    counts = times.notna().sum()
    assert counts["view"] > 2 * counts["cart"] > 2 * counts["purchase"] > 400


def test_the_shops_config_reads_it_without_a_bad_row(shop):
    params = reader.load("shop").example_gen
    report = check(layouts.detect(shop, params), params)
    assert not report.stops
    assert (report.implicit, report.users, report.items, report.events) == (True, 150, 300, 6_000)
    assert set(report.ratings) == {"0.167", "0.5", "1"}
    assert not any(sum(rows.bad.values()) for rows in report.account.tables.values())


def test_language_price_and_interests_say_what_is_chosen(shop):
    events = pd.read_csv(shop / "events.csv").drop_duplicates(["customer_id", "sku"])
    items = pd.read_csv(shop / "items.csv").set_index("sku")
    people = pd.read_csv(shop / "customers.csv").set_index("customer_id")
    joined = events.join(items, on="sku").join(people, on="customer_id")
    spoken = joined["country"].map(shop_sample._COUNTRIES)
    known = spoken.notna()
    by_chance = items["language"].value_counts(normalize=True).reindex(spoken[known]).mean()
    assert (joined["language"] == spoken)[known].mean() > 2 * by_chance
    logs = np.log(joined["price"])
    aged = joined["age"].notna() & logs.notna()
    assert np.corrcoef(joined["age"][aged], logs[aged])[0, 1] > 0.15
    assert items["brand"].isna().any()
    assert items["price"].isna().any()
    assert people["age"].isna().any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": 0}, "expected 1 user, 20 items"),
        ({"items": 19}, "expected 1 user, 20 items"),
        ({"seed": -1}, "expected 1 user, 20 items"),
        ({"interactions": 599}, "from 600 to 45,000; got 599"),
        ({"interactions": 45_001}, "from 600 to 45,000; got 45,001"),
    ],
)
def test_numbers_that_fit_no_shop_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        shop_sample.generate(tmp_path / "no", **{**SMALL, **change})
    assert not (tmp_path / "no").exists()


def test_nothing_else_is_replaced(shop, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "events.csv").write_text("precious")
    with pytest.raises(FileExistsError, match="is no generated shop"):
        shop_sample.generate(tmp_path / "mine", **SMALL)
    assert (tmp_path / "mine" / "events.csv").read_text() == "precious"
