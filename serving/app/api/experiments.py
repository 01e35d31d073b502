"""/v1/experiments: started, weighed and stopped by a key with the scope admin."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Security
from pydantic import Field

from serving.app.api.examples import EXPERIMENT, answers
from serving.app.api.keys import ADMIN, allowed
from serving.app.api.problems import documented
from serving.app.interfaces import Used
from serving.app.results import Experiment, ExperimentId, NewExperiment, Result

router = APIRouter(
    prefix="/v1/experiments", tags=["experiments"], dependencies=[Security(allowed, scopes=[ADMIN])]
)
_EXAMPLE = {
    "id": "towers-2",
    "variants": [{"name": "control", "weight": 9}, {"name": "new", "label": "canary", "weight": 1}],
}


class Weights(Result):
    """New weights by variant; those left out stay."""

    weights: dict[ExperimentId, Annotated[float, Field(gt=0, le=1000)]] = Field(min_length=1, max_length=10)


@router.post("", status_code=201, responses=answers(201, EXPERIMENT) | documented(409))
async def start_experiment(
    used: Used, new: Annotated[NewExperiment, Body(openapi_examples={"canary": {"value": _EXAMPLE}})]
) -> Experiment:
    """Start an experiment; one runs at a time."""
    return await used.experiments.begin(new)


@router.get("", responses=answers(200, [EXPERIMENT]))
async def list_experiments(used: Used) -> list[Experiment]:
    """All experiments, newest first."""
    return await used.experiments.store.all()


@router.put("/{experiment}/weights", responses=answers(200, EXPERIMENT) | documented(404))
async def weigh_experiment(
    used: Used,
    experiment: ExperimentId,
    weights: Annotated[Weights, Body(openapi_examples={"half": {"value": {"weights": {"new": 9}}}})],
) -> Experiment:
    """Give variants other weights; people near a border change sides and are counted on both."""
    return await used.experiments.reweigh(experiment, weights.weights)


@router.post("/{experiment}/stop", responses=answers(200, EXPERIMENT) | documented(404))
async def stop_experiment(used: Used, experiment: ExperimentId) -> Experiment:
    """Stop an experiment; everybody gets the default version within seconds."""
    return await used.experiments.end(experiment)
