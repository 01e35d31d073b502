"""Ours on the leaderboard is the pipeline's model, measured alike."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from components.common.metrics import names
from components.trainer.loop import checkpoints
from leaderboard import fits, protocols, ranking, rating_errors, registry
from leaderboard.split import Histories

pytestmark = pytest.mark.long

HYPERPARAMETERS = {
    "model": {"embedding_dim": 16, "hidden": (16,), "history_window": 20},
    "trainer": {"epochs": 2, "batch_size": 256, "uniform_negatives": 64, "monitor_k": 10},
}


@pytest.fixture(scope="module")
def split(protocol):
    return protocol(protocols.TIME_RATINGS).final


@pytest.fixture(scope="module")
def model(split):
    found = registry.make(registry.OURS, 1, HYPERPARAMETERS)
    found.fit(split.without_test())
    return found


def test_eval_recall_is_what_the_trainer_measured(split, model) -> None:
    """Two ways to the same figure: the training graph's windows, and the exported functions."""
    found = ranking.evaluate(model, split, split.eval)
    assert model._result.recall[10] > 0
    assert found.mean(names.RECALL_10) == pytest.approx(model._result.recall[10], abs=1e-6)
    assert found.mean(names.RECALL_100) == pytest.approx(model._result.recall[100], abs=1e-6)
    assert model.parameters > split.catalogue.size * 16 / 2


def test_scores_are_products_of_served_vectors_one_by_one(split, model) -> None:
    users = np.flatnonzero(split.test.targets.lengths > 0)
    queries = split.queries(split.test, users)
    many = model.score_many(queries)
    assert np.isfinite(many).all()
    for i in (0, len(users) - 1):
        alone = model.score_many(queries.take(np.array([i])))
        np.testing.assert_allclose(alone[0], many[i], atol=1e-5)


def test_stars_are_in_the_order_asked(split, model) -> None:
    errors = rating_errors.evaluate(model, split, split.test)
    assert errors.mean(names.RMSE) < 1.6
    queries = split.queries(split.test, np.flatnonzero(split.test.targets.lengths > 0)[:3])
    lists = Histories(np.array([5, 6, 7, 6, 5], np.int32), np.zeros(5), np.zeros(5), np.array([0, 2, 2, 5]))
    stars = model.predict_ratings(queries, lists)
    alone = [
        model.predict_ratings(queries.take(np.array([i])), Histories.one([row]))[0]
        for i, row in [(0, 5), (0, 6), (2, 7), (2, 6), (2, 5)]
    ]
    np.testing.assert_allclose(stars, alone, atol=1e-5)
    assert len(set(np.round(stars, 4))) > 2


def test_the_pipelines_ease_ranks_as_the_leaderboards(split) -> None:
    """Whatever kind the pipeline's model is of, it can stand here; all but uncut, it is the same."""
    hyperparameters = {"kind": "ease", "item_item_dim": 400, "item_item_l2": 60.0, "history_window": 500}
    served = registry.make(registry.OURS, 1, {"model": hyperparameters})
    full = registry.make("ease_recency", 1, {"regularisation": 60.0, "half_life": 20.0})
    for found in (served, full):
        found.fit(split.without_test())
    assert served.chosen() == {"last_epoch": 0}
    queries = split.queries(split.test, np.flatnonzero(split.test.targets.lengths > 0)[:12])
    ours, theirs = served.score_many(queries), full.score_many(queries)
    ours[queries.history.owner, queries.history.rows] = -np.inf
    theirs[queries.history.owner, queries.history.rows] = -np.inf
    for a, b in zip(ours, theirs, strict=True):
        top = np.argsort(-b)[:20]
        best = np.sort(b)[::-1][:20]
        # Of 90 singular values the smallest is left out.
        np.testing.assert_allclose(b[np.argsort(-a)[:20]], best, atol=0.05 * best[0])
        assert np.corrcoef(a[top], b[top])[0, 1] > 0.99
    errors = rating_errors.evaluate(served, split, split.test)
    assert errors.mean(names.RMSE) < 1.6
    assert served.parameters > 400 * np.count_nonzero(np.bincount(split.train.rows))


def test_it_is_fitted_afresh(split) -> None:
    with pytest.raises(ValueError, match=r"trainer.warm_start is 'latest'; the leaderboard fits afresh"):
        registry.make(registry.OURS, 1, {"trainer": {"warm_start": "latest"}}).fit(split.without_test())


def test_a_fit_that_broke_off_goes_on_from_its_checkpoint(protocol, tmp_path, monkeypatch, caplog) -> None:
    cut, folder = protocol(protocols.USER_TIME).final, tmp_path / "kept"
    trainer = {**HYPERPARAMETERS["trainer"], "checkpoint_dir": str(folder)}
    save = checkpoints.Checkpoints.save

    def interrupted(*arguments) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    def fitted() -> fits.Fit:
        return fits.Fits(tmp_path / "fits", {}).fit(
            registry.OURS, {**HYPERPARAMETERS, "trainer": trainer}, 1, cut, "test"
        )

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoints.Checkpoints, "save", interrupted)
        fitted()
    assert len(list(folder.iterdir())) == 1
    with caplog.at_level("INFO", logger="components.trainer"):
        fitted()
    assert [line for line in caplog.messages if line.startswith("going on after")] == [
        "going on after step 0 of epoch 2"
    ]
    assert not list(folder.iterdir()), "what it needed to go on is of no use any more"


@pytest.mark.long
def test_columns_of_ones_own_and_weights_of_events_are_fitted_too(shop) -> None:
    split = protocols.load(shop[0], protocols.USER_TIME, shop[1]).final
    found = registry.make(
        registry.OURS, 1, {**HYPERPARAMETERS, "trainer": {**HYPERPARAMETERS["trainer"], "epochs": 1}}
    )
    found.fit(split.without_test())
    # By windows with each user's profile, and by the exported functions with each user's id.
    measured = ranking.evaluate(found, split, split.eval)
    assert measured.mean(names.RECALL_100) == pytest.approx(found._result.recall[100], abs=1e-6)
    users = np.flatnonzero(split.test.targets.lengths > 0)
    queries = split.queries(split.test, users)
    strangers = dataclasses.replace(queries, user_ids=("a stranger",) * len(users))
    assert not np.allclose(found.score_many(queries), found.score_many(strangers), atol=1e-6)
    assert {"brand", "price"} <= {spec.name for spec in found._towers.embed_item.input_signature}


@pytest.mark.long
def test_without_eval_it_ends_where_it_is_told(split) -> None:
    none = split.eval.targets.where(np.zeros(len(split.eval.targets.rows), bool))
    bare = dataclasses.replace(split, eval=dataclasses.replace(split.eval, targets=none), test=None)
    found = registry.make(registry.OURS, 1, {**HYPERPARAMETERS, "last_epoch": 1})
    found.fit(bare)
    assert found.chosen() == {"last_epoch": 1}
    assert found._result.recall == {}
