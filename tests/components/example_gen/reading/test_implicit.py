"""Logs without ratings: events that count alike, or by what kind they are."""

import itertools

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
