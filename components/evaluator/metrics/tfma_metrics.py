"""The metrics inside TensorFlow Model Analysis.

A row of TFMA's input is a user. `UserScoresFn` turns a row's predictions into
the user's scores once, before TFMA hands the row to each slice; `TotalsFn` adds
them up. One pass serves every metric, both models and their paired difference.

No label is read: the `evaluate` signature returns the targets beside the
results, so both come from one parse of the same record. What no model answers,
where recent popularity ranks the targets, comes by the user from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np

# A Beam worker that loads the model needs ScaNN's op registered, and this is the
# module that such a worker imports.
import scann  # noqa: F401
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis.metrics import metric_types

import contract
from components.evaluator import recent_popularity
from components.evaluator.metrics.totals import ModelTotals
from components.evaluator.metrics.user_scores import UserScores, score_user

# Names of the values that carry the paired interval, under the candidate's name.
PAIRED_USERS = "paired_users"
PAIRED_DIFFERENCE = "paired_difference"
PAIRED_STANDARD_ERROR = "paired_standard_error"
PAIRED_BASELINE = "paired_baseline"
# Before a metric's name: its standard error over users.
STANDARD_ERROR = "standard_error/"


class RetrievalMetrics(metric_types.Metric):
    """All of `registry.evaluated()` for each model, and the paired interval if there is a baseline.

    Args:
      recent: path of the file of `recent_popularity.write`, "" where the log has no such baseline.
    """

    def __init__(self, name: str = "retrieval_metrics", recent: str = "") -> None:
        super().__init__(_computations, name=name, recent=recent)


def _computations(
    name: str = "retrieval_metrics",
    recent: str = "",
    eval_config: tfma.EvalConfig | None = None,
    model_names: list[str] | None = None,
) -> metric_types.MetricComputations:
    del name
    models = list(model_names or [""])
    baselines = [spec.name for spec in eval_config.model_specs if spec.is_baseline] if eval_config else []
    baseline = baselines[0] if baselines else None
    candidate = next(model for model in models if model != baseline)
    return [
        metric_types.MetricComputation(
            keys=[],
            preprocessors=[UserScoresFn(models, recent)],
            combiner=TotalsFn(candidate, baseline),
        )
    ]


class UserScoresFn(metric_types.Preprocessor):
    """Extracts of one user -> {model name: UserScores}."""

    def __init__(self, models: list[str], recent: str = "") -> None:
        super().__init__(name="user_scores")
        self._models = models
        self._recent = recent
        self._ranks: Mapping[bytes, NDArray[np.int64]] = {}

    def setup(self) -> None:
        if self._recent:
            self._ranks = recent_popularity.read(self._recent)

    def process(self, extracts: dict[str, Any]) -> Iterator[dict[str, UserScores]]:
        predictions = extracts[tfma.PREDICTIONS_KEY]
        # TFMA leaves the model's name out of the path when there is one model.
        by_model = predictions if len(self._models) > 1 else {self._models[0]: predictions}
        ranks = self._ranks[_user_id(extracts)] if self._recent else None
        yield {model: score_user(by_model[model], ranks) for model in self._models}


def _user_id(extracts: dict[str, Any]) -> bytes:
    return bytes(np.asarray(extracts[tfma.FEATURES_KEY][contract.USER_ID]).reshape(-1)[0])


class TotalsFn(beam.CombineFn):
    """Adds up users; its result is {MetricKey: value} for one slice."""

    def __init__(self, candidate: str, baseline: str | None) -> None:
        super().__init__()
        self._candidate = candidate
        self._baseline = baseline

    def create_accumulator(self) -> ModelTotals:
        return ModelTotals(self._candidate, self._baseline)

    def add_input(self, accumulator: ModelTotals, users: dict[str, UserScores]) -> ModelTotals:
        accumulator.add(users)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[ModelTotals]) -> ModelTotals:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged.merge(accumulator)
        return merged

    def extract_output(self, accumulator: ModelTotals) -> dict[metric_types.MetricKey, float]:
        values = {
            metric_types.MetricKey(name, model_name=model): value
            for model, totals in accumulator.models.items()
            for name, value in (
                *totals.metrics().items(),
                *((STANDARD_ERROR + name, error) for name, error in totals.standard_errors().items()),
            )
        }
        if self._baseline is not None:
            interval = accumulator.paired.interval()
            for name, value in (
                (PAIRED_USERS, float(interval.users)),
                (PAIRED_DIFFERENCE, interval.difference),
                (PAIRED_STANDARD_ERROR, interval.standard_error),
                (PAIRED_BASELINE, interval.baseline),
            ):
                values[metric_types.MetricKey(name, model_name=self._candidate)] = value
        return values
