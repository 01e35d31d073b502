"""The page: HTML rendered here, forms and links that work without script, and small modules on top."""

from __future__ import annotations

from fastapi import FastAPI

from serving.app.page import static
from serving.app.page.views import actions, for_you, item_map, items, known_users, model, reports
from serving.app.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Adds the views and their files to the application."""
    static.install(app)
    for view in (for_you, items, item_map, model, actions):
        app.include_router(view.router, include_in_schema=False)
    if settings.known_users:
        app.include_router(known_users.router, include_in_schema=False)
    if settings.reports:
        app.include_router(reports.router, include_in_schema=False)
