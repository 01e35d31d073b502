"""Experiments, who was shown what, and what they did with it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from serving.app.errors import ConflictError, NotFoundError
from serving.app.results import Experiment, NewExperiment, Recommendations, Variant
from serving.app.store import people, tables
from serving.app.store.database import Database

# An event is the outcome of an exposure where one of this many newest lists of the person held the item.
_LISTS = 20


class ExperimentStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, new: NewExperiment) -> Experiment:
        """Raises ConflictError where there is one of that id, or another is running."""
        experiment = Experiment(**new.model_dump(), started=int(time.time()), stopped=None)
        running = sa.select(tables.experiments.c.id).where(tables.experiments.c.stopped.is_(None))
        try:
            async with self._database.writing() as connection:
                other = await connection.scalar(running)
                if other is not None:
                    raise ConflictError("id", f'experiment "{other}" is running; stop it first')
                await connection.execute(
                    sa.insert(tables.experiments).values(
                        id=experiment.id,
                        started=experiment.started,
                        variants=json.dumps([variant.model_dump() for variant in experiment.variants]),
                    )
                )
        except sa.exc.IntegrityError:
            raise ConflictError("id", f'there has been an experiment "{new.id}"; take another id') from None
        return experiment

    async def reweigh(self, id_: str, weights: Mapping[str, float]) -> Experiment:
        """Gives variants other weights: people near the borders change sides, and are counted on both.

        Raises:
          NotFoundError: there is no such experiment or variant.
          ConflictError: it has ended; other weights would hide how its people were split.
        """
        now = int(time.time())
        async with self._database.writing() as connection:
            experiment = _found(id_, (await connection.execute(_of(id_).with_for_update())).one_or_none())
            if experiment.stopped is not None:
                raise ConflictError("id", f'experiment "{id_}" has ended; its weights stay as they were')
            if missing := sorted(set(weights) - {variant.name for variant in experiment.variants}):
                raise NotFoundError(f'experiment "{id_}" has no variant {", ".join(missing)}')
            variants = [
                variant.model_copy(update={"weight": weights.get(variant.name, variant.weight)})
                for variant in experiment.variants
            ]
            if variants == experiment.variants:
                return experiment
            text = json.dumps([variant.model_dump() for variant in variants])
            await connection.execute(
                sa.update(tables.experiments)
                .where(tables.experiments.c.id == id_)
                .values(variants=text, weighed=now)
            )
        return experiment.model_copy(update={"variants": variants, "weighed": now})

    async def stop(self, id_: str) -> Experiment:
        """Ends an experiment; one that has ended stays as it is."""
        async with self._database.writing() as connection:
            await connection.execute(
                sa.update(tables.experiments)
                .where(tables.experiments.c.id == id_, tables.experiments.c.stopped.is_(None))
                .values(stopped=int(time.time()))
            )
        return await self.get(id_)

    async def get(self, id_: str) -> Experiment:
        """Raises NotFoundError."""
        async with self._database.reading() as connection:
            row = (await connection.execute(_of(id_))).one_or_none()
        return _found(id_, row)

    async def all(self) -> list[Experiment]:
        """Newest first."""
        async with self._database.reading() as connection:
            return await connection.run_sync(read_all)

    async def running(self) -> Experiment | None:
        return next((found for found in await self.all() if found.stopped is None), None)

    async def expose(self, experiment: str, variant: str, person: str, answer: Recommendations) -> None:
        """Stores that a person was shown a list; nothing for one who was erased meanwhile."""
        row = {
            "experiment": experiment,
            "variant": variant,
            "time": int(time.time()),
            "version": answer.version,
            "source": answer.source,
            "items": json.dumps([item.id for item in answer.items]),
        }
        async with self._database.writing() as connection:
            try:
                row["person"] = await people.number_of(connection, person)
            except NotFoundError:
                return
            await connection.execute(sa.insert(tables.exposures), [row])


async def insert_outcomes(
    connection: AsyncConnection, experiment: str, person: int, events: Sequence[Mapping[str, Any]]
) -> None:
    """Stores which events are on items that the experiment showed to the person."""
    shown = tables.exposures.c
    query = (
        sa.select(shown.variant, shown["items"])
        .where(shown.person == person, shown.experiment == experiment)
        .order_by(shown.number.desc())
        .limit(_LISTS)
    )
    variants: dict[str, str] = {}
    for variant, items in await connection.execute(query):
        for item in json.loads(items):
            variants.setdefault(item, variant)
    rows = [
        {
            "experiment": experiment,
            "variant": variants[event["item_id"]],
            "person": person,
            "event_id": event["id"],
            "kind": event["kind"],
            "time": event["time"],
        }
        for event in events
        if event["item_id"] in variants
    ]
    if rows:
        await connection.execute(sa.insert(tables.outcomes), rows)


def _of(id_: str) -> sa.Select[Any]:
    return sa.select(tables.experiments).where(tables.experiments.c.id == id_)


def _found(id_: str, row: Any) -> Experiment:
    if row is None:
        raise NotFoundError(f'there is no experiment "{id_}"')
    return _experiment(row)


def read_all(connection: sa.Connection) -> list[Experiment]:
    """Newest first."""
    query = sa.select(tables.experiments).order_by(tables.experiments.c.started.desc())
    return [_experiment(row) for row in connection.execute(query)]


def _experiment(row: Any) -> Experiment:
    return Experiment(
        id=row.id,
        started=row.started,
        stopped=row.stopped,
        weighed=row.weighed,
        variants=[Variant(**variant) for variant in json.loads(row.variants)],
    )
