"""Knobs of the evaluator: what a model must reach before it is pushed."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator

from components.common.metrics import names
from components.common.params import Section

_FLOORS: Final = {names.RECALL_10: 0.02, names.RECALL_100: 0.10}


class EvaluatorParams(Section):
    floors: dict[str, float] = Field(
        _FLOORS,
        description="Lowest value accepted for each metric named, on the whole test split. "
        "The defaults only catch a model that learnt nothing.",
    )
    ceilings: dict[str, float] = Field(
        {},
        description="Highest value accepted for each metric named, such as rmse: 1.0 (stars).",
    )
    popularity_ratio: float = Field(
        1.1,
        ge=0,
        description="Recall@10 must be at least this many times that of recommending the most popular "
        "items to everybody, on the same users, and 1 at most. 0 accepts anything.",
    )
    recent_popularity_days: int = Field(
        365,
        ge=1,
        description="days before the day of a user's first target (or the end of train, if sooner) whose "
        "train events count as recent popularity",
    )
    recent_popularity_ratio: float = Field(
        1.0,
        ge=0,
        description="A model is refused if its Recall@10 is below this many times that of recent popularity "
        "(1 at most), on the same users, even at the upper end of the 95 % interval: a difference inside "
        "the noise refuses nobody. 0 accepts anything.",
    )
    max_regression_percent: float = Field(
        5.0,
        ge=0,
        le=100,
        description="A model is refused if its Recall@10 is worse than the last pushed model's by more than "
        "this many percent even at the upper end of the 95 % interval over users: a difference inside the "
        "noise refuses nobody. 100 accepts anything.",
    )
    ann_recall: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Lowest share of the exact search's first 10 that the index must return.",
    )

    def for_all_events(self) -> EvaluatorParams:
        """The bounds for a model fitted on all events: those on cold items are left out, it knows none."""
        # Here, as below: the command line reads the config without NumPy.
        from components.common.metrics import registry

        def measurable(bounds: dict[str, float]) -> dict[str, float]:
            return {name: bound for name, bound in bounds.items() if registry.reads(name) != registry.COLD}

        return self.model_copy(
            update={"floors": measurable(self.floors), "ceilings": measurable(self.ceilings)}
        )

    @field_validator("floors", "ceilings")
    @classmethod
    def _known(cls, bounds: dict[str, float]) -> dict[str, float]:
        if bounds.keys() <= _FLOORS.keys():
            return bounds  # the defaults, as in nearly every config
        from components.common.metrics import registry

        known = registry.evaluated()
        unknown = sorted(set(bounds) - set(known))
        if unknown:
            raise ValueError(f"unknown metric {', '.join(unknown)}; known: {', '.join(known)}")
        return bounds
