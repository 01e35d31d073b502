"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from serving.app import interfaces, page
from serving.app.api import experiments, health, items, people, problems, recommendations
from serving.app.api.keys import KeyRing
from serving.app.edge import headers as edge_headers
from serving.app.edge import traces
from serving.app.edge.limits import RateLimit
from serving.app.edge.middleware import Edge
from serving.app.page.problem_pages import ProblemPages
from serving.app.settings import Settings
from serving.app.store.keys import Keys

_DESCRIPTION = """\
People, what they did, and what they may like next.

Every list says where it comes from (`source`): the model, this person's last list, or the popular one.
Errors are `application/problem+json` (RFC 9457). Keys go into `Authorization: Bearer KEY`.
"""

# Routes are tried in this order.
_ROUTERS = [module.router for module in (recommendations, people, items, experiments, health)]


def create_app(settings: Settings) -> FastAPI:
    """The application; it connects when it starts, and disconnects when it ends."""
    limit = RateLimit(settings.rate_limit, "key")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with interfaces.opened(settings) as services:
            app.state.services = services
            app.state.keys = KeyRing(Keys(services.database), settings.keys == "required", limit)
            yield

    app = FastAPI(
        title="Marquee",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        responses=problems.documented(401, 403, 413, 422, 429),
    )
    problems.install(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", edge_headers.REQUEST_ID],
            expose_headers=[edge_headers.REQUEST_ID, "Retry-After"],
        )
    app.add_middleware(Edge, settings=settings)
    # Added last, it is the outermost.
    app.add_middleware(ProblemPages)
    traces.configure(settings.otlp_endpoint)
    for router in _ROUTERS:
        app.include_router(router)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    page.install(app, settings)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document["components"]["schemas"]
        schemas["Problem"] = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schemas["Problem"].pop("$defs")
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        _restore_nulls(document["paths"])
        app.openapi_schema = document
    return app.openapi_schema


def _restore_nulls(paths: dict[str, Any]) -> None:
    """Puts the examples of answers in once more: FastAPI leaves out what is null, and fields may be."""
    routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    for route in routes:
        for status, response in route.responses.items():
            for media_type, content in response.get("content", {}).items():
                if "examples" in content:
                    for method in route.methods or ():
                        described = paths[route.path_format][method.lower()]["responses"][str(status)]
                        described["content"][media_type]["examples"] = content["examples"]
