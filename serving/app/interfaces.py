"""What the page builds on: one `Services` object, opened for the life of the process.

Routes get it by `services(request)`. Every method is typed; results are the frozen models of
`serving/app/results.py`; errors are those of `serving/app/errors.py`, which an unhandled one of becomes
problem+json, so a page's route catches what it shows in words.

  services.people           create, get, get_or_create, erase; add, history, events, event, correct, delete
  services.recommendations  for_person(person, Wishes), for_history(events, Wishes)
  services.items            search(query, Wishes, limit, cursor), get, similar, popular, new
  services.model            describe(), answering
  services.experiments      running, begin, reweigh, end

Search, details, popular and new lists come from memory and are not awaited; whatever asks the model
server or the database is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from serving.app.link import files
from serving.app.link.calls import Calls
from serving.app.link.versions import Versions
from serving.app.services.experiments import Experiments
from serving.app.services.items import ItemService
from serving.app.services.known_users import KnownUserService
from serving.app.services.model import ModelService
from serving.app.services.people import PeopleService
from serving.app.services.recommendations import RecommendationService
from serving.app.settings import Settings
from serving.app.store.database import Database
from serving.app.store.events import Events
from serving.app.store.experiments import ExperimentStore
from serving.app.store.people import People
from serving.client import AsyncClient, Retry


@dataclasses.dataclass(frozen=True)
class Services:
    """Everything that can be asked.

    Attributes:
      settings: of this process.
      versions: which versions of the model answer, with their catalogues.
      database: of people and events.
    """

    settings: Settings
    people: PeopleService
    recommendations: RecommendationService
    items: ItemService
    known_users: KnownUserService
    model: ModelService
    experiments: Experiments
    versions: Versions
    database: Database


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """Services on the configured model server and database; both are closed at the end."""
    timeout_s = settings.timeout_ms / 1000
    database = Database(settings.database.get_secret_value(), settings.pool_size)
    client = AsyncClient(
        settings.model_server,
        model=settings.model,
        timeout_s=timeout_s,
        # A second attempt meets a channel that was closed while it was idle; more is the breaker's business.
        retry=Retry(attempts=2, first_delay_s=0.02),
    )
    source = files.open_files(settings.model_files)
    calls, versions = Calls(client), Versions(client, source, settings.label, settings.poll_s)
    events = Events(database)
    experiments = Experiments(ExperimentStore(database), versions, settings.experiment)
    recommendations = RecommendationService(calls, versions, events, experiments, timeout_s)
    services = Services(
        settings=settings,
        people=PeopleService(People(database), events, versions, experiments, recommendations),
        recommendations=recommendations,
        items=ItemService(calls, versions, timeout_s),
        known_users=KnownUserService(calls, versions, recommendations, timeout_s),
        model=ModelService(calls, versions),
        experiments=experiments,
        versions=versions,
        database=database,
    )
    try:
        await experiments.start()
        await versions.start()
        yield services
    finally:
        await versions.stop()
        await experiments.stop()
        await client.close()
        await source.close()
        await database.close()


def services(request: Request) -> Services:
    """Those of the process that answers."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


async def _injected(request: Request) -> Services:
    """A coroutine: FastAPI hands a plain function to a thread, which costs more than what it returns."""
    return services(request)


Used = Annotated[Services, Depends(_injected)]
