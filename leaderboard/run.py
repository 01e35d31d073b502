"""Every model on one protocol: tune on eval, fit with each seed, measure on test, compare."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from components.common.metrics import names
from components.common.metrics.registry import lower_is_better
from leaderboard import comparison, protocols, ranking, rating_errors, registry, tuning
from leaderboard.comparison import Comparison
from leaderboard.fits import Fit, Fits
from leaderboard.protocols import Protocol
from leaderboard.ranking import UserMetrics
from leaderboard.split import Split
from leaderboard.tuning import Trial

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to run.

    Attributes:
      models: names of the registry, in the order of the table.
      seeds: of a model that draws; another is fitted once.
      trials: hyperparameter combinations tried for each model.
      tune_on: metric of the eval part that tuning looks at.
      hyperparameters: model -> what is set for it before tuning.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...] = (1, 2, 3)
    trials: int = 8
    tune_on: str = names.RECALL_20
    hyperparameters: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model's line.

    Attributes:
      hyperparameters: what tuning chose, beside the defaults.
      trials: all of them; none where there was nothing to choose.
      fits: one per seed, measured on test.
    """

    model: str
    hyperparameters: dict[str, Any]
    trials: list[Trial]
    fits: list[Fit]

    def values(self, metric: str, among: np.ndarray | None = None) -> np.ndarray:
        """float64[seeds]."""
        return np.array([fit.metrics.mean(metric, among) for fit in self.fits])


@dataclasses.dataclass(frozen=True)
class Board:
    """A finished leaderboard.

    Attributes:
      focus: the model that is compared with the strongest other: ours if it takes part,
        else the best by the metric that was tuned on.
      comparisons: "all" or "confirmatory" -> one per metric.
      bounds: of rating protocols, what random and perfect order reach.
    """

    protocol: Protocol
    settings: Settings
    metrics: tuple[str, ...]
    entries: list[Entry]
    focus: str
    comparisons: dict[str, list[Comparison]]
    bounds: dict[str, dict[str, float]]


def metrics_of(protocol: Protocol) -> tuple[str, ...]:
    return rating_errors.metrics() if protocol.by_ratings else ranking.metrics()


def check(protocol_by_ratings: bool, models: Sequence[str], trials: int, seeds: int) -> None:
    """Raises ValueError for settings that cannot be run."""
    for name in models:
        if protocol_by_ratings and name not in registry.RATING:
            raise ValueError(f"{name} ranks items and predicts no ratings, which this protocol measures")
    if not models or len(set(models)) < len(models):
        raise ValueError(f"models are {list(models)}; expected at least one, none twice")
    if trials < 1 or seeds < 1:
        raise ValueError("expected at least one trial and one seed")


def run(protocol: Protocol, settings: Settings, fits: Fits, say: Say) -> Board:
    """Runs; `say` hears a line whenever something is finished."""
    check(protocol.by_ratings, settings.models, settings.trials, len(settings.seeds))
    metrics = metrics_of(protocol)
    if settings.tune_on not in metrics:
        raise ValueError(f"tune_on is {settings.tune_on!r}, expected one of {', '.join(metrics)}")
    say(f"{protocol.name}: {protocol.description}")
    seeds = f"seeds {', '.join(map(str, settings.seeds))}"
    if settings.trials == 1:
        say(f"the models' defaults, {seeds}")
    else:
        say(
            f"{settings.trials} trials for each model (a smaller space is tried whole), chosen by eval "
            f"{settings.tune_on} of {_deciding(protocol.tuning):,} users; {seeds}"
        )
    entries = []
    for number, name in enumerate(settings.models, 1):
        entries.append(
            _entry(protocol, settings, fits, name, f"[{number}/{len(settings.models)}] {name}", say)
        )
    focus = (
        registry.OURS if registry.OURS in settings.models else _best(entries, settings.tune_on, None).model
    )
    bounds = {}
    if protocol.by_ratings:
        assert protocol.final.test is not None
        bounds = rating_errors.bounds(protocol.final, protocol.final.test)
    return Board(
        protocol, settings, metrics, entries, focus, _compare(protocol, entries, focus, metrics), bounds
    )


def _entry(protocol: Protocol, settings: Settings, fits: Fits, name: str, title: str, say: Say) -> Entry:
    kind, given = registry.model_class(name), dict(settings.hyperparameters.get(name, {}))
    sign = -1.0 if lower_is_better(settings.tune_on) else 1.0

    def attempt(hyperparameters: dict[str, Any]) -> Trial:
        try:
            found = fits.fit(name, {**given, **hyperparameters}, settings.seeds[0], protocol.tuning, "eval")
        except FloatingPointError as error:  # it diverged; others of its trials need not
            say(f"{title}  {error}")
            return Trial(hyperparameters, math.nan, math.nan, {})
        return Trial(
            hyperparameters, sign * found.metrics.mean(settings.tune_on), found.seconds, found.chosen
        )

    def tell(number: int, of: int, trial: Trial) -> None:
        say(
            f"{title}  trial {number}/{of}  eval {settings.tune_on} {sign * trial.score:.4f}  "
            f"{trial.seconds:.1f} s  {_words(trial.hyperparameters)}"
        )

    best = Trial({}, math.nan, 0.0, {})
    tried: list[Trial] = []
    eval_in_final = len(protocol.final.eval.targets.rows) > 0
    # Where there is nothing to choose, the fit that is measured on test is all that is needed.
    if not eval_in_final or len(tuning.combinations(kind.SPACE, settings.trials)) > 1:
        best, tried = tuning.tune(kind.SPACE, settings.trials, attempt, tell)
    # A refit on data without eval cannot find out itself what the trial found out on eval.
    refit = {} if eval_in_final else best.chosen
    found = []
    for seed in settings.seeds if kind.RANDOM else settings.seeds[:1]:
        found.append(fits.fit(name, {**given, **best.hyperparameters, **refit}, seed, protocol.final, "test"))
        values = "  ".join(f"{m} {found[-1].metrics.mean(m):.4f}" for m in metrics_of(protocol))
        say(f"{title}  seed {seed}  test {values}  {found[-1].seconds:.1f} s")
    return Entry(name, best.hyperparameters, tried, found)


def _deciding(split: Split) -> int:
    """The users by whose eval targets hyperparameters are chosen."""
    by_ratings = split.protocol in protocols.BY_RATINGS
    judged = rating_errors.judged(split, split.eval) if by_ratings else ranking.judged(split.eval)
    return len(judged[1])


def _compare(
    protocol: Protocol, entries: Sequence[Entry], focus: str, metrics: Sequence[str]
) -> dict[str, list[Comparison]]:
    groups: dict[str, np.ndarray | None] = {"all": None}
    if protocol.final.confirmatory.any():
        groups["confirmatory"] = protocol.final.confirmatory
    ours = next(entry for entry in entries if entry.model == focus)
    others = [entry for entry in entries if entry.model != focus]
    if not others:
        return {}
    found: dict[str, list[Comparison]] = {}
    for group, among in groups.items():
        found[group] = []
        for metric in metrics:
            other = _best(others, metric, among)
            pair = [_measured(ours), _measured(other)]
            found[group].append(comparison.compare(metric, pair[0], pair[1], other.model, among))
    return found


def _measured(entry: Entry) -> list[UserMetrics]:
    return [fit.metrics for fit in entry.fits]


def _best(entries: Sequence[Entry], metric: str, among: np.ndarray | None) -> Entry:
    sign = -1.0 if lower_is_better(metric) else 1.0
    return max(entries, key=lambda entry: sign * float(entry.values(metric, among).mean()))


def _words(hyperparameters: Mapping[str, Any]) -> str:
    return (
        ", ".join(f"{key}={value}" for key, value in hyperparameters.items() if value is not None)
        or "defaults"
    )
