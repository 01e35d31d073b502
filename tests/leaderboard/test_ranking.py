"""The vectorised metrics against the definitions, user by user."""

from __future__ import annotations

import numpy as np
import pytest
from support import plain_metrics
from support.models.fixed_recommender import Fixed

import contract
from components.common.metrics import names
from components.common.metrics.hits import NEVER, Hits
from components.common.metrics.recall import recall
from leaderboard import protocols, ranking


def drawn(split, decimals: int) -> dict[str, np.ndarray]:
    """Scores with many ties (few decimals) and some items never to be shown."""
    rng = np.random.default_rng(3)
    scores = np.round(rng.normal(size=(len(split.user_ids), split.catalogue.size)), decimals)
    scores[:, rng.random(split.catalogue.size) < 0.1] = -np.inf
    return dict(zip(split.user_ids, scores, strict=True))


def naive(split, part, scores: dict[str, np.ndarray]) -> dict[int, dict[str, float]]:
    """Sorts every item by score and row, and counts."""
    found = {}
    for user, id_ in enumerate(split.user_ids):
        low, high = part.targets.offsets[user : user + 2]
        relevant = {
            str(row)
            for row, stars in zip(part.targets.rows[low:high], part.targets.ratings[low:high], strict=True)
            if stars >= contract.RELEVANT_RATING
        }
        low, high = part.history.offsets[user : user + 2]
        history = set(part.history.rows[low:high].tolist())
        if not relevant or not history:
            continue
        order = sorted(range(split.catalogue.size), key=lambda row: (-scores[id_][row], row))
        ranked = [str(row) for row in order if row not in history and scores[id_][row] > -np.inf]
        found[user] = {name: of(ranked, relevant) for name, of in plain_metrics.OF_RANKING.items()}
    return found


@pytest.mark.parametrize("name", [protocols.USER_TIME, protocols.GLOBAL_TIME, protocols.LEAVE_LAST_OUT])
@pytest.mark.parametrize("decimals", [0, 9])
@pytest.mark.parametrize("block", [700 * 7, 10**7])
def test_equals_sorting_everything(protocol, monkeypatch, name, decimals, block) -> None:
    monkeypatch.setattr(ranking, "_SCORES_PER_BLOCK", block)
    split = protocol(name).final
    scores = drawn(split, decimals)
    for part in (split.eval, split.test):
        expected = naive(split, part, scores)
        found = ranking.evaluate(Fixed(scores=scores), split, part)
        assert found.users.tolist() == list(expected)
        for metric in ranking.metrics():
            np.testing.assert_allclose(found.values[metric], [row[metric] for row in expected.values()])
        assert found.mean(names.NDCG_10) == pytest.approx(
            np.mean([row[names.NDCG_10] for row in expected.values()])
        )


def test_an_item_of_the_history_is_never_shown(protocol) -> None:
    split = protocol(protocols.USER_TIME).final
    scores = {}
    for user, id_ in enumerate(split.user_ids):
        low, high = split.test.history.offsets[user : user + 2]
        scores[id_] = np.zeros(split.catalogue.size)
        scores[id_][split.test.history.rows[low:high]] = 9.0  # would fill every place
        low, high = split.test.targets.offsets[user : user + 2]
        scores[id_][split.test.targets.rows[low:high]] = 5.0
    found = ranking.evaluate(Fixed(scores=scores), split, split.test)
    np.testing.assert_array_equal(found.values[names.RECALL_100], 1.0)


def test_an_item_that_scores_minus_infinity_is_never_shown() -> None:
    scores = np.full((1, 5), -np.inf)
    scores[0, 4] = 1.0
    ranks = ranking.target_ranks(scores, np.array([0, 0]), np.array([0, 4]))
    assert ranks.tolist() == [NEVER, 0]
    assert recall(Hits.of_ranks(ranks, np.array([0, 1]), 2, 100), 100).tolist() == [0.0, 1.0]


def test_means_are_of_some_users(protocol) -> None:
    split = protocol(protocols.USER_TIME).final
    found = ranking.evaluate(Fixed(scores=drawn(split, 9)), split, split.test)
    among = split.confirmatory[found.users]
    values = found.values[names.RECALL_100]
    assert found.mean(names.RECALL_100, split.confirmatory) == pytest.approx(values[among].mean())
    assert found.mean(names.RECALL_100) != pytest.approx(values[among].mean())
    assert np.isnan(found.mean(names.RECALL_100, np.zeros(len(split.user_ids), bool)))


def test_scores_that_are_none_are_refused(protocol) -> None:
    split = protocol(protocols.USER_TIME).final
    bad = drawn(split, 9)
    bad[split.user_ids[0]][3] = np.nan
    with pytest.raises(ValueError, match="fixed scored 1 items as NaN"):
        ranking.evaluate(Fixed(scores=bad), split, split.test)
    short = {id_: row[:-1] for id_, row in bad.items()}
    with pytest.raises(ValueError, match=r"expected \[queries, items"):
        ranking.evaluate(Fixed(scores=short), split, split.test)
