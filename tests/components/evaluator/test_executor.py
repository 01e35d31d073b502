"""The executor through TensorFlow Model Analysis, on a fake SavedModel."""

from __future__ import annotations

import collections
import dataclasses
import importlib
import json
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from support.extensions import toy_metric
from tfx.components.util import model_utils
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

import contract
from components.common.metrics import names, registry
from components.common.metrics.hits import NEVER
from components.evaluator import report
from components.evaluator.comparable import what_is_missing
from components.evaluator.component import Evaluator
from components.evaluator.eval_config import eval_config
from components.evaluator.executor import Executor, comparable_baseline
from components.evaluator.metrics.totals import ModelTotals
from components.evaluator.metrics.user_scores import score_user
from components.evaluator.params import EvaluatorParams

CATALOGUE = 150
EASY = EvaluatorParams(floors={}, popularity_ratio=0, recent_popularity_ratio=0, ann_recall=0)


@dataclasses.dataclass
class Inputs:
    """The executor's input artifacts, below one folder."""

    folder: Path
    examples: Any
    model: Any
    baseline: Any

    @classmethod
    def create(cls, folder: Path, fake_model: ModuleType, users: list[Any]) -> Inputs:
        examples = standard_artifacts.Examples()
        examples.uri = str(folder / "examples")
        examples.split_names = json.dumps([contract.TRAIN, contract.TEST])
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        examples.set_string_custom_property("file_format", "tfrecords_gzip")
        for split in (contract.TRAIN, contract.TEST):
            fake_model.write_timelines(folder / "examples" / f"Split-{split}", users)
        model, baseline = standard_artifacts.Model(), standard_artifacts.Model()
        model.uri, baseline.uri = str(folder / "model"), str(folder / "baseline")
        (folder / "baseline").mkdir()
        return cls(folder, examples, model, baseline)

    def run(self, params: EvaluatorParams) -> tuple[report.Report, Any]:
        """Runs the executor with the component's own properties; returns the report and the blessing."""
        evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
        evaluation.uri, blessing.uri = str(self.folder / "evaluation"), str(self.folder / "blessing")
        component = Evaluator(
            examples=Channel(type=standard_artifacts.Examples),
            model=Channel(type=standard_artifacts.Model),
            baseline_model=Channel(type=standard_artifacts.Model),
            params=params,
        )
        Executor().Do(
            {"examples": [self.examples], "model": [self.model], "baseline_model": [self.baseline]},
            {"evaluation": [evaluation], "blessing": [blessing]},
            {**component.exec_properties, contract.CODE_HASH: "ignored"},
        )
        return report.read_metrics(evaluation.uri), blessing


def metrics_of(users: list[Any], fake_model: ModuleType, of: list[Any] | None = None) -> dict[str, float]:
    """What `users` (or some `of` them) are measured at, in memory."""
    # All events are on the day before, so what counts is how many have an item.
    counts = collections.Counter(item for user in users for item in user.popular[:1])
    listed = sorted(counts, key=lambda item: (-counts[item], item))
    totals = ModelTotals("m", None)
    for row, user in zip(fake_model.rows(users, CATALOGUE), users, strict=True):
        shown = [item for item in listed if item not in user.popular[:1]]
        ranks = [shown.index(item) if item in shown else NEVER for item in user.targets]
        if of is None or user in of:
            totals.add({"m": score_user(row, np.array(ranks, np.int64))})
    return totals.models["m"].metrics()


def test_first_model(fake_model: ModuleType, tmp_path: Path) -> None:
    """Nothing pushed yet: overall and sliced metrics as computed in memory, and a blessing."""
    users = fake_model.random_users(np.random.default_rng(0), 60, CATALOGUE)
    inputs = Inputs.create(tmp_path, fake_model, users)
    fake_model.save_model(tmp_path / "model" / "Format-Serving", users, CATALOGUE)
    found, blessing = inputs.run(EASY)

    assert found.candidate.overall == pytest.approx(metrics_of(users, fake_model), rel=1e-6, nan_ok=True)
    assert found.candidate.overall[names.RECENT_POPULARITY_RECALL_100] > 0
    # Evaluations are kept for good, also by `marquee forget`: nothing of a person is in one.
    assert not list(tmp_path.rglob("recent_popularity.parquet"))
    assert list(found.candidate.overall) == list(registry.evaluated())
    for feature, values in found.candidate.slices.items():
        for value, metrics in values.items():
            of_slice = [user for user in users if getattr(user, feature).decode() == value]
            assert metrics == pytest.approx(metrics_of(users, fake_model, of_slice), rel=1e-6, nan_ok=True)
    assert {feature: set(values) for feature, values in found.candidate.slices.items()} == {
        contract.SLICE_HISTORY: {"001-009", "010-029"},
        contract.SLICE_COLD: {contract.COLD, contract.WARM},
    }
    assert (found.baseline, found.baseline_version, found.paired) == (None, "", None)
    assert model_utils.is_model_blessed(blessing)
    assert (Path(blessing.uri) / "BLESSED").exists()
    assert blessing.get_string_custom_property("current_model") == inputs.model.uri
    regression = next(gate for gate in report.read_gates(blessing.uri) if gate.name == "regression")
    assert (regression.ok, regression.value) == (True, None)


def test_worse_than_the_pushed_model(fake_model: ModuleType, tmp_path: Path) -> None:
    """Both models are measured on the same users, and the worse candidate is refused by that gate alone."""
    users = fake_model.random_users(np.random.default_rng(1), 60, CATALOGUE)
    better = [
        dataclasses.replace(
            user, ranked=[*user.targets, *[m for m in user.ranked if m not in user.targets]][:100]
        )
        if user.ranked
        else user
        for user in users
    ]
    inputs = Inputs.create(tmp_path, fake_model, users)
    fake_model.save_model(tmp_path / "model" / "Format-Serving", users, CATALOGUE)
    fake_model.save_model(tmp_path / "baseline" / "Format-Serving", better, CATALOGUE)
    inputs.baseline.set_string_custom_property("pushed_version", "41")
    found, blessing = inputs.run(EASY)

    ours, theirs = (fake_model.rows(each, CATALOGUE) for each in (users, better))
    assert found.candidate.overall == pytest.approx(metrics_of(users, fake_model), rel=1e-6, nan_ok=True)
    assert found.baseline is not None
    assert found.baseline.overall == pytest.approx(metrics_of(better, fake_model), rel=1e-6, nan_ok=True)
    assert found.baseline_version == "41"
    pairs = [
        (score_user(a).get(names.RECALL_10), score_user(b).get(names.RECALL_10))
        for a, b in zip(ours, theirs, strict=True)
    ]
    difference = np.array([a - b for a, b in pairs if a is not None and b is not None])
    assert found.paired is not None
    assert found.paired.users == difference.size
    assert found.paired.difference == pytest.approx(difference.mean())
    assert found.paired.standard_error == pytest.approx(difference.std(ddof=1) / difference.size**0.5)
    assert [gate.name for gate in report.read_gates(blessing.uri) if not gate.ok] == ["regression"]
    assert not model_utils.is_model_blessed(blessing)
    assert (Path(blessing.uri) / "NOT_BLESSED").exists()
    assert blessing.get_string_custom_property("baseline_model") == inputs.baseline.uri


def test_an_entry_of_the_registry_is_measured_and_gated(
    fake_model: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_metric.add(monkeypatch)
    users = fake_model.random_users(np.random.default_rng(3), 40, CATALOGUE)
    inputs = Inputs.create(tmp_path, fake_model, users)
    fake_model.save_model(tmp_path / "model" / "Format-Serving", users, CATALOGUE)
    found, blessing = inputs.run(EASY.model_copy(update={"floors": {toy_metric.NAME: 1.0}}))

    liked = [
        (user, {t for t, r in zip(user.targets, user.ratings, strict=True) if r >= contract.RELEVANT_RATING})
        for user in users
    ]
    expected = np.mean([bool(wanted & set(user.ranked[:5])) for user, wanted in liked if wanted])
    assert 0 < expected < 1
    written = json.loads((tmp_path / "evaluation" / contract.METRICS).read_text())
    assert written["candidate"]["overall"][toy_metric.NAME] == pytest.approx(expected)
    assert found.candidate.slices[contract.SLICE_COLD][contract.WARM][toy_metric.NAME] > 0
    (refused,) = [gate for gate in report.read_gates(blessing.uri) if not gate.ok]
    assert (refused.name, refused.bound) == (f"{toy_metric.NAME} floor", 1.0)
    assert EvaluatorParams(floors={toy_metric.NAME: 0.5}).floors == {toy_metric.NAME: 0.5}


def save_without_evaluate(path: Path) -> None:
    module = tf.Module()
    module.f = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(path), signatures={contract.SERVING_DEFAULT: module.f})


def test_a_candidate_without_evaluate_is_an_error(fake_model: ModuleType, tmp_path: Path) -> None:
    inputs = Inputs.create(
        tmp_path, fake_model, fake_model.random_users(np.random.default_rng(1), 2, CATALOGUE)
    )
    save_without_evaluate(tmp_path / "model" / "Format-Serving")
    with pytest.raises(ValueError, match=r"no `evaluate` signature with the outputs \['item_ids'"):
        inputs.run(EASY)


def test_a_pushed_model_of_older_code_is_no_baseline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    baseline = standard_artifacts.Model()
    baseline.uri = str(tmp_path)
    save_without_evaluate(tmp_path / "Format-Serving")
    with caplog.at_level(logging.WARNING):
        assert comparable_baseline({"baseline_model": [baseline]}, implicit=False) is None
    assert "cannot be compared" in caplog.text


def test_all_outputs_are_there(fake_model: ModuleType, tmp_path: Path) -> None:
    fake_model.save_model(
        tmp_path / "m", fake_model.random_users(np.random.default_rng(2), 3, CATALOGUE), CATALOGUE
    )
    assert what_is_missing(str(tmp_path / "m"), implicit=False) == []
    # A model of ratings beside the timelines of a log that has none any more.
    assert what_is_missing(str(tmp_path / "m"), implicit=True) == [contract.TARGET_WEIGHTS]


def test_the_metric_that_the_config_names_exists() -> None:
    metric = eval_config().metrics_specs[0].metrics[0]
    assert hasattr(importlib.import_module(metric.module), metric.class_name)
