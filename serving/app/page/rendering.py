"""Templates, and what all of them may use."""

from __future__ import annotations

import datetime
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
import structlog
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from markupsafe import Markup, escape
from sqlalchemy.exc import SQLAlchemyError

import contract
from contract.nouns import plural
from serving.app.errors import AppError, NotReadyError
from serving.app.interfaces import services
from serving.app.link.snapshot import Snapshot
from serving.app.page import progress, static, visitor
from serving.app.page.covers import cover
from serving.app.page.words import sentence, spoken
from serving.app.results import Item

_log = structlog.get_logger(__name__)
_RETRY_S: Final = "2"
# Letters of a value that is kept on one line; a longer one may be wider than a card.
_SHORT: Final = 14

environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A view.

    Args:
      template: its file.
      values: what it reads beyond what all have.
    """
    used = services(request)
    note = visitor.read_json(request, visitor.FLASH)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        snapshot = used.versions.current()
        noun = snapshot.item_noun
    except NotReadyError:
        snapshot, noun = None, "item"
    text = environment.get_template(template).render(
        path=path,
        here=request.url.path,
        flash=note if note.get("text") else None,
        noun=noun,
        nouns=plural(noun),
        known_users=used.settings.known_users,
        ready=snapshot is not None,
        scale=snapshot.scale if snapshot else None,
        art=_art(snapshot),
        facts=_facts(snapshot),
        **values,
    )
    response = HTMLResponse(text, status)
    response.headers["Cache-Control"] = "no-store"
    if note:
        response.delete_cookie(visitor.FLASH, httponly=True, samesite="lax")
    return response


class PageRoute(APIRoute):
    """A route whose errors are a page that says what happened and what still works."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except NotReadyError as error:
                return waiting(request, error)
            except AppError as error:
                return render(request, "error.html", error.status, title=error.title, detail=error.detail)
            except RequestValidationError as error:
                detail = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
                return render(request, "error.html", 422, title="Invalid request", detail=detail)
            except SQLAlchemyError as error:
                _log.error("database_failed", error=f"{type(error).__name__}: {error}".partition("\n")[0])
                detail = "The database does not answer, so nothing can be stored or read just now."
                return render(request, "error.html", 503, title="Not ready", detail=detail)

        return handled


def waiting(request: Request, error: NotReadyError) -> HTMLResponse:
    """The page while there is no model yet: the steps of the run that makes one, as they finish."""
    steps = progress.read(services(request).settings.progress_file)
    response = render(request, "waiting.html", 503, detail=error.detail, steps=steps)
    response.headers["Retry-After"] = _RETRY_S
    return response


def _art(snapshot: Snapshot | None) -> Callable[[Item], Any]:
    """The cover of an item."""
    taste = snapshot.taste_column if snapshot else None

    def drawn(item: Item) -> Any:
        return cover(item.id, spoken(item.title), values(item, taste), _note(item))

    return drawn


def _facts(snapshot: Snapshot | None) -> Callable[[Item], Markup]:
    """A line about an item: year and values, as many as are short."""
    named = [
        column.name
        for column in (snapshot.catalogue.columns if snapshot else ())
        if column.kind in ("categorical", "multi") and column.name != contract.TAGS
    ]
    taste = snapshot.taste_column if snapshot else None
    named.sort(key=lambda name: name != taste)

    def line(item: Item) -> Markup:
        parts = [Markup(", ").join(map(_unbroken, values(item, name)[:3])) for name in named]
        year = [escape(item.year)] if item.year else []
        return Markup(" · ").join(year + [part for part in parts if part][:2])

    return line


def _unbroken(value: str) -> Markup:
    """A short value on one line: "Sci-Fi" is no word to part."""
    return (
        Markup('<span class="whole-word">{}</span>').format(value) if len(value) <= _SHORT else escape(value)
    )


def values(item: Item, column: str | None) -> tuple[str, ...]:
    """An item's values in a column; none for a column that it lacks."""
    cell = item.columns.get(column) if column else None
    return tuple(map(str, cell)) if isinstance(cell, list) else () if cell in (None, "") else (str(cell),)


def _note(item: Item) -> str:
    if item.year:
        return str(item.year)
    return next((cell for cell in item.columns.values() if isinstance(cell, str) and len(cell) < 24), "")


def _number(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.{digits}f}" if abs(value) >= 0.1 else f"{value:.{digits + 1}f}"


def _day(text: str | None) -> str:
    """An ISO time as people write it."""
    if not text:
        return "unknown"
    moment = datetime.datetime.fromisoformat(text)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _steps(low: float, high: float, step: float) -> Sequence[float]:
    return [low + step * at for at in range(round((high - low) / step) + 1)]


environment.globals.update(static=static.BASE, steps=_steps)
environment.filters.update(
    number=_number,
    day=_day,
    sentence=sentence,
    spoken=spoken,
    quote=lambda text: urllib.parse.quote(text, safe=""),
)
