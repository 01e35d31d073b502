"""/health/live, /health/ready for probes, without keys; /metrics for Prometheus."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel

from serving.app.api import examples
from serving.app.api.examples import answers
from serving.app.api.keys import METRICS, allowed
from serving.app.api.problems import documented
from serving.app.edge import metrics
from serving.app.interfaces import Used

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """`model` says whether the model answers at present; without it lists are cached or popular ones."""

    status: Literal["live", "ready"]
    model: Literal["answering", "not answering"] | None = None


@router.get("/health/live", responses=answers(200, examples.LIVE))
async def live() -> Health:
    """The process answers."""
    return Health(status="live")


@router.get("/health/ready", responses=answers(200, examples.READY) | documented(503))
async def ready(used: Used, response: Response) -> Health:
    """The database answers and a version of the model has been seen: requests have an answer."""
    response.headers["Cache-Control"] = "no-store"
    await used.database.check()
    used.versions.current()
    return Health(status="ready", model="answering" if used.model.answering else "not answering")


@router.get(
    "/metrics",
    dependencies=[Security(allowed, scopes=[METRICS])],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": examples.METRICS}}}},
)
async def get_metrics() -> Response:
    """Prometheus's page; with keys on, of a key with the scope metrics."""
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)
