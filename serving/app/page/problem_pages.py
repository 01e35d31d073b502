"""Problems as pages, for who asked for a page: a limit, a wrong address, a bug."""

from __future__ import annotations

import json
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.app.api.problems import MEDIA_TYPE
from serving.app.page.rendering import render

# Of programs, whatever they accept.
_PROGRAMS: Final = ("/v1/", "/metrics", "/health/")
_OF_THE_BODY: Final = (b"content-type", b"content-length")


class ProblemPages:
    """Outside of all that answers with a problem; what is no problem goes through as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"].startswith(_PROGRAMS)
            or "text/html" not in Headers(scope=scope).get("accept", "")
        ):
            await self._app(scope, receive, send)
            return
        problem: Message | None = None
        body = b""

        async def sending(message: Message) -> None:
            nonlocal problem, body
            if message["type"] == "http.response.start":
                if Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE):
                    problem = message
                    return
            elif problem is not None:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await _send_page(scope, problem, json.loads(body), send)
                return
            await send(message)

        await self._app(scope, receive, sending)


async def _send_page(scope: Scope, start: Message, problem: dict[str, str], send: Send) -> None:
    page = render(
        Request(scope),
        "error.html",
        start["status"],
        title=problem["title"],
        # A person has the header in words.
        detail=problem["detail"].partition("; Retry-After")[0],
        wait=Headers(raw=start["headers"]).get("retry-after"),
        again=scope["method"] == "GET",
    )
    headers = [pair for pair in start["headers"] if pair[0].lower() not in _OF_THE_BODY]
    headers += [pair for pair in page.raw_headers if pair[0] in (*_OF_THE_BODY, b"set-cookie")]
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": page.body})
