"""The distributed metrics against loops over the definitions, however the users are sharded."""

from __future__ import annotations

import math
import pickle
import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain_metrics

import contract
from components.common.metrics import names, registry
from components.common.metrics.hits import NEVER
from components.evaluator.metrics.tfma_metrics import STANDARD_ERROR, TotalsFn
from components.evaluator.metrics.totals import ModelTotals
from components.evaluator.metrics.user_scores import score_user

CATALOGUE = 120


def recently(user: Any) -> list[bytes]:
    """A list of recent popularity, any one."""
    return list(reversed(user.exact))


def recent_ranks(user: Any) -> np.ndarray:
    listed = recently(user)
    return np.array([listed.index(item) if item in listed else NEVER for item in user.targets], np.int64)


def by_definition(users: list[Any]) -> dict[str, float]:
    """Every metric by plain loops over users, from `plain_metrics` alone."""
    found: dict[str, list[float]] = {name: [] for name in registry.evaluated()}
    for user in users:
        liked = {t for t, r in zip(user.targets, user.ratings, strict=True) if r >= 4.0}
        cold = {t for t, c in zip(user.targets, user.cold, strict=True) if t in liked and c}
        if liked:
            for name, of in plain_metrics.OF_RANKING.items():
                found[name].append(of(user.ranked, liked))
            for k, theirs, recent in (
                (10, names.POPULARITY_RECALL_10, names.RECENT_POPULARITY_RECALL_10),
                (20, names.POPULARITY_RECALL_20, names.RECENT_POPULARITY_RECALL_20),
                (100, names.POPULARITY_RECALL_100, names.RECENT_POPULARITY_RECALL_100),
            ):
                found[theirs].append(plain_metrics.recall_at_k(user.popular, liked, k))
                found[recent].append(plain_metrics.recall_at_k(recently(user), liked, k))
            found[names.RECALL_MINUS_RECENT_POPULARITY_10].append(
                found[names.RECALL_10][-1] - found[names.RECENT_POPULARITY_RECALL_10][-1]
            )
        if cold:
            found[names.COLD_RECALL_10].append(plain_metrics.recall_at_k(user.ranked, cold, 10))
            found[names.COLD_RECALL_100].append(plain_metrics.recall_at_k(user.ranked, cold, 100))
        if user.ranked:
            found[names.NOVELTY_10].append(plain_metrics.novelty(np.float32(user.novelty), 10))
            found[names.ANN_RECALL_10].append(plain_metrics.ann_recall(user.ranked, user.exact, 10))
    expected = {name: float(np.mean(values)) if values else math.nan for name, values in found.items()}
    pairs = [(p, r) for u in users for p, r in zip(np.float32(u.predicted), u.ratings, strict=True) if p != 0]
    predicted, actual = zip(*pairs, strict=True)
    expected[names.RMSE] = plain_metrics.rmse(predicted, actual)
    expected[names.MAE] = plain_metrics.mae(predicted, actual)
    expected[names.COVERAGE_10] = plain_metrics.coverage([u.ranked for u in users], CATALOGUE, 10)
    expected[names.CATALOGUE_SIZE] = CATALOGUE
    popularity = expected[names.POPULARITY_RECALL_10]
    expected[names.RECALL_OVER_POPULARITY_10] = (
        expected[names.RECALL_10] / popularity if popularity else math.nan
    )
    expected[names.USERS] = len(found[names.RECALL_10])
    expected[names.COLD_USERS] = len(found[names.COLD_RECALL_10])
    return expected


def combine(fn: TotalsFn, elements: list[Any], cuts: random.Random) -> Any:
    """As a Beam runner may: random shards, empty ones among them, pickled and merged in random groups."""
    shards = [fn.create_accumulator() for _ in range(cuts.randint(1, 12))]
    for element in elements:
        i = cuts.randrange(len(shards))
        shards[i] = fn.add_input(shards[i], element)
    while len(shards) > 1:
        cuts.shuffle(shards)
        size = cuts.randint(2, len(shards))
        merged = fn.merge_accumulators(iter([pickle.loads(pickle.dumps(s)) for s in shards[:size]]))
        shards = [*shards[size:], merged]
    return fn.extract_output(shards[0])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_distributed_metrics_equal_plain_loops(fake_model: ModuleType, seed: int) -> None:
    users = fake_model.random_users(np.random.default_rng(seed), 40, CATALOGUE)
    rows = fake_model.rows(users, CATALOGUE)
    elements = [{"": score_user(row, recent_ranks(user))} for row, user in zip(rows, users, strict=True)]
    found = combine(TotalsFn("", None), elements, random.Random(seed))
    values = {key.name: value for key, value in found.items() if not key.name.startswith(STANDARD_ERROR)}
    assert values == pytest.approx(by_definition(users), rel=1e-9, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_paired_interval_equals_the_textbook(fake_model: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    users = fake_model.random_users(rng, 40, CATALOGUE)
    rows = fake_model.rows(users, CATALOGUE)
    others = [
        {
            **row,
            contract.ITEM_IDS: np.concatenate(
                [rng.permutation(row[contract.ITEM_IDS][:50]), row[contract.ITEM_IDS][50:]]
            ),
        }
        for row in rows
    ]
    elements = [
        {"candidate": score_user(ours), "baseline": score_user(theirs)}
        for ours, theirs in zip(rows, others, strict=True)
    ]
    found = combine(TotalsFn("candidate", "baseline"), elements, random.Random(seed))
    values = {key.name: value for key, value in found.items() if key.model_name == "candidate"}

    def recalls(model: str) -> np.ndarray:
        each = [element[model].get(names.RECALL_10) for element in elements]
        return np.array([value for value in each if value is not None])

    difference = recalls("candidate") - recalls("baseline")
    assert values["paired_users"] == difference.size
    assert values["paired_difference"] == pytest.approx(difference.mean(), abs=1e-12)
    assert values["paired_standard_error"] == pytest.approx(
        difference.std(ddof=1) / math.sqrt(difference.size), abs=1e-12
    )
    assert values["paired_baseline"] == pytest.approx(recalls("baseline").mean())


def test_nan_from_the_model_is_not_swallowed(fake_model: ModuleType) -> None:
    users = fake_model.random_users(np.random.default_rng(1), 5, CATALOGUE)
    row = fake_model.rows(users, CATALOGUE)[1]
    row[contract.PREDICTED_RATINGS] = np.full_like(row[contract.PREDICTED_RATINGS], np.nan)
    row[contract.ITEM_NOVELTY] = np.full_like(row[contract.ITEM_NOVELTY], np.nan)
    totals = ModelTotals("m", None)
    totals.add({"m": score_user(row)})
    found = totals.models["m"].metrics()
    assert math.isnan(found[names.RMSE])
    assert math.isnan(found[names.NOVELTY_10])


def test_a_missing_output_is_named(fake_model: ModuleType) -> None:
    row = fake_model.rows(fake_model.random_users(np.random.default_rng(1), 1, CATALOGUE), CATALOGUE)[0]
    del row[contract.TARGET_COLD]
    with pytest.raises(ValueError, match=contract.TARGET_COLD):
        score_user(row)


@pytest.mark.parametrize("seed", range(5))
def test_every_target_of_a_log_without_ratings_is_relevant(fake_model: ModuleType, seed: int) -> None:
    users = fake_model.random_users(np.random.default_rng(seed), 5, CATALOGUE)
    for row in fake_model.rows(users, CATALOGUE):
        row[contract.PREDICTED_RATINGS] = row[contract.TARGET_RATINGS] * 0  # there is no rating head
        liked = score_user({**row, contract.TARGET_RATINGS: row[contract.TARGET_RATINGS] * 0 + 5})
        ratings = row.pop(contract.TARGET_RATINGS)
        assert score_user({**row, contract.TARGET_WEIGHTS: ratings / 5}) == liked


def test_a_repeated_target_counts_once(fake_model: ModuleType) -> None:
    row = fake_model.rows(fake_model.random_users(np.random.default_rng(1), 1, CATALOGUE), CATALOGUE)[0]
    row |= {
        contract.ITEM_IDS: np.array([b"a", b"b", b""], object),
        contract.TARGET_ITEM_IDS: np.array([b"a", b"a", b"z", b""], object),
        contract.TARGET_RATINGS: np.array([5, 4, 4, np.nan]),
        contract.PREDICTED_RATINGS: np.array([5, 4, 4, np.nan]),
        contract.TARGET_COLD: np.array([0, 0, 0, np.nan]),
        contract.ITEM_NOVELTY: np.array([1.0, 1.0, 0.0]),
    }
    assert score_user(row).get(names.RECALL_10) == pytest.approx(1 / 2)
    assert score_user(row).get(names.COLD_RECALL_10) is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_standard_errors_equal_plain_loops(fake_model: ModuleType, seed: int) -> None:
    """Those of means over users are sqrt(variance / users); sharding changes nothing."""
    users = fake_model.random_users(np.random.default_rng(seed), 40, CATALOGUE)
    scored = [score_user(row) for row in fake_model.rows(users, CATALOGUE)]
    found = combine(TotalsFn("", None), [{"": user} for user in scored], random.Random(seed))
    errors = {
        key.name.removeprefix(STANDARD_ERROR): value
        for key, value in found.items()
        if key.name.startswith(STANDARD_ERROR)
    }
    for name in (names.RECALL_10, names.NDCG_10, names.MRR, names.NOVELTY_10):
        values = [user.values[name] for user in scored if name in user.values]
        expected = np.std(values, ddof=1) / math.sqrt(len(values))
        assert errors[name] == pytest.approx(expected, rel=1e-5, abs=1e-12)
    # A mean over ratings: each user weighs as many as there are. Its root: by the slope.
    weights, values = (
        np.array([getattr(user, field)[names.RMSE] for user in scored if names.RMSE in user.weights])
        for field in ("weights", "values")
    )
    mean = np.average(values, weights=weights)
    deviations = weights * (values - mean)
    expected = math.sqrt((deviations**2).sum() * len(values) / (len(values) - 1)) / weights.sum()
    assert errors[names.RMSE] == pytest.approx(expected / (2 * math.sqrt(mean)), rel=1e-4)
    assert names.COVERAGE_10 not in errors  # no mean over users
