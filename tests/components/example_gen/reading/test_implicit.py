"""Logs without ratings: events that count alike, or by what kind they are."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts, quarantine
from datasets.report import check

COLUMNS = {"user": "who", "item": "sku", "event": "kind", "time": "at"}
WEIGHTS = {"view": 1, "cart": 3, "purchase": 6}
HEADER = "who,sku,kind,at\n"


def test_an_event_has_its_share_of_the_strongest_as_its_weight(tmp_path, read):
    (tmp_path / "log.csv").write_text(f"{HEADER}1,a,view,5\n1,b,purchase,6\n2,a,cart,7\n")
    found = read(tmp_path / "log.csv", columns=COLUMNS, event_weights=WEIGHTS)
    assert [row[:2] for row in found.ratings] == [("1", "a"), ("1", "b"), ("2", "a")]
    assert [row[2] for row in found.ratings] == pytest.approx([1 / 6, 1, 1 / 2])
    assert found.layout == "csv: log.csv; no ratings: events count by kind"


def test_without_kinds_events_count_alike_whatever_the_rating_scale(tmp_path, read):
    (tmp_path / "log.csv").write_text(f"{HEADER}1,a,view,5\n1,b,purchase,6\n")
    columns = {role: name for role, name in COLUMNS.items() if role != "event"}
    found = read(tmp_path / "log.csv", columns=columns, rating_scale=(0, 10))
    assert [row[2] for row in found.ratings] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "expected"), [("click", quarantine.UNKNOWN_EVENT), ("", quarantine.MISSING)]
)
def test_an_event_of_another_kind_is_set_aside(tmp_path, read, kind, expected):
    (tmp_path / "log.csv").write_text(f"{HEADER}1,a,view,5\n1,b,{kind},6\n")
    found = read(tmp_path / "log.csv", columns=COLUMNS, event_weights=WEIGHTS, max_bad_share=1)
    assert [(row["line"], row["kind"], row["reason"]) for row in found.rows_bad] == [
        (
            3,
            expected,
            f"kind is {kind!r}, expected one of view, cart, purchase (example_gen.event_weights)",
        )
    ]
    with pytest.raises(DataError, match=r"log\.csv, line 3: kind is"):
        read(tmp_path / "log.csv", columns=COLUMNS, event_weights=WEIGHTS)


def test_of_several_events_with_an_item_the_strongest_stays_and_of_equals_the_last(tmp_path, read):
    """Against plain Python on every order of five events with two items."""
    events = [
        ("a", "view", 1),
        ("a", "purchase", 4),
        ("a", "purchase", 6),
        ("a", "cart", 9),
        ("b", "view", 2),
    ]
    for number, order in enumerate(itertools.permutations(events)):
        if number % 7:
            continue
        path = tmp_path / f"{number}.csv"
        path.write_text(HEADER + "".join(f"1,{item},{kind},{at}\n" for item, kind, at in order))
        found = read(path, columns=COLUMNS, event_weights=WEIGHTS, repeated="strongest")
        best: dict[str, tuple[int, int]] = {}
        for item, kind, at in order:
            best[item] = max(best.get(item, (0, 0)), (WEIGHTS[kind], at))
        assert {row[1]: row[3] for row in found.ratings} == {item: at for item, (_, at) in best.items()}
        assert found.left_out == {"rated again (strongest kept)": 3}


def test_the_report_shows_weights(tmp_path):
    rows = "".join(f"{user},{item},{kind},{at}\n" for at, (user, item, kind) in enumerate(
        (user, item, kind) for user in range(4) for item, kind in zip("abcd", [*WEIGHTS, "view"], strict=True)
    ))  # fmt: skip
    (tmp_path / "log.csv").write_text(HEADER + rows)
    params = ExampleGenParams(columns=COLUMNS, event_weights=WEIGHTS)
    report = check(layouts.detect(tmp_path / "log.csv", params), params)
    assert report.implicit
    assert report.ratings == {"0.167": 8, "0.5": 4, "1": 4}


@pytest.mark.parametrize(
    ("columns", "weights", "message"),
    [
        ({**COLUMNS, "rating": "stars"}, WEIGHTS, "columns names both rating and event"),
        (COLUMNS, {}, "columns.event and event_weights go together"),
        ({"user": "who", "item": "sku"}, WEIGHTS, "columns.event and event_weights go together"),
        (COLUMNS, {"view": 0}, "greater than 0"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(columns, weights, message):
    with pytest.raises(ValueError, match=message):
        ExampleGenParams(columns=columns, event_weights=weights)


RATED = {"user": "who", "item": "what", "rating": "stars", "time": "at"}


def rated_log(folder) -> Path:
    """Ratings from 1 to 10 and, as none, 0 and -1."""
    rng = np.random.default_rng(4)
    pairs = pd.DataFrame([(f"u{u}", f"i{i}") for u in range(9) for i in range(8)], columns=["who", "what"])
    log = pairs.sample(50, random_state=4).assign(stars=rng.choice([-1, 0, *range(1, 11)], 50), at=range(50))
    log.to_csv(folder / "log.csv", index=False)
    return folder / "log.csv"


@pytest.mark.parametrize("scale", [(1, 10), (0, 10), (-1, 10)])
def test_ratings_that_mean_none_are_left_out_or_events_as_said(tmp_path, read, scale):
    """Beside pandas, whether the scale has them or not."""
    log = pd.read_csv(rated_log(tmp_path))
    rated = ~log.stars.isin([0, -1])
    params = {"columns": RATED, "rating_scale": scale, "unrated": [0, -1]}
    out = read(tmp_path / "log.csv", **params)
    assert out.left_out == {"unrated": int((~rated).sum())}
    assert len(out.ratings) == rated.sum()
    assert "no ratings" not in out.layout

    found = read(tmp_path / "log.csv", **params, unrated_as="events")
    assert (found.left_out, found.rows_bad) == ({}, [])
    assert found.layout == "csv: log.csv; no ratings: events count by stars"
    stars = 0.5 + 4.5 * (log.stars - scale[0]) / (scale[1] - scale[0])
    weights = (stars / 5).where(rated, (0.5 + 5) / 2 / 5)
    wanted = dict(zip(zip(log.who, log.what, strict=True), weights, strict=True))
    assert {row[:2]: row[2] for row in found.ratings} == pytest.approx(wanted)
    assert all(0 < row[2] <= 1 for row in found.ratings)


def test_a_report_on_unrated_events_speaks_of_weights(tmp_path):
    options = ExampleGenParams(
        columns=RATED, rating_scale=(1, 10), unrated=[0, -1], unrated_as="events", split="leave_last_out"
    )
    report = check(layouts.detect(rated_log(tmp_path), options), options)
    assert (report.events, report.implicit, report.rating_scale) == (50, True, None)
    assert not any("rating" in found for found in report.anomalies)


def test_a_further_log_of_the_application_has_unrated_events_too(tmp_path, read):
    rated_log(tmp_path)
    rows = {"user": ["x", "y"], "item": ["i1", "i1"], "rating": [None, 10.0], "time": [100, 101]}
    pd.DataFrame(rows).to_parquet(tmp_path / "more.parquet")
    params = {"columns": RATED, "rating_scale": (1, 10), "unrated": [0, -1]}
    path = f"{tmp_path / 'log.csv'}\n{tmp_path / 'more.parquet'}"
    found = read(path, **params, unrated_as="events")
    assert [row[2] for row in found.ratings if row[0] in "xy"] == pytest.approx([0.55, 1])
    explicit = read(path, **params)
    assert explicit.left_out["unrated"] == len(found.ratings) - len(explicit.ratings)


def test_unrated_where_there_are_no_ratings_is_refused(tmp_path, read):
    (tmp_path / "log.csv").write_text(f"{HEADER}1,a,view,5\n1,b,view,6\n")
    columns = {"user": "who", "item": "sku", "time": "at"}
    with pytest.raises(DataError, match=r"unrated: names ratings, and log\.csv is read without any: leave"):
        read(tmp_path / "log.csv", columns=columns, unrated=[0])
    with pytest.raises(ValueError, match="unrated_as is events, which needs unrated: the ratings that mean"):
        ExampleGenParams(columns=RATED, unrated_as="events")
    with pytest.raises(ValueError, match="unrated_as"):
        ExampleGenParams(columns=RATED, unrated=[0], unrated_as="implicit")
