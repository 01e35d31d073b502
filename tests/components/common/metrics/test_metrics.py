"""The metrics by hand-computed values, against plain loops over ids, and by properties."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import plain_metrics

from components.common.metrics.agreement import Agreement, ann_recall
from components.common.metrics.errors import Errors, mean_absolute, mean_square
from components.common.metrics.hits import NEVER, Hits
from components.common.metrics.novelty import SelfInformation, novelty
from components.common.metrics.ranking import ndcg, precision, reciprocal_rank
from components.common.metrics.recall import recall

IDS = [f"m{i}".encode() for i in range(30)]
rankings = st.permutations(IDS)
relevants = st.sets(st.sampled_from(IDS), min_size=1)
# Of some users: how many of the ids are shown, and which are relevant.
users = st.lists(
    st.tuples(rankings, st.integers(0, len(IDS)), st.sets(st.sampled_from(IDS))), min_size=1, max_size=6
)


def of_one(metric, ranked: Sequence[bytes], relevant: Collection[bytes], k: int) -> float:
    (value,) = metric(Hits.of_list(ranked, relevant), k)
    return value


def test_values_computed_by_hand() -> None:
    ranked, relevant = [b"a", b"b", b"c", b"d"], {b"b", b"d", b"x"}
    assert of_one(recall, ranked, relevant, 2) == pytest.approx(1 / 3)
    assert of_one(recall, ranked, relevant, 10) == pytest.approx(2 / 3)
    assert of_one(precision, ranked, relevant, 2) == pytest.approx(1 / 2)
    assert of_one(precision, ranked, relevant, 10) == pytest.approx(2 / 10)
    assert of_one(reciprocal_rank, ranked, relevant, 10) == pytest.approx(1 / 2)
    assert of_one(reciprocal_rank, ranked, relevant, 1) == 0
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert of_one(ndcg, ranked, relevant, 4) == pytest.approx(gain / ideal)
    assert novelty(SelfInformation([np.array([1.0, 3.0, 100.0])]), 2) == pytest.approx([2.0])
    assert ann_recall(Agreement([[b"a", b"z"]], [[b"a", b"b"]]), 2) == pytest.approx([1 / 2])
    errors = Errors(np.array([-1.0, 3.0]), np.array([0, 0]), 1)
    assert mean_square(errors) == pytest.approx([5.0])
    assert mean_absolute(errors) == pytest.approx([2.0])
    assert errors.weights.tolist() == [2.0]


def test_recall_divides_by_the_relevant_even_beyond_k() -> None:
    assert of_one(recall, IDS, set(IDS), 10) == pytest.approx(10 / 30)


def test_without_anything_to_find_there_is_no_value_and_no_weight() -> None:
    nothing = Hits.of_list(IDS, set())
    parts = [
        (nothing, [metric(nothing, 10) for metric in (recall, precision, ndcg, reciprocal_rank)]),
        (SelfInformation([np.zeros(0)]), [novelty(SelfInformation([np.zeros(0)]), 10)]),
        (Agreement([IDS], [[]]), [ann_recall(Agreement([IDS], [[]]), 10)]),
    ]
    none = Errors(np.zeros(0), np.zeros(0, np.int64), 1)
    for part, values in [*parts, (none, [mean_square(none), mean_absolute(none)])]:
        assert part.weights.tolist() == [0.0]
        assert np.isnan(values).all()


@pytest.mark.parametrize("metric", [recall, precision, ndcg, reciprocal_rank])
def test_an_empty_ranking_finds_nothing(metric) -> None:
    assert of_one(metric, [], {b"a"}, 10) == 0


@given(rankings, st.integers(0, 30), relevants, st.integers(1, 40))
def test_ranking_metrics_equal_loops(order: list[bytes], shown: int, relevant: set[bytes], k: int) -> None:
    ranked = order[:shown]
    assert of_one(recall, ranked, relevant, k) == pytest.approx(
        plain_metrics.recall_at_k(ranked, relevant, k)
    )
    assert of_one(precision, ranked, relevant, k) == pytest.approx(
        plain_metrics.precision_at_k(ranked, relevant, k)
    )
    assert of_one(ndcg, ranked, relevant, k) == pytest.approx(plain_metrics.ndcg_at_k(ranked, relevant, k))
    assert of_one(reciprocal_rank, ranked, relevant, k) == pytest.approx(
        plain_metrics.mrr(ranked[:k], relevant)
    )


@given(users, st.integers(1, 40))
def test_many_users_at_once_are_each_alone(drawn: list, k: int) -> None:
    """From places, as the leaderboard has them, and from ids, as the evaluator."""
    ranks, owner = [], []
    for number, (order, shown, relevant) in enumerate(drawn):
        places = [order.index(id_) for id_ in sorted(relevant)]
        ranks += [place if place < shown else NEVER for place in places]
        owner += [number] * len(places)
    hits = Hits.of_ranks(np.array(ranks, np.int64), np.array(owner, np.int64), len(drawn), 40)
    assert hits.weights.tolist() == [float(bool(relevant)) for _, _, relevant in drawn]
    for metric in (recall, precision, ndcg, reciprocal_rank):
        alone = [of_one(metric, order[:shown], relevant, k) for order, shown, relevant in drawn]
        np.testing.assert_allclose(metric(hits, k), alone)


@given(st.lists(st.lists(st.floats(-5, 5), max_size=4), min_size=1, max_size=5))
def test_errors_equal_loops(by_user: list[list[float]]) -> None:
    owner = np.repeat(np.arange(len(by_user)), [len(own) for own in by_user])
    errors = Errors(np.array([x for own in by_user for x in own]), owner, len(by_user))
    for user, own in enumerate(by_user):
        zeros = [0.0] * len(own)
        square, absolute = mean_square(errors)[user], mean_absolute(errors)[user]
        assert math.sqrt(square) == pytest.approx(plain_metrics.rmse(own, zeros), nan_ok=True)
        assert absolute == pytest.approx(plain_metrics.mae(own, zeros), nan_ok=True)


@given(rankings, relevants, st.integers(1, 29))
def test_more_results_never_lower_recall(ranked: list[bytes], relevant: set[bytes], k: int) -> None:
    assert of_one(recall, ranked, relevant, k) <= of_one(recall, ranked, relevant, k + 1)


@given(rankings, relevants, st.integers(1, 30))
def test_the_ideal_ranking_has_ndcg_one(ranked: list[bytes], relevant: set[bytes], k: int) -> None:
    ideal = sorted(ranked, key=lambda id_: id_ not in relevant)
    assert of_one(ndcg, ideal, relevant, k) == pytest.approx(1)
    assert of_one(ndcg, ranked, relevant, k) <= 1 + 1e-12
