"""Each gate refuses what it guards against, and only that."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from components.common.metrics import names, registry
from components.evaluator import report
from components.evaluator.gates import Gate, judge
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.params import EvaluatorParams

GOOD = dict.fromkeys(registry.evaluated(), 0.5) | {
    names.RECALL_10: 0.10,
    names.RECALL_100: 0.40,
    names.POPULARITY_RECALL_10: 0.05,
    names.ANN_RECALL_10: 0.99,
    names.RMSE: 0.9,
    names.CATALOGUE_SIZE: 10_000,
}
PARAMS = EvaluatorParams(ceilings={names.RMSE: 1.0})


def interval(percent: float, error_percent: float, baseline: float = 0.1, users: int = 500) -> PairedInterval:
    return PairedInterval(
        names.RECALL_10, users, baseline * percent / 100, baseline * error_percent / 100, baseline
    )


def refused(
    metrics: dict[str, float], paired: PairedInterval | None = None, params: EvaluatorParams = PARAMS
) -> list[str]:
    return [gate.name for gate in judge(metrics, paired, params) if not gate.ok]


def test_a_good_model_passes_every_gate() -> None:
    gates = judge(GOOD, interval(10, 3), PARAMS)
    assert all(gate.ok for gate in gates)
    assert [gate.name for gate in gates] == [
        "recall@10 floor",
        "recall@100 floor",
        "rmse ceiling",
        "popularity",
        "regression",
        "ann_recall@10 floor",
    ]


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({names.RECALL_100: 0.09}, "recall@100 floor"),
        ({names.RMSE: 1.01}, "rmse ceiling"),
        ({names.POPULARITY_RECALL_10: 0.095}, "popularity"),
        ({names.ANN_RECALL_10: 0.94}, "ann_recall@10 floor"),
    ],
)
def test_each_bound_refuses_alone(change: dict[str, float], gate: str) -> None:
    assert refused(GOOD | change) == [gate]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("metric", "gates"),
    [
        (names.RECALL_10, {"recall@10 floor", "popularity"}),
        (names.RMSE, {"rmse ceiling"}),
        (names.POPULARITY_RECALL_10, {"popularity"}),
        (names.ANN_RECALL_10, {"ann_recall@10 floor"}),
    ],
)
def test_a_value_that_is_no_number_refuses(metric: str, gates: set[str], value: float) -> None:
    assert set(refused(GOOD | {metric: value})) == gates


def test_exactly_at_the_bound_is_accepted() -> None:
    at = GOOD | {names.RECALL_100: 0.10, names.RMSE: 1.0, names.ANN_RECALL_10: 0.95}
    assert refused(at) == []


def test_popularity_that_finds_nothing_refuses_nobody() -> None:
    assert refused(GOOD | {names.POPULARITY_RECALL_10: 0.0}) == []


@pytest.mark.parametrize(
    ("paired", "ok"),
    [
        (None, True),  # nothing pushed yet
        (interval(-20, 5), False),  # [-29.8, -10.2]: wholly below -5
        (interval(-20, 8), True),  # [-35.7, -4.3]: reaches into what is allowed
        (interval(-4, 0.1), True),  # surely worse, by less than 5 %
        (interval(-6, 0.1), False),  # surely worse by more
        (interval(20, 5), True),
        (interval(0, 0, baseline=0.0), True),  # a baseline that finds nothing cannot be worsened
        (interval(0, math.nan, users=1), True),
        (interval(0, 0, users=0), False),  # two models that share no user were not compared
    ],
)
def test_regression(paired: PairedInterval | None, ok: bool) -> None:
    gate = next(gate for gate in judge(GOOD, paired, PARAMS) if gate.name == "regression")
    assert gate.ok is ok
    assert gate.bound == -5


def test_bounds_come_from_the_config() -> None:
    loose = EvaluatorParams(floors={}, popularity_ratio=0, max_regression_percent=100, ann_recall=0)
    bad = GOOD | {names.RECALL_10: 0.0, names.RECALL_100: 0.0, names.ANN_RECALL_10: 0.0}
    assert refused(bad, interval(-50, 1), loose) == []
    assert refused(GOOD, interval(-3, 0.1), EvaluatorParams(max_regression_percent=2)) == ["regression"]
    assert refused(GOOD, None, EvaluatorParams(popularity_ratio=2.5)) == ["popularity"]


def test_after_a_fit_on_all_events_no_item_is_cold() -> None:
    """Cold recall is then a mean over nobody, which a floor would refuse."""
    bounds = {names.RECALL_10: 0.1, names.COLD_RECALL_10: 0.01, names.COLD_USERS: 5.0}
    params = EvaluatorParams(floors=bounds, ceilings={names.COLD_RECALL_100: 0.9, names.RMSE: 1.0})
    metrics = {**GOOD, names.RMSE: 0.8, names.COLD_USERS: 0.0}
    metrics |= {names.COLD_RECALL_10: math.nan, names.COLD_RECALL_100: math.nan}
    assert refused(metrics, None, params) == [
        "cold_recall@10 floor", "cold_users floor", "cold_recall@100 ceiling"
    ]  # fmt: skip
    assert refused(metrics, None, params.for_all_events()) == []
    assert refused({**metrics, names.RMSE: 1.1}, None, params.for_all_events()) == ["rmse ceiling"]


def test_an_unknown_metric_is_an_error_that_names_the_known_ones() -> None:
    for key in ("floors", "ceilings"):
        with pytest.raises(ValidationError, match=r"unknown metric recal@10; known: recall@10, recall@20"):
            EvaluatorParams.model_validate({key: {"recal@10": 0.1}})
    with pytest.raises(ValidationError, match="finite"):
        EvaluatorParams(floors={names.RECALL_10: math.nan})


def test_params_survive_json() -> None:
    assert EvaluatorParams.from_json(PARAMS.to_json()) == PARAMS


def test_rows_for_a_table() -> None:
    gates = [
        Gate("a", 0.123456, 0.1, True, "x"),
        Gate("b", None, 0.1, True, "y"),
        Gate("c", math.nan, 1, False, "z"),
    ]
    assert report.rows(gates) == [
        ("a", "0.1235", "0.1", "ok", "x"),
        ("b", "-", "0.1", "ok", "y"),
        ("c", "-", "1", "refused", "z"),
    ]


def test_without_ratings_what_is_said_of_their_errors_does_not_apply() -> None:
    params = EvaluatorParams(
        floors={names.RECALL_10: 0.02, names.MAE: 0.1}, ceilings={names.RMSE: 1.0, names.NOVELTY_10: 1.0}
    )
    nobody_rated = GOOD | {names.RMSE: math.nan, names.MAE: math.nan}
    gates = {gate.name: gate for gate in judge(nobody_rated, None, params, implicit=True)}
    assert [gate.name for gate in gates.values() if not gate.applies] == [
        "mae floor",
        "rmse ceiling",
        "rating head",
    ]
    assert all(gate.ok for gate in gates.values())
    words = {row[0]: row[3] for row in report.rows(list(gates.values()))}
    assert words["rmse ceiling"] == words["rating head"] == "not applicable"
    assert words["recall@10 floor"] == words["novelty@10 ceiling"] == "ok"
    # With ratings the same numbers refuse: the model returns NaN.
    assert set(refused(nobody_rated, params=params)) == {"mae floor", "rmse ceiling"}


def test_a_gate_that_does_not_apply_survives_the_file(tmp_path) -> None:
    gates = judge(GOOD, None, PARAMS, implicit=True)
    report.write_gates(str(tmp_path), gates)
    assert report.read_gates(str(tmp_path)) == gates


def test_of_a_tiny_catalogue_the_first_k_are_not_judged_where_they_are_more_than_a_third() -> None:
    for items, not_judged in (
        (29, ["recall@10 floor", "recall@100 floor", "popularity"]),
        (30, ["recall@100 floor"]),
        (299, ["recall@100 floor"]),
        (300, []),
    ):
        gates = judge(GOOD | {names.CATALOGUE_SIZE: items}, None, PARAMS)
        assert [gate.name for gate in gates if not gate.applies] == not_judged
        assert all(gate.ok for gate in gates)
    first = judge(GOOD | {names.CATALOGUE_SIZE: 10, names.RECALL_10: 0}, None, PARAMS)[0]
    assert (first.ok, first.value) == (True, None)
    assert first.why == "the first 10 are more than a third of the 10 items"
    # What the index finds of the exact search's first 10 is judged all the same.
    assert refused(GOOD | {names.CATALOGUE_SIZE: 10, names.ANN_RECALL_10: 0.5}) == ["ann_recall@10 floor"]


@pytest.mark.parametrize("popularity", [0.92, 0.95, 1.0])
def test_a_perfect_model_passes_popularity(popularity: float) -> None:
    perfect = GOOD | {names.RECALL_10: 1.0, names.POPULARITY_RECALL_10: popularity}
    (gate,) = (gate for gate in judge(perfect, None, PARAMS) if gate.name == "popularity")
    assert (gate.ok, gate.bound) == (True, 1.0)
    assert "at most 1" in gate.why
    assert refused(perfect | {names.RECALL_10: 0.99}) == ["popularity"]
