"""The definitions, by hand-computed values and by properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluator.metrics import definitions

IDS = [f"m{i}".encode() for i in range(30)]
rankings = st.permutations(IDS)
relevants = st.sets(st.sampled_from(IDS), min_size=1)


def test_values_computed_by_hand() -> None:
    ranked, relevant = [b"a", b"b", b"c", b"d"], {b"b", b"d", b"x"}
    assert definitions.recall_at_k(ranked, relevant, 2) == pytest.approx(1 / 3)
    assert definitions.recall_at_k(ranked, relevant, 10) == pytest.approx(2 / 3)
    assert definitions.precision_at_k(ranked, relevant, 2) == pytest.approx(1 / 2)
    assert definitions.precision_at_k(ranked, relevant, 10) == pytest.approx(2 / 10)
    assert definitions.mrr(ranked, relevant) == pytest.approx(1 / 2)
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert definitions.ndcg_at_k(ranked, relevant, 4) == pytest.approx(gain / ideal)
    assert definitions.coverage([ranked, [b"a", b"z"]], 10, 2) == pytest.approx(3 / 10)
    assert definitions.novelty([1.0, 3.0, 100.0], 2) == pytest.approx(2.0)
    assert definitions.ann_recall([b"a", b"z"], [b"a", b"b"], 2) == pytest.approx(1 / 2)
    assert definitions.rmse([3.0, 5.0], [4.0, 2.0]) == pytest.approx(math.sqrt(5))
    assert definitions.mae([3.0, 5.0], [4.0, 2.0]) == pytest.approx(2.0)


def test_recall_divides_by_the_relevant_even_beyond_k() -> None:
    assert definitions.recall_at_k(IDS, set(IDS), 10) == pytest.approx(10 / 30)


def test_without_anything_to_find_there_is_no_value() -> None:
    for value in (
        definitions.recall_at_k(IDS, set(), 10),
        definitions.precision_at_k(IDS, set(), 10),
        definitions.ndcg_at_k(IDS, set(), 10),
        definitions.mrr(IDS, set()),
        definitions.coverage([IDS], 0, 10),
        definitions.novelty([], 10),
        definitions.ann_recall(IDS, [], 10),
        definitions.rmse([], []),
        definitions.mae([], []),
    ):
        assert math.isnan(value)


def test_an_empty_ranking_finds_nothing() -> None:
    assert definitions.recall_at_k([], {b"a"}, 10) == 0
    assert definitions.mrr([], {b"a"}) == 0
    assert definitions.ndcg_at_k([], {b"a"}, 10) == 0


@given(rankings, relevants, st.integers(1, 40))
def test_ranking_metrics_equal_their_definition(ranked: list[bytes], relevant: set[bytes], k: int) -> None:
    hits = np.array([id_ in relevant for id_ in ranked[:k]], float)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    assert definitions.recall_at_k(ranked, relevant, k) == pytest.approx(hits.sum() / len(relevant))
    assert definitions.precision_at_k(ranked, relevant, k) == pytest.approx(hits.sum() / k)
    ideal = discounts[: min(k, len(relevant))].sum()
    assert definitions.ndcg_at_k(ranked, relevant, k) == pytest.approx(
        (hits * discounts[: hits.size]).sum() / ideal
    )
    first = min(ranked.index(id_) for id_ in relevant) + 1
    assert definitions.mrr(ranked, relevant) == pytest.approx(1 / first)


@given(rankings, relevants, st.integers(1, 29))
def test_more_results_never_lower_recall(ranked: list[bytes], relevant: set[bytes], k: int) -> None:
    assert definitions.recall_at_k(ranked, relevant, k) <= definitions.recall_at_k(ranked, relevant, k + 1)


@given(rankings, relevants, st.integers(1, 30))
def test_the_ideal_ranking_has_ndcg_one(ranked: list[bytes], relevant: set[bytes], k: int) -> None:
    ideal = sorted(ranked, key=lambda id_: id_ not in relevant)
    assert definitions.ndcg_at_k(ideal, relevant, k) == pytest.approx(1)
    assert definitions.ndcg_at_k(ranked, relevant, k) <= 1 + 1e-12
