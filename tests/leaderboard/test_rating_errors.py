"""RMSE, MAE and a user's own test items, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from support import plain_metrics
from support.models.fixed_recommender import Fixed

import contract
from components.common.metrics import names
from components.common.metrics.ranking import precision
from components.common.metrics.recall import recall
from leaderboard import protocols, rating_errors


def stars(split) -> dict[str, np.ndarray]:
    """Predictions that also leave the scale."""
    rng = np.random.default_rng(4)
    return {id_: np.round(rng.normal(3.5, 1.5, split.catalogue.size), 1) for id_ in split.user_ids}


@pytest.mark.parametrize("name", [protocols.RANDOM, protocols.TIME_RATINGS])
def test_equals_the_definitions(protocol, name) -> None:
    split, part = protocol(name).final, protocol(name).final.test
    predictions = stars(split)
    seen, known = set(split.train.rows.tolist()), split.train.lengths > 0
    predicted, actual, recalls, precisions = [], [], [], []
    for user, id_ in enumerate(split.user_ids):
        low, high = part.targets.offsets[user : user + 2]
        rows, given = part.targets.rows[low:high], part.targets.ratings[low:high]
        if name == protocols.TIME_RATINGS:
            counts = np.array([row in seen and known[user] for row in rows], bool)
            rows, given = rows[counts], given[counts]
        said = np.clip(predictions[id_][rows], 0.5, 5.0)
        predicted += said.tolist()
        actual += given.tolist()
        order = [str(rows[i]) for i in sorted(range(len(rows)), key=lambda i: (-said[i], rows[i]))]
        relevant = {str(r) for r, g in zip(rows, given, strict=True) if g >= contract.RELEVANT_RATING}
        if relevant:
            recalls.append(plain_metrics.recall_at_k(order, relevant, 10))
            precisions.append(plain_metrics.precision_at_k(order, relevant, 10))
    found = rating_errors.evaluate(Fixed(scores=predictions), split, part)
    assert found.weights[names.RMSE].sum() == len(actual)
    assert found.mean(names.RMSE) == pytest.approx(plain_metrics.rmse(predicted, actual))
    assert found.mean(names.MAE) == pytest.approx(plain_metrics.mae(predicted, actual))
    assert found.mean(names.OWN_RECALL_10) == pytest.approx(np.mean(recalls))
    assert found.mean(names.OWN_PRECISION_10) == pytest.approx(np.mean(precisions))


def test_time_ratings_leaves_out_what_train_does_not_know(protocol) -> None:
    split = protocol(protocols.TIME_RATINGS).final
    counted, users = rating_errors.judged(split, split.test)
    assert 0 < len(counted.rows) < len(split.test.targets.rows)
    assert set(counted.rows) <= set(split.train.rows)
    assert (split.train.lengths[users] > 0).all()


def test_random_and_perfect_order_are_the_bounds(protocol) -> None:
    split, part = protocol(protocols.RANDOM).final, protocol(protocols.RANDOM).final.test
    bounds = rating_errors.bounds(split, part)
    truth = {id_: np.zeros(split.catalogue.size) for id_ in split.user_ids}
    for user, row, given in zip(part.targets.owner, part.targets.rows, part.targets.ratings, strict=True):
        truth[split.user_ids[user]][row] = given
    perfect = rating_errors.evaluate(Fixed(scores=truth), split, part)
    assert perfect.mean(names.RMSE) == 0
    rng = np.random.default_rng(0)
    shuffled = [rating_errors.own_hits(rng.random(len(part.targets.rows)), part.targets) for _ in range(300)]
    for metric, of in ((names.OWN_RECALL_10, recall), (names.OWN_PRECISION_10, precision)):
        assert bounds["perfect order"][metric] == pytest.approx(perfect.mean(metric))
        drawn = np.nanmean([of(hits, 10) for hits in shuffled])
        assert bounds["random order"][metric] == pytest.approx(drawn, abs=0.004)


def test_a_prediction_that_is_none_is_refused(protocol) -> None:
    split = protocol(protocols.RANDOM).final
    bad = {id_: np.full(split.catalogue.size, np.nan) for id_ in split.user_ids}
    with pytest.raises(ValueError, match=r"fixed predicted .* 0 finite"):
        rating_errors.evaluate(Fixed(scores=bad), split, split.test)
