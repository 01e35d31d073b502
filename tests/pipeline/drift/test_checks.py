"""Each kind of drift is found and named; what does not move is not. Draws as in benchmarks/drift.py."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

import contract
from benchmarks import drift as draws
from components.common.features import Features, FeatureSpec
from pipeline.drift import checks, comparators, log, written
from pipeline.drift.params import DriftParams
from pipeline.report import page

PARAMS = DriftParams.model_validate({})


@pytest.mark.parametrize("shift", draws.SHIFTS)
def test_each_shift_is_named(shift: str) -> None:
    named = draws.named(20_000, shift)
    assert draws.SHIFTS[shift] in named
    # A price times a hundred has another distribution, too.
    assert set(named) <= {draws.SHIFTS[shift], *({"values of price"} if shift == "units" else ())}


def test_without_a_shift_nothing_is_named() -> None:
    assert [draws.named(30_000 + seed) for seed in range(3)] == [[]] * 3


def test_few_events_are_not_judged() -> None:
    before, now, known = draws.draw(1)
    same = checks.of_logs(before, now.where(now.times <= before.last), known, PARAMS)
    of_events = {one.check: one for one in same if one.check in ("popularity", "tastes", "activity")}
    assert len(of_events) == 3
    assert all(one.value is None and not one.drifted for one in of_events.values())
    assert "0 newer events, fewer than drift.min_events = 500" in of_events["popularity"].why


def test_a_column_that_is_gone_is_named() -> None:
    before, now, known = draws.draw(1)
    features = Features(item=draws.FEATURES.item[:1])
    found = checks.of_logs(before, dataclasses.replace(now, features=features), known, PARAMS)
    assert [one.check for one in found if one.drifted] == ["missing price"]


def test_distances_are_those_of_the_formula() -> None:
    """L-infinity of a column of values by hand, and of the same numbers no distance at all."""
    words = [pa.array([[b"a"]] * a + [[b"b"]] * (10 - a), pa.large_list(pa.large_binary())) for a in (7, 4)]
    before, now = (
        {
            "word": comparators.Column(values, comparators.L_INFINITY),
            "number": comparators.numbers(np.arange(10, dtype=np.float32)),
        }
        for values in words
    )
    found = comparators.compare(before, now)
    assert found["word"].distance == pytest.approx(0.3)
    assert found["number"].distance == pytest.approx(0.0)
    assert found["number"].medians == (4.5, 4.5)


def test_a_log_has_each_users_longest_record_once() -> None:
    def timelines(rows: dict[str, tuple[list[str], list[str]]]) -> pa.Table:
        columns: dict[str, list[object]] = {contract.USER_ID: list(rows)}
        for names, place in ((contract.HISTORY_FEATURES, 0), (contract.TARGET_FEATURES, 1)):
            columns[names[0]] = [lists[place] for lists in rows.values()]
            columns[names[1]] = [[4.0] * len(lists[place]) for lists in rows.values()]
            columns[names[2]] = [
                [10 * place + when for when in range(len(lists[place]))] for lists in rows.values()
            ]
        return pa.table(
            {
                name: pa.array(values, pa.large_list(_KINDS[name.split("_")[-1]]))
                if name != contract.USER_ID
                else pa.array(values, pa.large_string())
                for name, values in columns.items()
            }
        )

    test = timelines({"u": (["a", "b"], ["c"])})
    train = timelines({"u": (["a"], []), "v": (["d"], [])})
    splits = {contract.TEST: test, contract.EVAL: timelines({}), contract.TRAIN: train}
    found = log.from_splits(splits, pa.table({}), Features())
    assert found.items.tolist() == [b"a", b"b", b"c", b"d"]
    assert found.users[found.owner].tolist() == [b"u", b"u", b"u", b"v"]
    assert found.last == 10


_KINDS = {"ids": pa.large_string(), "ratings": pa.float32(), "timestamps": pa.int64()}


def test_the_findings_for_a_browser_a_program_and_prometheus() -> None:
    found = [
        checks.Finding("units of \"p\"", 100.0, 3.0, True, "median of p: 1 before, 100 now"),
        checks.Finding("tastes", None, float("nan"), False, "too few"),
    ]  # fmt: skip
    document = written.document(
        found, version=7, checked="2026-01-31T00:00:00+00:00", data="<log>", events=10, newer=0
    )
    assert document["drifted"] == ['units of "p"']
    assert [row["verdict"] for row in document["checks"]] == ["drift", "not judged"]
    html = page.drift(document)
    assert "drift: units of" in html and "&lt;log&gt;" in html and "not judged" in html
    lines = written.gauges(found, 1_800_000_000.4).splitlines()
    assert 'marquee_drift_exceeded{check="units of \\"p\\""} 1' in lines
    assert "marquee_drift_checked_timestamp_seconds 1800000000" in lines
    assert not [line for line in lines if "tastes" in line]
    assert "units of" in written.text(found)
    json.dumps(document["drifted"])


def test_a_specs_kind_decides_how_it_is_compared() -> None:
    catalogue = pa.table(
        {
            "brand": pa.array([["x"], []], pa.large_list(pa.large_string())),
            "blurb": pa.array(["words", ""], pa.large_string()),
            contract.YEAR: pa.array([1999, 0]),
        }
    )
    specs = (
        FeatureSpec(name="brand", kind="categorical"),
        FeatureSpec(name="blurb", kind="text"),
        FeatureSpec(name=contract.YEAR, kind="number"),
    )
    found = comparators.item_columns(catalogue, specs)
    assert {name: column.values.null_count for name, column in found.items()} == dict.fromkeys(found, 1)
    assert [column.distance for column in found.values()] == [
        comparators.L_INFINITY,
        "",
        comparators.JENSEN_SHANNON,
    ]
