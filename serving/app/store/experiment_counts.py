"""What an experiment has seen, by variant and person."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import sqlalchemy as sa

from serving.app.store import tables


@dataclasses.dataclass(frozen=True)
class Counts:
    """One variant.

    Attributes:
      exposures: [P] lists shown to each of its people.
      outcomes: kind -> [P] events of that kind on shown items.
    """

    exposures: np.ndarray
    outcomes: Mapping[str, np.ndarray]


def read(connection: sa.Connection, experiment: str) -> dict[str, Counts]:
    """Counts by variant; a person who was in two of them is counted in both."""
    shown, done = tables.exposures.c, tables.outcomes.c
    exposed: dict[str, dict[int, int]] = {}
    query = (
        sa.select(shown.variant, shown.person, sa.func.count())
        .where(shown.experiment == experiment)
        .group_by(shown.variant, shown.person)
    )
    for variant, person, count in connection.execute(query):
        exposed.setdefault(variant, {})[person] = count
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
        variant: Counts(np.asarray(list(people.values()), float), outcomes[variant])
        for variant, people in exposed.items()
    }
