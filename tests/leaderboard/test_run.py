"""Tuning, comparison and the whole board on models that a test can follow."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from support.extensions import toy_metric
from support.models.fixed_recommender import Fixed

from components.common.metrics import names
from components.model.params import ModelParams
from components.trainer.params import TrainerParams
from leaderboard import comparison, protocols, ranking, registry, report, run, tuning
from leaderboard.fits import Fits
from leaderboard.ranking import UserMetrics
from leaderboard.tuning import Trial

pytestmark = pytest.mark.long


def test_every_model_is_what_its_class_says() -> None:
    for name in registry.NAMES:
        kind = registry.model_class(name)
        assert name == kind.NAME
        assert (name in registry.RATING) == kind.RATES
        model = registry.make(name, 7, {})
        assert model.seed == 7
        for hyperparameter, values in kind.SPACE.items():
            assert len(set(values)) == len(values)
            # The first value is the default: trial 1 is the defaults, and none is tried twice.
            if "." not in hyperparameter:
                assert getattr(model, hyperparameter) == values[0]
            else:
                section, _, key = hyperparameter.partition(".")
                assert values[0] is None
                assert key in {"model": ModelParams, "trainer": TrainerParams}[section].model_fields
    with pytest.raises(ValueError, match=r"no model 'best'; the models are popularity"):
        registry.make("best", 1, {})


def test_hyperparameters_of_a_section_are_merged() -> None:
    model = registry.make(
        registry.OURS,
        1,
        {"model": {"dropout": 0.1, "temperature": 0.2}, "model.dropout": 0.4, "trainer.epochs": None},
    )
    assert model.model == {"dropout": 0.4, "temperature": 0.2}
    assert model.trainer == {}


def test_the_budget_of_trials() -> None:
    space = {"a": (1, 2, 3), "b": (True, False)}
    assert tuning.combinations(space, 1) == [{}]
    drawn = tuning.combinations(space, 4)
    assert len(drawn) == 4
    assert drawn == tuning.combinations(space, 4)
    whole = tuning.combinations(space, 100)
    assert len(whole) == 6  # the defaults and five others
    assert {"a": 1, "b": True} not in whole
    assert tuning.combinations({}, 8) == [{}]


def test_tuning_takes_the_best_and_passes_over_what_is_no_number() -> None:
    scores = {1: 0.1, 2: 0.3, 3: float("nan")}
    heard = []
    best, tried = tuning.tune(
        {"a": (1, 2, 3)},
        3,
        lambda hyperparameters: Trial(hyperparameters, scores[hyperparameters.get("a", 1)], 0.0, {}),
        lambda number, of, trial: heard.append((number, of)),
    )
    assert best.hyperparameters == {"a": 2}
    assert len(tried) == 3
    assert heard == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(FloatingPointError, match="none of 1 trials"):
        tuning.tune(
            {}, 1, lambda hyperparameters: Trial(hyperparameters, float("nan"), 0.0, {}), lambda *_: None
        )


def measured(values: np.ndarray) -> UserMetrics:
    return UserMetrics(np.arange(len(values)), {names.NDCG_10: values}, 0.0)


def test_the_interval_is_that_of_a_paired_mean() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(400)
    gain = rng.normal(0.05, 0.1, 400)
    found = comparison.compare(names.NDCG_10, [measured(base + gain)], [measured(base)], "base", None)
    assert found.difference == pytest.approx(gain.mean())
    error = 1.96 * gain.std(ddof=1) / 20
    assert found.low == pytest.approx(gain.mean() - error, abs=0.15 * error)
    assert found.high == pytest.approx(gain.mean() + error, abs=0.15 * error)
    assert (found.verdict, found.users, found.other) == ("higher", 400, "base")
    back = comparison.compare(names.NDCG_10, [measured(base)], [measured(base + gain)], "other", None)
    assert back.verdict == "lower"
    same = comparison.compare(
        names.NDCG_10, [measured(base + gain - gain.mean())], [measured(base)], "base", None
    )
    assert same.verdict == "tied"


def test_the_interval_is_of_some_users_and_all_seeds() -> None:
    rng = np.random.default_rng(1)
    base, better = rng.random(100), rng.random(100)
    among = np.arange(100) >= 70
    seeds = [measured(better), measured(better + 0.2)]
    found = comparison.compare(names.NDCG_10, seeds, [measured(base)], "base", among)
    assert found.users == 30
    assert found.difference == pytest.approx((better + 0.1 - base)[70:].mean())
    with pytest.raises(ValueError, match="different users"):
        comparison.compare(names.NDCG_10, seeds, [measured(base[:50])], "base", None)
    with pytest.raises(ValueError, match="no user"):
        comparison.compare(names.NDCG_10, seeds, [measured(base)], "base", np.zeros(100, bool))


MODELS = ("popularity", "ease", "bpr")
DEPENDS_ON = {"data": "sample"}


@pytest.fixture
def few_resamples(monkeypatch) -> None:
    """Enough for a board whose intervals nobody looks at."""
    monkeypatch.setattr(comparison, "RESAMPLES", 500)


def board_of(protocol, folder, models=MODELS, depends_on=DEPENDS_ON, **settings):
    lines: list[str] = []
    fits = Fits(folder, depends_on)
    made = run.run(protocol, run.Settings(models, **settings), fits, lines.append)
    return made, lines, fits


@pytest.mark.usefixtures("few_resamples")
def test_a_board_is_the_models_own_figures(protocol, tmp_path) -> None:
    cut = protocol(protocols.USER_TIME)
    hyperparameters = {"bpr": {"iterations": 5, "factors": 4}}
    board, lines, fits = board_of(cut, tmp_path, seeds=(1, 2), trials=2, hyperparameters=hyperparameters)
    assert [len(entry.fits) for entry in board.entries] == [1, 1, 2]
    assert [len(entry.trials) for entry in board.entries] == [0, 2, 2]
    assert fits.remembered == 0
    (tuned,) = (line for line in lines if "2 trials for each model" in line)
    model = registry.make("ease", 1, {})
    model.fit(cut.tuning.without_test())
    deciding = len(ranking.evaluate(model, cut.tuning, cut.tuning.eval).users)
    assert f"recall@20 of {deciding:,} users" in tuned
    model = registry.make("ease", 1, board.entries[1].hyperparameters)
    model.fit(cut.final.without_test())
    expected = ranking.evaluate(model, cut.final, cut.final.test)
    document = report.as_dict(board)
    ease = document["models"]["ease"]
    assert ease["all"]["recall@100"]["mean"] == pytest.approx(expected.mean(names.RECALL_100))
    assert ease["confirmatory"]["ndcg@10"]["mean"] == pytest.approx(
        expected.mean(names.NDCG_10, cut.final.confirmatory)
    )
    best = max(t["score"] for t in ease["trials"])
    assert next(t["hyperparameters"] for t in ease["trials"] if t["score"] == best) == ease["hyperparameters"]
    bpr = document["models"]["bpr"]["all"]["recall@10"]
    assert bpr["mean"] == pytest.approx(np.mean(bpr["seeds"]))
    assert bpr["deviation"] == pytest.approx(np.std(bpr["seeds"], ddof=1))
    assert document["focus"] == board.focus
    assert {found["metric"] for found in document["comparisons"]["confirmatory"]} == set(ranking.metrics())
    strongest = max(
        (name for name in MODELS if name != board.focus),
        key=lambda name: document["models"][name]["all"]["recall@20"]["mean"],
    )
    assert [c["other"] for c in document["comparisons"]["all"] if c["metric"] == "recall@20"] == [strongest]
    # The table has every value once: what pandas groups is what the models were measured at.
    figures = report.figures(board)
    assert len(figures) == (1 + 1 + 2) * len(ranking.metrics()) * 2
    assert sorted(figures.loc[figures.model == "bpr", "seed"].unique()) == [1, 2]
    row = figures.query("users == 'confirmatory' and model == 'ease' and metric == 'ndcg@10'")
    assert row["value"].tolist() == pytest.approx([expected.mean(names.NDCG_10, cut.final.confirmatory)])
    drawing = ElementTree.fromstring(report.svg(board))
    texts = [node.text for node in drawing.iter() if node.tag.endswith("text")]
    # A bar, with its value, for each model in each of the panels.
    panels = len(ranking.metrics()) * 2
    assert all(texts.count(model) == panels for model in MODELS)
    assert sum(text in {f"{v:.4f}" for v in report.summary(board)["mean"]} for text in texts) == (
        len(MODELS) * panels
    )

    again, _, fits = board_of(cut, tmp_path, seeds=(1, 2), trials=2, hyperparameters=hyperparameters)
    assert fits.remembered == 8
    assert report.as_dict(again) == document
    # Another state of code or data is another result.
    _, _, fits = board_of(
        cut, tmp_path, depends_on={"data": "other"}, models=("popularity",), seeds=(1,), trials=1
    )
    assert fits.remembered == 0


def test_an_entry_of_the_metrics_registry_is_a_column(protocol, tmp_path, monkeypatch) -> None:
    toy_metric.add(monkeypatch)
    board, _, _ = board_of(
        protocol(protocols.USER_TIME), tmp_path, models=("popularity",), seeds=(1,), trials=1,
        tune_on=toy_metric.NAME,
    )  # fmt: skip
    header, rows = report.rows(board, "all")
    found = board.entries[0].fits[0].metrics.values
    value = found[toy_metric.NAME].mean()
    assert 0 < value <= (found[names.RECALL_10] > 0).mean()  # whoever has a hit in 5 has one in 10
    assert rows[0][header.index(toy_metric.NAME)] == f"{value:.4f}"


def test_a_changed_model_is_fitted_anew_and_no_other(protocol, tmp_path) -> None:
    cut = protocol(protocols.USER_TIME).final

    def remembered(code) -> int:
        fits = Fits(tmp_path, DEPENDS_ON, code)
        for name in ("popularity", "ease"):
            fits.fit(name, {}, 1, cut, "test")
        return fits.remembered

    assert [remembered({"popularity": "a", "ease": ease}) for ease in "aab"] == [0, 2, 1]


@pytest.mark.usefixtures("few_resamples")
def test_a_board_of_rating_errors(protocol, tmp_path) -> None:
    settings = {"seeds": (1,), "trials": 3, "tune_on": names.RMSE}
    board, _, _ = board_of(protocol(protocols.RANDOM), tmp_path, models=("bias", "svd"), **settings)
    assert board.focus == min(board.entries, key=lambda entry: entry.values("rmse")[0]).model
    best = board.entries[0].trials
    assert board.entries[0].hyperparameters == max(best, key=lambda trial: trial.score).hyperparameters
    assert max(trial.score for trial in best) < 0  # errors, the other way round
    header, rows = report.rows(board, "all")
    assert header[1:3] == ["rmse", "mae"]
    assert [row[0] for row in rows] == ["bias", "svd", "random order", "perfect order"]
    assert "confirmatory" not in board.comparisons
    assert any("lower is better" in line for line in report.sentences(board))


def test_settings_that_cannot_be_run(protocol, tmp_path) -> None:
    with pytest.raises(ValueError, match="ease ranks items and predicts no ratings"):
        board_of(protocol(protocols.RANDOM), tmp_path, models=("ease",))
    with pytest.raises(ValueError, match="expected at least one, none twice"):
        board_of(protocol(protocols.USER_TIME), tmp_path, models=("ease", "ease"))
    with pytest.raises(ValueError, match="at least one trial"):
        board_of(protocol(protocols.USER_TIME), tmp_path, trials=0)
    with pytest.raises(ValueError, match="tune_on is 'rmse', expected one of recall@10"):
        board_of(protocol(protocols.USER_TIME), tmp_path, tune_on="rmse")


def test_a_trial_that_diverges_is_passed_over(protocol, tmp_path, monkeypatch) -> None:
    fit = Fits.fit

    def diverging(self, name, hyperparameters, *rest):
        if hyperparameters.get("factors") == 20:
            raise FloatingPointError("svd: the loss became nan in epoch 1")
        return fit(self, name, hyperparameters, *rest)

    monkeypatch.setattr(Fits, "fit", diverging)
    settings = {"seeds": (1,), "trials": 4, "tune_on": names.RMSE}
    board, lines, _ = board_of(protocol(protocols.RANDOM), tmp_path, models=("svd",), **settings)
    assert [np.isnan(trial.score) for trial in board.entries[0].trials].count(True) == 1
    assert board.entries[0].hyperparameters != {"factors": 20}
    assert any("the loss became nan" in line for line in lines)


def test_a_model_that_only_ranks_says_so(protocol) -> None:
    split = protocol(protocols.RANDOM).final
    with pytest.raises(NotImplementedError, match="ease ranks items"):
        registry.make("ease", 1, {}).predict_ratings(
            split.queries(split.test, np.array([0])), split.test.targets.take(np.array([0]))
        )
    assert Fixed.RATES


def test_models_leave_the_split_as_the_next_one_must_find_it(protocol) -> None:
    """`implicit` sorts a matrix by item where it is: whoever came after it found histories out of order."""
    split = protocol(protocols.USER_TIME).final
    lists = (split.train, split.eval.history, split.eval.targets, split.test.history, split.test.targets)
    arrays = [array for part in lists for array in (part.rows, part.ratings, part.timestamps, part.offsets)]
    before = [array.copy() for array in arrays]
    for name in ("item_knn", "ease_recency", "ials", "bpr", "svd", "content_cosine"):
        model = registry.make(name, 1, {})
        model.fit(split.without_test())
        if name != "svd":
            ranking.evaluate(model, split, split.test)
        for array, old in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, old, err_msg=name)
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0
