"""Models that are fitted step by step: do they learn, and is the same seed the same model?"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

import contract
from components.common.metrics import names
from leaderboard import protocols, ranking, rating_errors, registry
from leaderboard.models.learnt.transformer import _batches, _sequences
from leaderboard.split import Histories

# Small and few: seconds.
SMALL = {
    "ials": {"factors": 16, "iterations": 5},
    "bpr": {"factors": 16, "iterations": 60},
    "matrix_factorisation": {"factors": 8, "epochs": 30},
    "embedding_dnn": {"dim": 8, "epochs": 3},
    "content_two_tower": {"epochs": 3},
    "transformer": {"dim": 16, "window": 30, "epochs": 2, "negatives": 64},
}


@pytest.fixture(scope="module")
def split(protocol):
    return protocol(protocols.USER_TIME).final


# Keras takes seconds to trace a network.
KERAS_RATING = ("embedding_dnn", "content_two_tower")
SLOW = [pytest.param(name, marks=pytest.mark.long) for name in (*KERAS_RATING, "transformer")]


@pytest.mark.parametrize(
    "name",
    ["ials", "bpr", "matrix_factorisation", *SLOW],
)
def test_a_seed_is_a_model_and_a_new_person_can_ask(split, name) -> None:
    asked = split.queries(split.test, np.flatnonzero(split.test.targets.lengths > 0)[:20])
    found = []
    for seed in (1, 1, 2):
        model = registry.make(name, seed, SMALL[name])
        model.fit(split.without_test())
        found.append(model.score_many(asked))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])
    assert model.parameters > split.catalogue.size or name == "content_two_tower"
    new = model.score("somebody new", Histories.one([1, 2, 3], [5.0, 4.0, 1.0]))
    assert new.shape == (split.catalogue.size,)
    assert not np.isnan(new).any()


@pytest.mark.parametrize("name", ["ials", "bpr"])
def test_factors_beat_a_random_order(split, name) -> None:
    model = registry.make(name, 1, SMALL[name])
    model.fit(split.without_test())
    found = ranking.evaluate(model, split, split.test).mean(names.RECALL_100)
    assert found > 1.5 * 100 / split.catalogue.size


@pytest.mark.parametrize("name", ["matrix_factorisation", *SLOW[:2]])
def test_rating_models_beat_what_they_start_from(protocol, name) -> None:
    found = protocol(protocols.RANDOM)
    model = registry.make(name, 1, {**SMALL[name], "epochs": 120})
    model.fit(found.tuning.without_test())
    errors = rating_errors.evaluate(model, found.tuning, found.tuning.test)
    train, test = found.tuning.train, found.tuning.test.targets
    start = np.full(found.tuning.catalogue.size, train.ratings.mean())
    if name == "matrix_factorisation":  # it begins with each item's mean
        for row in np.unique(train.rows):
            start[row] = train.ratings[train.rows == row].mean()
    without = np.sqrt(np.mean((test.ratings - start[test.rows]) ** 2))
    assert errors.mean(names.RMSE) < 0.97 * without
    kept = model.chosen()["epochs"]
    assert 1 <= kept <= 120
    # Without eval ratings nothing stops it: all epochs are run.
    refit = registry.make(name, 1, {**SMALL[name], **model.chosen()})
    refit.fit(found.final.without_test())
    assert refit.chosen() == {"epochs": kept}


@pytest.mark.parametrize("negatives", [16, pytest.param(0, marks=pytest.mark.long)])
def test_the_transformer_learns_what_follows_what(protocol, negatives) -> None:
    """Everybody watches 0, 1, 2 ... 29 from somewhere on, round and round."""
    split = protocol(protocols.LEAVE_LAST_OUT).final
    users, length = len(split.user_ids), 12
    rows = np.concatenate([(start + np.arange(length)) % 30 for start in range(users)]).astype(np.int32)
    stars = np.full(len(rows), contract.MAX_RATING, np.float32)
    train = Histories(rows, stars, np.arange(len(rows)), np.arange(0, len(rows) + 1, length))
    empty = Histories(rows[:0], stars[:0], train.timestamps[:0], np.zeros(users + 1, np.int64))
    cycle = dataclasses.replace(
        split, train=train, eval=dataclasses.replace(split.eval, history=train, targets=empty), test=None
    )
    model = registry.make(
        "transformer",
        1,
        {
            "dim": 32,
            "layers": 1,
            "window": 8,
            "epochs": 25,
            "dropout": 0.0,
            "negatives": negatives,
            "learning_rate": 5e-3,
        },
    )
    model.fit(cycle)
    hits = [
        int(np.argmax(model.score("new", Histories.one([(s + i) % 30 for i in range(5)])))) == (s + 5) % 30
        for s in range(30)
    ]
    assert np.mean(hits) > 0.9
    assert model.chosen() == {"epochs": 25}


def test_sequences_hold_every_event_after_the_first_once_as_a_target() -> None:
    lengths = [1, 2, 7, 8, 23]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(offsets[-1], dtype=np.int32)
    histories = Histories(rows, rows.astype(np.float32), rows.astype(np.int64), offsets)
    sequences = _sequences(histories, window=7, pad=999)
    pairs = [(a, b) for line in sequences.tolist() for a, b in itertools.pairwise(line) if a != 999]
    first = set(offsets[:-1].tolist())
    wanted = [(i - 1, i) for i in range(offsets[-1]) if i not in first]
    assert sorted(pairs) == wanted
    rng = np.random.default_rng(0)
    batches = _batches(sequences, 999, 2, rng)
    assert max(map(len, batches)) == 2
    assert min(batch.shape[1] for batch in batches) == 2  # cut to what it holds
    again = [pair for batch in batches for line in batch.tolist() for pair in itertools.pairwise(line)]
    assert sorted(pair for pair in again if pair[0] != 999) == wanted
    other = _batches(sequences, 999, 2, rng)
    assert [batch.tolist() for batch in other] != [batch.tolist() for batch in batches]
