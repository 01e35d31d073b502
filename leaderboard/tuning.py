"""Hyperparameters by random search: the same number of trials for every model."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# A seed of its own: which combinations are tried does not depend on anything else.
_SEED = 20


@dataclasses.dataclass(frozen=True)
class Trial:
    """One combination: what differs from the defaults, and what it reached on eval (higher is better).

    Attributes:
      chosen: hyperparameters the fit found out itself (`Model.chosen`).
    """

    hyperparameters: dict[str, Any]
    score: float
    seconds: float
    chosen: dict[str, Any]


def combinations(space: Mapping[str, tuple[Any, ...]], trials: int) -> list[dict[str, Any]]:
    """The first trial is the defaults; the others are drawn from the grid without repetition.

    A space with fewer combinations is tried whole.

    Args:
      space: of `Model.SPACE`: the first value of each is the default.
      trials: at least 1.
    """
    grid = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    drawn = np.random.default_rng(_SEED).permutation(np.arange(1, len(grid)))[: trials - 1]
    return [{}, *(grid[i] for i in drawn)]


def tune(
    space: Mapping[str, tuple[Any, ...]],
    trials: int,
    attempt: Callable[[dict[str, Any]], Trial],
    say: Callable[[int, int, Trial], None],
) -> tuple[Trial, list[Trial]]:
    """(the best trial, all of them); of equal ones the first.

    Raises:
      FloatingPointError: no trial reached a score that is a number.
    """
    tried = []
    asked = combinations(space, trials)
    for number, hyperparameters in enumerate(asked, 1):
        trial = attempt(hyperparameters)
        tried.append(trial)
        say(number, len(asked), trial)
    finite = [trial for trial in tried if math.isfinite(trial.score)]
    if not finite:
        raise FloatingPointError(f"none of {len(tried)} trials has a score: is anything held out for eval?")
    return max(finite, key=lambda trial: trial.score), tried
