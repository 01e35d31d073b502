"""Closed-form kinds by the trainer's own functions, their export and the index: served is the formula."""

from __future__ import annotations

import functools
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import contract
from components.common.tensors import neutral
from components.example_gen.records import read
from components.index.build import assemble
from components.index.params import IndexParams
from components.model.closed_form import als, user_items
from components.model.kinds import KINDS
from components.model.params import ModelParams
from components.trainer import fitting, run
from components.trainer.inputs import catalogue, events
from components.trainer.loop import fit
from components.trainer.params import TrainerParams

HALF_LIFE, WINDOW, SHRINK, L2 = 4.0, 40, 5.0, 50.0
# All neighbours, and (nearly) full rank: the sample has 150 users and 300 items.
HYPERPARAMETERS = {
    "popularity": {},
    "item_knn": {"knn_shrink": SHRINK, "knn_neighbours": 500, "item_item_dim": 499},
    "ease": {"item_item_l2": L2, "item_item_dim": 499},
    "ials": {"item_item_dim": 24, "als_regularisation": 5.0, "als_confidence": 3.0, "als_sweeps": 4},
}


def params_of(kind: str) -> ModelParams:
    history = {} if kind == "popularity" else {"item_item_half_life": HALF_LIFE, "history_window": WINDOW}
    return ModelParams(kind=kind, **HYPERPARAMETERS[kind], **history)


class Served:
    """A kind fitted by run_fn on toy artifacts, its export, and the index around it."""

    def __init__(self, kind: str, artifacts, folder) -> None:
        self.kind, self.folder = kind, folder
        self.items_uri = artifacts.items
        self.timelines_uri = artifacts.timelines
        self.graph = artifacts.transform_graph
        fit_into(folder, self)
        self.result = fit.FitResult.read(str(folder / "run"))
        self.towers = tf.saved_model.load(str(folder / "towers"))
        table = read.read_items(self.items_uri)
        timelines = {split: read.read_timelines(self.timelines_uri, split) for split in contract.SPLITS}
        built = assemble(self.towers, table, timelines, IndexParams(), [contract.MODEL_EXACT])
        self.module = built[contract.MODEL_EXACT].module
        self.catalogue = built[contract.MODEL_EXACT].catalogue
        self.ids = self.catalogue.ids.tolist()
        self.train = events.history_events(timelines[contract.TRAIN], self.ids)
        self.test = timelines[contract.TEST].to_pylist()

    def ask(self, signature: str, **inputs) -> dict[str, np.ndarray]:
        """Of one request."""
        tensors = {item.name: neutral(item, 1) for item in contract.SIGNATURES[signature].inputs}
        for name, value in inputs.items():
            tensors[name] = tf.constant([value], tensors[name].dtype)
        return {name: x.numpy()[0] for name, x in getattr(self.module, signature)(tensors).items()}

    def scores(self, weights: dict[int, float]) -> np.ndarray:
        """float64[N] by the kind's formula; `weights` of a history's events by their catalogue rows."""
        if self.kind == "popularity":
            return self.catalogue.rating_counts.astype(float)
        if self.kind != "ials":
            return sum(weight * self.item_item[row] for row, weight in weights.items())
        items, chosen = self.item_factors, HYPERPARAMETERS["ials"]
        left = items.T @ items + chosen["als_regularisation"] * np.eye(items.shape[1])
        right = np.zeros(items.shape[1])
        for row, weight in weights.items():
            left += weight * (chosen["als_confidence"] - 1.0) * np.outer(items[row], items[row])
            right += weight * chosen["als_confidence"] * items[row]
        return items @ np.linalg.solve(left, right)

    @functools.cached_property
    def item_factors(self) -> np.ndarray:
        """float64[N, R], the library's, by catalogue row."""
        transform = catalogue.ItemTransform(self.graph)
        loaded = catalogue.load(read.read_items(self.items_uri), transform)
        word = dict(zip(loaded.ids, np.asarray(loaded.catalogue.features.item_index), strict=True))
        index = np.array([word[id_] for id_ in self.ids])
        watched = user_items.watched(index[self.train.rows], self.train.offsets, len(transform.items))
        chosen = HYPERPARAMETERS["ials"]
        fitted = als.fit(
            watched, chosen["item_item_dim"], chosen["als_regularisation"], chosen["als_confidence"],
            chosen["als_sweeps"], TrainerParams().seed,
        )  # fmt: skip
        return np.concatenate([fitted.item_factors, np.zeros((1, chosen["item_item_dim"]))])[index]

    @functools.cached_property
    def item_item(self) -> np.ndarray:
        """float64[N, N]: what an event with i adds to the score of j, at [i, j]."""
        size = len(self.ids)
        seen = np.zeros((len(self.train.offsets) - 1, size))
        seen[np.repeat(np.arange(len(seen)), np.diff(self.train.offsets)), self.train.rows] = 1.0
        count = seen.sum(axis=0)
        if self.kind == "ease":
            inverse = np.linalg.inv(seen.T @ seen + L2 * np.eye(size))
            b = -inverse / np.diag(inverse)
        else:
            b = (seen.T @ seen) / (np.sqrt(np.outer(count, count)) + SHRINK)
        np.fill_diagonal(b, 0.0)
        return b


def fit_into(folder, served, model=None, trainer=None, **config) -> None:
    run.run_fn(
        SimpleNamespace(
            transform_graph_path=served.graph,
            serving_model_dir=str(folder / "towers"),
            model_run_dir=str(folder / "run"),
            custom_config={
                run.MODEL_PARAMS: (model or params_of(served.kind)).to_json(),
                run.TRAINER_PARAMS: (trainer or TrainerParams()).to_json(),
                run.TIMELINES: served.timelines_uri,
                run.ITEMS: served.items_uri,
                **config,
            },
        )
    )


@pytest.fixture(scope="module")
def fitted(artifacts, tmp_path_factory):
    known = {}

    def of(kind: str) -> Served:
        if kind not in known:
            known[kind] = Served(kind, artifacts, tmp_path_factory.mktemp(kind))
        return known[kind]

    return of


CLOSED_FORM = [kind.name for kind in KINDS.values() if not kind.in_steps]


@pytest.fixture(params=CLOSED_FORM)
def served(request, fitted) -> Served:
    return fitted(request.param)


def history_of(record) -> dict[str, list]:
    return {
        contract.HISTORY_ITEM_IDS: [x.encode() for x in record[contract.HISTORY_ITEM_IDS]],
        contract.HISTORY_RATINGS: record[contract.HISTORY_RATINGS],
        contract.HISTORY_TIMESTAMPS: record[contract.HISTORY_TIMESTAMPS],
    }


def weights_of(rows) -> dict[int, float]:
    """Of the events of one person, catalogue rows, oldest first."""
    return {row: 2.0 ** (-age / HALF_LIFE) for age, row in enumerate(list(reversed(rows))[:WINDOW])}


def test_what_is_served_has_the_best_scores_of_the_formula_and_nothing_of_the_history(served):
    place = {id_: row for row, id_ in enumerate(served.ids)}
    for record in served.test[::40]:
        history = history_of(record)
        rows = [place[id_] for id_ in history[contract.HISTORY_ITEM_IDS]]
        answer = served.ask(contract.RECOMMEND, k=20, **history)
        got = [place[id_] for id_ in answer[contract.ITEM_IDS] if id_]
        assert len(got) == 20 and not set(got) & set(rows)
        expected = served.scores(weights_of(rows))
        expected[rows] = -np.inf
        best = np.sort(expected)[::-1][:20]
        tolerance = 0 if served.kind == "popularity" else 2e-3 * best[0]
        np.testing.assert_allclose(expected[got], best, atol=tolerance)


def test_similar_items_are_the_formulas_neighbours(served):
    place = {id_: row for row, id_ in enumerate(served.ids)}
    for row in (0, 25):
        answer = served.ask(contract.SIMILAR, item_id=served.ids[row], k=5)
        got = [place[id_] for id_ in answer[contract.ITEM_IDS] if id_]
        if served.kind == "popularity":
            assert got == [other for other in range(6) if other != row][:5]
            continue
        of_row = served.scores({row: 1.0})
        of_row[row] = -np.inf
        best = np.sort(of_row)[::-1][:5]
        np.testing.assert_allclose(of_row[got], best, atol=2e-3 * best[0])
    assert not served.ask(contract.SIMILAR, item_id=b"nobody knows", k=5)[contract.ITEM_IDS].any()


def test_diversity_spreads_what_the_factors_call_alike(served):
    """By their cosine: of the candidates' own vectors most is what fills them up."""
    history = history_of(served.test[9])
    place = {id_: row for row, id_ in enumerate(served.ids)}
    vectors = served.towers.similar_query(tf.constant(served.ids)).numpy()
    found = [
        [
            place[id_]
            for id_ in served.ask(contract.RECOMMEND, k=10, diversity=diversity, **history)[contract.ITEM_IDS]
            if id_
        ]
        for diversity in (0.0, 0.8)
    ]
    if served.kind == "popularity":
        assert found[0] == found[1]  # it calls all of them alike
        return
    plain, mixed = ((vectors[rows] @ vectors[rows].T)[np.triu_indices(10, 1)].mean() for rows in found)
    assert found[0][0] == found[1][0] and mixed < plain


def test_eval_recall_was_measured_once_and_is_that_of_the_model(served, material):
    assert (served.result.epochs, served.result.best_epoch) == (0, 0)
    assert set(served.result.recall) == {10, 20, 100}
    assert 0 < served.result.recall[10] < served.result.recall[100] < 1
    assert list((served.folder / "run").glob("events.out.*"))


def test_stars_are_the_factors_alone(served):
    record = served.test[3]
    asked = [*served.ids[:4], b"nobody knows", b""]
    stars = served.ask(contract.RATE, item_ids=asked, **history_of(record))[contract.RATINGS]
    assert ((stars[:4] >= contract.MIN_RATING) & (stars[:4] <= contract.MAX_RATING)).all()
    assert len(set(np.round(stars[:4], 3))) > 1
    np.testing.assert_array_equal(stars[4:], 0)
    errors, of_mean = [], []
    mean = float(served.train.ratings.mean())
    for other in served.test[::10]:
        found = served.ask(
            contract.RATE,
            item_ids=[x.encode() for x in other[contract.TARGET_ITEM_IDS]],
            **history_of(other),
        )[contract.RATINGS]
        errors += list(found - other[contract.TARGET_RATINGS])
        of_mean += list(mean - np.array(other[contract.TARGET_RATINGS]))
    assert np.square(errors).mean() < np.square(of_mean).mean()


def test_all_kinds_predict_the_same_stars(fitted):
    """They differ in what they rank by; stars are the same factors'."""
    record = history_of(fitted("ease").test[5])
    ease, *others = (
        fitted(kind).ask(contract.RATE, item_ids=fitted(kind).ids[:9], **record)[contract.RATINGS]
        for kind in ("ease", "item_knn", "ials", "popularity")
    )
    for stars in others:
        np.testing.assert_allclose(ease, stars, atol=1e-5)


def test_the_items_that_explain_are_those_that_add_most(fitted):
    served = fitted("ease")
    weights, place = served.item_item, {id_: row for row, id_ in enumerate(served.ids)}
    history = {name: values[-4:] for name, values in history_of(served.test[7]).items()}
    rows = [place[id_] for id_ in history[contract.HISTORY_ITEM_IDS]]
    item = served.ask(contract.RECOMMEND, k=1, **history)[contract.ITEM_IDS][0]
    answer = served.ask(contract.EXPLAIN, item_ids=[item], **history)
    named = [place[id_] for id_ in answer[contract.HISTORY_ITEM_IDS][0] if id_]
    assert set(named) == set(rows)
    heaviest = answer[contract.WEIGHTS][0][0]
    assert heaviest > 0
    added = [2.0 ** (-age / HALF_LIFE) * weights[row, place[item]] for age, row in enumerate(reversed(rows))]
    assert named[0] == list(reversed(rows))[int(np.argmax(added))]


def test_an_item_embedded_from_its_content_is_its_catalogue_vector_and_a_new_one_has_its_count(served):
    def embed(item_id: bytes, count: int) -> np.ndarray:
        return served.ask(contract.EMBED_ITEM, item_id=item_id, rating_count=count, genres=[b"Drama"])[
            contract.EMBEDDING
        ]

    first = served.ids[0]
    own = served.module._embeddings.numpy()[0]
    np.testing.assert_allclose(embed(first, int(served.catalogue.rating_counts[0])), own, atol=1e-6)
    new = embed(b"new", 7)
    assert np.linalg.norm(new) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(new[:-2], 0)
    assert 0 < new[-2] < embed(b"new", 70)[-2]


def test_a_final_fit_solves_anew_on_all_that_there_is(fitted, tmp_path):
    """No epochs to repeat, nothing held out; there are no weights for a warm start."""
    served = fitted("ease")
    shutil.copytree(f"{served.timelines_uri}/Split-test", tmp_path / "timelines" / "Split-train")
    shutil.copy(f"{served.timelines_uri}/{contract.FEATURES}", tmp_path / "timelines")
    later = SimpleNamespace(**{**vars(served), "timelines_uri": str(tmp_path / "timelines")})
    fit_into(tmp_path, later, **{run.TESTED_RUN: str(served.folder / "run")})
    assert fit.FitResult.read(str(tmp_path / "run")) == fit.FitResult(best_epoch=0, epochs=0, recall={})
    query = {item.name: neutral(item, 1) for item in contract.SIGNATURES[contract.EMBED_QUERY].inputs}
    query[contract.HISTORY_ITEM_IDS] = tf.constant([served.ids[:3]])
    towers = tf.saved_model.load(str(tmp_path / "towers"))
    before, after = served.towers.embed_query(**query), towers.embed_query(**query)
    assert not np.allclose(before, after, atol=1e-3)
    assert not (tmp_path / "towers" / contract.ASSETS_EXTRA / contract.WARM_START).exists()


def test_without_ratings_there_are_no_stars(fitted, material, tmp_path):
    model, result = fitting.fit_model(
        params_of("ease"), TrainerParams(), material.transform, material.items, material.train, None,
        str(tmp_path), implicit=True,
    )  # fmt: skip
    assert result.recall == {}
    asked = {item.name: neutral(item, 2) for item in contract.SIGNATURES[contract.RATE].inputs}
    asked[contract.ITEM_IDS] = tf.constant([material.items.ids[:3]] * 2)
    towers = fitting.servable(model, material.items, material.transform)
    np.testing.assert_array_equal(towers.rate(**asked), np.zeros((2, 3)))


@pytest.mark.parametrize(
    "chosen", [{"warm_start": "x"}, {"checkpoint_dir": "x"}, {"max_steps": 3}, {"epochs": 2}]
)
def test_what_only_training_reads_is_refused(fitted, tmp_path, chosen):
    (key, value), *_ = chosen.items()
    with pytest.raises(ValueError, match=f"{key} = {value!r}: not read by model.kind ease; leave the"):
        fit_into(tmp_path, fitted("ease"), trainer=TrainerParams(**chosen))
    if key == "max_steps":  # of the run, in place of the params'
        with pytest.raises(ValueError, match=r"max_steps = 3: not read by model\.kind ease"):
            fit_into(tmp_path, fitted("ease"), **{run.MAX_STEPS: 3})
    assert not (tmp_path / "towers").exists()
