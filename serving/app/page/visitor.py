"""Who looks at the page: a random id in a cookie, and what they have said of items."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import Request, Response

from serving.app.errors import BadRequestError, ForbiddenError
from serving.app.results import Event, Scale

# Whoever knows the id is that person, as with a session: it is long, random and in no log.
PERSON: Final = "marquee_person"
_MADE_HERE: Final = re.compile(r"web-[A-Za-z0-9_-]{24}", re.ASCII)
WISHES: Final = "marquee_wishes"
FLASH: Final = "marquee_flash"
_YEAR_S: Final = 365 * 24 * 3600
_FLASH_S: Final = 30
_LARGEST_COOKIE: Final = 3500
_MOST_FIELDS: Final = 300


@dataclasses.dataclass(frozen=True)
class Mark:
    """A person's last word on an item.

    Attributes:
      item_id, title: the item's.
      kind: of the event.
      value: of a rating.
    """

    item_id: str
    title: str
    kind: str
    value: float | None = None

    @property
    def action(self) -> str:
        """What a form sends to say this again."""
        return f"rating:{self.value:g}" if self.kind == "rating" and self.value is not None else self.kind


def marks(events: Iterable[Event]) -> dict[str, Mark]:
    """By item, oldest first; a view says nothing against an earlier word."""
    found: dict[str, Mark] = {}
    for event in events:
        if event.kind == "view" and event.item_id in found:
            continue
        found.pop(event.item_id, None)
        found[event.item_id] = Mark(event.item_id, event.title or event.item_id, event.kind, event.value)
    return found


def positive(mark: Mark, scale: Scale | None) -> bool:
    """Whether the mark says that the item was liked, as far as the page draws it."""
    if mark.kind == "rating":
        return scale is not None and mark.value is not None and mark.value >= 0.5 * (scale.low + scale.high)
    return mark.kind not in ("hide", "dislike", "view")


def new_person() -> str:
    return f"web-{secrets.token_urlsafe(18)}"


def person(request: Request) -> str | None:
    """Whom the cookie names, who may be gone; None where it holds no id that this page made.

    People of the API have ids that a shop chose, which others can guess: none of them is a visitor.
    """
    given = request.cookies.get(PERSON, "")
    return given if _MADE_HERE.fullmatch(given) else None


def remember(request: Request, response: Response, name: str, value: str, seconds: int = _YEAR_S) -> None:
    """Sets a cookie that scripts cannot read and other sites cannot send with a form."""
    response.set_cookie(
        name, value, max_age=seconds, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def read_json(request: Request, name: str) -> dict[str, Any]:
    """A cookie that this page wrote; {} where there is none, or one that somebody else wrote."""
    try:
        value = json.loads(urllib.parse.unquote(request.cookies.get(name, "")))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def write_json(
    request: Request, response: Response, name: str, value: Mapping[str, Any], seconds: int = _YEAR_S
) -> None:
    text = urllib.parse.quote(json.dumps(value, separators=(",", ":")))
    if len(text) <= _LARGEST_COOKIE:
        remember(request, response, name, text, seconds)


def flash(request: Request, response: Response, text: str, undo: Mapping[str, str] | None = None) -> None:
    """A sentence for the next page, with what takes it back."""
    write_json(request, response, FLASH, {"text": text, "undo": undo}, _FLASH_S)


def check_origin(request: Request) -> None:
    """A form of another site may not act for the person.

    Raises:
      ForbiddenError: the browser says that the request comes from elsewhere.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    host = urllib.parse.urlsplit(origin).netloc if origin else None
    if site not in ("same-origin", "none") or (host is not None and host != request.headers.get("host")):
        raise ForbiddenError(f"the request comes from another site ({origin or site}); open this page itself")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form of this page. They are URL-encoded: nothing here sends files.

    Raises:
      BadRequestError: the body is something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/x-www-form-urlencoded":
        raise BadRequestError("body", f'expected a form, application/x-www-form-urlencoded, got "{kind}"')
    try:
        pairs = urllib.parse.parse_qsl((await request.body()).decode(), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise BadRequestError("body", f"the form cannot be read: {error}") from error
    return dict(pairs)


def back(path: str) -> str:
    """A path of this page to return to; the first page for anything else."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if fine else "/"
