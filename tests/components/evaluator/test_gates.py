"""Each gate refuses what it guards against, and only that."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.common.metrics import names, registry
from components.evaluator import recent_popularity, report
from components.evaluator.gates import Gate, judge
from components.evaluator.metrics.paired import PairedInterval
from components.evaluator.params import EvaluatorParams

GOOD = dict.fromkeys(registry.evaluated(), 0.5) | {
    names.RECALL_10: 0.10,
    names.RECALL_100: 0.40,
    names.POPULARITY_RECALL_10: 0.05,
    names.RECENT_POPULARITY_RECALL_10: 0.06,
    names.RECALL_MINUS_RECENT_POPULARITY_10: 0.04,
    names.ANN_RECALL_10: 0.99,
    names.RMSE: 0.9,
    names.CATALOGUE_SIZE: 10_000,
}
# Of paired values with a correlation of 0.5: 0.007^2 + 0.005^2 - 0.007 * 0.005 = 0.0062^2.
ERRORS = {
    names.RECALL_10: 0.007,
    names.RECENT_POPULARITY_RECALL_10: 0.005,
    names.RECALL_MINUS_RECENT_POPULARITY_10: math.sqrt(0.000039),
}
PARAMS = EvaluatorParams(ceilings={names.RMSE: 1.0})


def interval(percent: float, error_percent: float, baseline: float = 0.1, users: int = 500) -> PairedInterval:
    return PairedInterval(
        names.RECALL_10, users, baseline * percent / 100, baseline * error_percent / 100, baseline
    )


def refused(
    metrics: dict[str, float], paired: PairedInterval | None = None, params: EvaluatorParams = PARAMS
) -> list[str]:
    return [gate.name for gate in judge(metrics, ERRORS, paired, params) if not gate.ok]


def test_a_good_model_passes_every_gate() -> None:
    gates = judge(GOOD, ERRORS, interval(10, 3), PARAMS)
    assert all(gate.ok for gate in gates)
    assert [gate.name for gate in gates] == [
        "recall@10 floor",
        "recall@100 floor",
        "rmse ceiling",
        "popularity",
        "recent popularity",
        "regression",
        "ann_recall@10 floor",
    ]


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({names.RECALL_100: 0.09}, "recall@100 floor"),
        ({names.RMSE: 1.01}, "rmse ceiling"),
        ({names.POPULARITY_RECALL_10: 0.095}, "popularity"),
        ({names.RECENT_POPULARITY_RECALL_10: 0.1125}, "recent popularity"),  # -0.0125 +- 0.0122
        ({names.ANN_RECALL_10: 0.94}, "ann_recall@10 floor"),
    ],
)
def test_each_bound_refuses_alone(change: dict[str, float], gate: str) -> None:
    assert refused(GOOD | change) == [gate]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("metric", "gates"),
    [
        (names.RECALL_10, {"recall@10 floor", "popularity", "recent popularity"}),
        (names.RMSE, {"rmse ceiling"}),
        (names.POPULARITY_RECALL_10, {"popularity"}),
        (names.RECENT_POPULARITY_RECALL_10, {"recent popularity"}),
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
    gate = next(gate for gate in judge(GOOD, ERRORS, paired, PARAMS) if gate.name == "regression")
    assert gate.ok is ok
    assert gate.bound == -5


def test_bounds_come_from_the_config() -> None:
    loose = EvaluatorParams(
        floors={}, popularity_ratio=0, recent_popularity_ratio=0, max_regression_percent=100, ann_recall=0
    )
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
    gates = {gate.name: gate for gate in judge(nobody_rated, ERRORS, None, params, implicit=True)}
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
    gates = judge(GOOD, ERRORS, None, PARAMS, implicit=True)
    report.write_gates(str(tmp_path), gates)
    assert report.read_gates(str(tmp_path)) == gates


def test_of_a_tiny_catalogue_the_first_k_are_not_judged_where_they_are_more_than_a_third() -> None:
    for items, not_judged in (
        (29, ["recall@10 floor", "recall@100 floor", "popularity", "recent popularity"]),
        (30, ["recall@100 floor"]),
        (299, ["recall@100 floor"]),
        (300, []),
    ):
        gates = judge(GOOD | {names.CATALOGUE_SIZE: items}, ERRORS, None, PARAMS)
        assert [gate.name for gate in gates if not gate.applies] == not_judged
        assert all(gate.ok for gate in gates)
    first = judge(GOOD | {names.CATALOGUE_SIZE: 10, names.RECALL_10: 0}, ERRORS, None, PARAMS)[0]
    assert (first.ok, first.value) == (True, None)
    assert first.why == "the first 10 are more than a third of the 10 items"
    # What the index finds of the exact search's first 10 is judged all the same.
    assert refused(GOOD | {names.CATALOGUE_SIZE: 10, names.ANN_RECALL_10: 0.5}) == ["ann_recall@10 floor"]


@pytest.mark.parametrize("popularity", [0.92, 0.95, 1.0])
def test_a_perfect_model_passes_popularity(popularity: float) -> None:
    perfect = GOOD | {names.RECALL_10: 1.0, names.POPULARITY_RECALL_10: popularity}
    (gate,) = (gate for gate in judge(perfect, ERRORS, None, PARAMS) if gate.name == "popularity")
    assert (gate.ok, gate.bound) == (True, 1.0)
    assert "at most 1" in gate.why
    assert refused(perfect | {names.RECALL_10: 0.99}) == ["popularity"]


def recent_gate(metrics: dict[str, float], params: EvaluatorParams = PARAMS, **given: Any) -> Gate:
    gates = judge(metrics, given.pop("errors", ERRORS), None, params, **given)
    return next(gate for gate in gates if gate.name == "recent popularity")


def test_against_recent_popularity_only_what_the_interval_shows_refuses() -> None:
    inside = recent_gate(GOOD | {names.RECENT_POPULARITY_RECALL_10: 0.112})
    assert inside.ok
    assert inside.value == pytest.approx(0.1 + 1.96 * ERRORS[names.RECALL_MINUS_RECENT_POPULARITY_10])
    assert inside.bound == 0.112
    assert "365 days" in inside.why
    assert recent_gate(GOOD | {names.RECENT_POPULARITY_RECALL_10: 0.0}).ok
    one_user = recent_gate(GOOD | {names.RECENT_POPULARITY_RECALL_10: 0.5}, errors={})
    assert (one_user.ok, one_user.value) == (True, None)


def test_the_interval_is_that_of_the_recall_minus_the_ratio_times_recent_popularity() -> None:
    rng = np.random.default_rng(5)
    ours = rng.random(400) * 0.2
    recent = 0.5 * ours + rng.random(400) * 0.1

    def error(values: np.ndarray) -> float:
        return float(values.std(ddof=1) / values.size**0.5)

    metrics = GOOD | {
        names.RECALL_10: ours.mean(),
        names.RECENT_POPULARITY_RECALL_10: recent.mean(),
        names.RECALL_MINUS_RECENT_POPULARITY_10: (ours - recent).mean(),
    }
    errors = {
        names.RECALL_10: error(ours),
        names.RECENT_POPULARITY_RECALL_10: error(recent),
        names.RECALL_MINUS_RECENT_POPULARITY_10: error(ours - recent),
    }
    for ratio in (0.0, 0.5, 1.0, 1.3):
        gate = recent_gate(metrics, EvaluatorParams(recent_popularity_ratio=ratio), errors=errors)
        assert gate.value == pytest.approx(ours.mean() + 1.96 * error(ours - ratio * recent))
        assert gate.bound == pytest.approx(ratio * recent.mean())


def test_a_perfect_model_passes_recent_popularity() -> None:
    """With a recall of 1 and no more to reach, the noise of the bound refuses nobody."""
    perfect = GOOD | {names.RECALL_10: 1.0, names.RECENT_POPULARITY_RECALL_10: 0.95}
    gate = recent_gate(perfect, EvaluatorParams(recent_popularity_ratio=1.1))
    assert (gate.ok, gate.bound) == (True, 1.0)


def test_where_the_log_has_no_cut_in_time_recent_popularity_does_not_apply() -> None:
    unknown = GOOD | {names.RECENT_POPULARITY_RECALL_10: math.nan}
    params = EvaluatorParams(floors={names.RECALL_MINUS_RECENT_POPULARITY_10: 0.0})
    for why in (recent_popularity.NO_TIMES, recent_popularity.NO_CUT):
        gates = judge(unknown, ERRORS, None, params, no_recent=why)
        assert [(gate.name, gate.why) for gate in gates if not gate.applies] == [
            ("recall_minus_recent_popularity@10 floor", why),
            ("recent popularity", why),
        ]
    assert refused(unknown) == ["recent popularity"]
