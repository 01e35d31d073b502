"""What an experiment has seen, by variant and person."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np
import sqlalchemy as sa

from serving.app.results import Experiment
from serving.app.store import tables

# Seconds after which every process splits people by new weights; each looks every 5.
SETTLED_S: Final = 15


@dataclasses.dataclass(frozen=True)
class Counts:
    """One variant.

    Attributes:
      exposures: [P] lists shown to each of its people.
      outcomes: kind -> [P] events of that kind on shown items.
      split: of the people, those who were shown a list since the weights are what they are: they alone can
        be held against these weights.
    """

    exposures: np.ndarray
    outcomes: Mapping[str, np.ndarray]
    split: int


def read(connection: sa.Connection, asked: Experiment) -> dict[str, Counts]:
    """Counts by variant; a person who was in two of them is counted in both."""
    experiment = asked.id
    since = 0 if asked.weighed is None else asked.weighed + SETTLED_S
    shown, done = tables.exposures.c, tables.outcomes.c
    exposed: dict[str, dict[int, int]] = {}
    query = (
        sa.select(shown.variant, shown.person, sa.func.count(), sa.func.max(shown.time))
        .where(shown.experiment == experiment)
        .group_by(shown.variant, shown.person)
    )
    split: collections.Counter[str] = collections.Counter()
    for variant, person, count, last in connection.execute(query):
        exposed.setdefault(variant, {})[person] = count
        split[variant] += last >= since
    places = {
        variant: {person: at for at, person in enumerate(people)} for variant, people in exposed.items()
    }
    outcomes: dict[str, dict[str, np.ndarray]] = {variant: {} for variant in exposed}
    query = (
        sa.select(done.variant, done.person, done.kind, sa.func.count())
        .where(done.experiment == experiment)
        .group_by(done.variant, done.person, done.kind)
    )
    for variant, person, kind, count in connection.execute(query):
        at = places.get(variant, {}).get(person)
        if at is not None:
            kinds = outcomes[variant]
            kinds.setdefault(kind, np.zeros(len(exposed[variant])))[at] = count
    return {
        variant: Counts(np.asarray(list(people.values()), float), outcomes[variant], split[variant])
        for variant, people in exposed.items()
    }
