"""The figures of `benchmarks.behaviour` beside loops over their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from support import plain_metrics

import contract
from benchmarks.behaviour import cold_start, diversity, measured, new_items, similar
from components.common.metrics.hits import NEVER
from leaderboard.split import Catalogue, Histories

ITEMS = 30


def lists(rng: np.random.Generator, count: int, least: int, most: int) -> Histories:
    """`count` lists of different items, in a drawn order."""
    rows = [rng.permutation(ITEMS)[: rng.integers(least, most + 1)] for _ in range(count)]
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    flat = np.concatenate(rows).astype(np.int32)
    stars = rng.integers(1, 11, len(flat)).astype(np.float32) / 2
    return Histories(flat, stars, np.arange(len(flat), dtype=np.int64), offsets)


def of(found: Histories, i: int) -> list[int]:
    return found.rows[found.offsets[i] : found.offsets[i + 1]].tolist()


def multi_hot(rng: np.random.Generator) -> sp.csr_matrix:
    return sp.csr_matrix((rng.random((ITEMS, 6)) < 0.3).astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_lists_are_judged_by_the_evaluators_definitions(seed):
    rng = np.random.default_rng(seed)
    relevant = lists(rng, 40, 1, 6)
    rows = np.array([rng.permutation(ITEMS)[: measured.WIDTH] for _ in range(40)])
    rows[rng.random(40) < 0.3, 5:] = -1
    found = measured.of_lists(rows, relevant)
    for user in range(40):
        ranked, wanted = [str(r) for r in rows[user] if r >= 0], {str(r) for r in of(relevant, user)}
        for name, value in (
            (measured.RECALL_10, plain_metrics.recall_at_k(ranked, wanted, 10)),
            (measured.RECALL_20, plain_metrics.recall_at_k(ranked, wanted, 20)),
            (measured.NDCG_10, plain_metrics.ndcg_at_k(ranked, wanted, 10)),
        ):
            assert found.values[name][user] == pytest.approx(value)
    # Ten results say nothing of the first twenty.
    assert measured.RECALL_20 not in measured.of_lists(rows[:, :10], relevant).values


@pytest.mark.parametrize("seed", range(3))
def test_popularity_is_the_catalogues_order_without_the_history(seed):
    rng = np.random.default_rng(seed)
    both = lists(rng, 40, 8, ITEMS)
    history, relevant = both.where(both.ratings < 3.5), both.where(both.ratings >= 3.5)
    users = np.flatnonzero(relevant.lengths > 0)
    history, relevant = history.take(users), relevant.take(users)
    found = measured.popularity(history, relevant)
    for user in range(len(users)):
        ranked = [str(r) for r in range(ITEMS) if r not in of(history, user)]
        wanted = {str(r) for r in of(relevant, user)}
        for name, k in ((measured.RECALL_10, 10), (measured.RECALL_20, 20)):
            assert found.values[name][user] == pytest.approx(plain_metrics.recall_at_k(ranked, wanted, k))


def test_what_is_not_listed_has_no_place():
    ranks = measured.list_ranks(np.array([[4, 2, -1], [7, -1, -1]]), np.array([0, 0, 1]), np.array([2, 7, 7]))
    assert ranks.tolist() == [1, NEVER, 0]


@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
@settings(max_examples=50, deadline=None)
def test_unlikeness_is_one_less_the_mean_cosine_of_pairs(seed, length):
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(ITEMS, 4))
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    row = rng.permutation(ITEMS)[:length]
    padded = np.concatenate([row, np.full(8 - length, -1)])
    pairs = [items[a] @ items[b] for a, b in itertools.combinations(row, 2)]
    (found,) = diversity.unlikeness(padded[None], items)
    assert found == pytest.approx(1 - np.mean(pairs) if pairs else 0.0)
    # Neither the order nor one and the same item taken for another changes what a set is like.
    assert diversity.unlikeness(rng.permutation(padded)[None], items)[0] == pytest.approx(found)
    assert diversity.unlikeness(np.full((1, 8), 3), items)[0] == pytest.approx(0.0)


def test_genres_of_a_list_are_counted_once():
    rng = np.random.default_rng(1)
    genres = multi_hot(rng)
    rows = np.array([rng.permutation(ITEMS)[:5] for _ in range(20)])
    rows[3:6, 2:] = -1
    wanted = [len({g for r in row if r >= 0 for g in genres[[r]].indices}) for row in rows]
    assert diversity.genres(rows, genres).tolist() == wanted


def dense(rng: np.random.Generator, share: float) -> np.ndarray:
    return (rng.random((50, ITEMS)) < share).astype(np.float32)


@pytest.mark.parametrize("at_once", [3, 4096])
def test_co_rating_and_what_came_later_equal_loops_over_people(monkeypatch, at_once):
    monkeypatch.setattr(similar, "_PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(2)
    before = dense(rng, 0.3)
    after = dense(rng, 0.2) * (1 - before)
    anchors = np.array([3, 8, 21])
    rows = np.array([rng.permutation([r for r in range(ITEMS) if r != a])[:6] for a in anchors])
    rows[1, 4:] = -1
    together, expected = similar.co_rated(sp.csc_matrix(before), anchors, rows)
    went_on, expected_to = similar.went_on_to(sp.csc_matrix(before), sp.csc_matrix(after), anchors, rows)
    for place, i in enumerate(anchors):
        listed = [j for j in rows[place] if j >= 0]
        assert together[place] == sum((before[:, i] * before[:, j]).sum() for j in listed)
        assert expected[place] == pytest.approx(
            sum(before[:, i].mean() * before[:, j].sum() for j in listed), rel=1e-5
        )
        assert went_on[place] == sum((before[:, i] * after[:, j]).sum() for j in listed)
        chances = 0.0
        for j in listed:
            free = before[:, j] == 0
            chances += before[free, i].sum() * after[:, j].sum() / free.sum()
        assert expected_to[place] == pytest.approx(chances, rel=1e-5)


def test_a_rival_by_genre_is_as_like_as_can_be_and_drawn_by_ratings():
    rng = np.random.default_rng(4)
    genres, counts = multi_hot(rng), rng.integers(0, 50, ITEMS)
    likeness = similar.genre_likeness(genres, 5)
    sets = [set(genres[[r]].indices) for r in range(ITEMS)]
    for row in range(ITEMS):
        either = sets[5] | sets[row]
        assert likeness[row] == pytest.approx(len(sets[5] & sets[row]) / len(either) if either else 0.0)
    rivals = similar.drawn(5, likeness, counts, rng)
    assert len(set(rivals)) == len(rivals) == 10 and 5 not in rivals and (counts[rivals] > 0).all()
    rest = np.setdiff1d(np.flatnonzero(counts > 0), [5, *rivals])
    assert likeness[rivals].min() >= likeness[rest].max()
    alike = np.zeros(ITEMS)
    often = np.bincount(
        np.concatenate([similar.drawn(5, alike, counts, rng) for _ in range(300)]), minlength=ITEMS
    )
    others = np.delete(np.arange(ITEMS), 5)
    assert np.corrcoef(often[others], counts[others])[0, 1] > 0.8
    near = np.array([*rng.permutation(others)[:6], -1])
    matched = similar.as_like(5, near, likeness, counts, rng)
    assert matched[-1] == -1 and len(set(matched)) == 7 and 5 not in matched
    taken: set[int] = set()
    for neighbour, rival in zip(near[:-1], matched[:-1], strict=True):
        able = [row for row in others if counts[row] > 0 and row not in taken]
        nearest = min(abs(likeness[row] - likeness[neighbour]) for row in able)
        assert abs(likeness[rival] - likeness[neighbour]) == pytest.approx(nearest) and rival in able
        taken.add(rival)
    with pytest.raises(ValueError, match="only 9 items beside 5"):
        similar.drawn(5, alike, np.arange(ITEMS) < 10, rng)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=300), st.integers(-1, 6))
@settings(max_examples=50, deadline=None)
def test_the_place_of_a_new_item_is_the_mean_over_orders_of_ties(others, own):
    ahead, tied = sum(x > own for x in others), sum(x == own for x in others)
    places = range(ahead, ahead + tied + 1)
    percentile, first = new_items.position(np.array(others), own)
    assert percentile == pytest.approx(np.mean([1 - place / len(others) for place in places]))
    assert first == pytest.approx(np.mean([place < 100 for place in places]))


def test_an_item_of_a_refresh_is_neither_known_nor_unrated():
    found = new_items.kinds(["a", "b", "c", "d"], np.array([3, 0, 5, 0]), {"a", "b"})
    assert [np.flatnonzero(kind).tolist() for kind in found] == [[0], [1], [2, 3]]
    assert not new_items.kinds(["a", "b"], np.array([3, 0]), ("b", "a"))[2].any()


def test_tastes_are_the_genres_most_liked_items_have():
    genres = [["Drama", "War"], ["War"], ["Comedy"], [], ["Drama", "War", "Crime"], ["Western"]]
    catalogue = Catalogue.of(
        pa.table(
            {
                contract.YEAR: [2000] * 6,
                contract.GENRES: pa.array(genres, pa.large_list(pa.large_string())),
                contract.TAGS: pa.array([[]] * 6, pa.large_list(pa.large_string())),
            }
        )
    )
    likes = Histories(
        np.array([0, 1, 4, 5, 3], np.int32),
        np.full(5, 5.0, np.float32),
        np.arange(5, dtype=np.int64),
        np.array([0, 4, 5], np.int64),
    )
    several, none = cold_start.tastes(likes, catalogue)
    assert several[contract.TASTE_GENRES] == [b"War", b"Drama", b"Crime"]
    assert several[contract.TASTE_WEIGHTS] == [3.0, 2.0, 1.0]
    assert none == {contract.TASTE_GENRES: [], contract.TASTE_WEIGHTS: []}


def test_favourites_are_drawn_from_the_whole_list():
    found = lists(np.random.default_rng(6), 200, 5, 12)
    place = cold_start._drawn_order(found, np.random.default_rng(1))
    for i in range(len(found)):
        of_list = place[found.offsets[i] : found.offsets[i + 1]]
        assert sorted(of_list) == list(range(len(of_list)))
    first = [int(np.argmin(place[a:b])) for a, b in itertools.pairwise(found.offsets)]
    assert len(set(first)) >= 5


def test_ratios_weigh_units_by_their_denominators():
    found = measured.Ratios(np.arange(2), {"x": np.array([1.0, 6.0])}, {"x": np.array([1.0, 3.0])})
    assert found.mean("x") == pytest.approx(7 / 4)
    assert found.resampled("x", np.array([[2.0, 0.0], [0.0, 5.0]])).tolist() == [1.0, 2.0]
