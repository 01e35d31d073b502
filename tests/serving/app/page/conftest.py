"""The page over the session's pushed model, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from support.browser import browser
from support.servers.model_servers import Server
from support.servers.page import page_server

# Playwright's default is made for quiet machines.
_PATIENCE_MS = 60_000


@pytest.fixture(scope="session")
def address(model_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_server(model_server, tmp_path_factory.mktemp("page")) as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not for the session: while Playwright is up, nothing else in this process can run an event loop."""
    with browser() as started:
        yield started


@pytest.fixture
def context(chromium: Browser, address: str) -> Iterator[BrowserContext]:
    """Somebody new."""
    made = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    made.set_default_timeout(_PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of somebody new; errors in it, and what the content security policy refused, fail the test."""
    made = context.new_page()
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield made
    assert not [text for text in wrong if "status of 4" not in text and "status of 5" not in text], wrong
