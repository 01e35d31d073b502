"""Debian's Chromium, driven by Playwright, and axe's accessibility rules in its pages.

Playwright's own browsers are not used: `playwright install` needs a host of its own, Debian's
package comes with the system (requirements/chromium.sh).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

MISSING = (
    "Chromium is missing, so the page is NOT tested in a browser: "
    "`apt-get install chromium` as root, then run these tests again"
)
# Headless, with nothing sent anywhere; as root in a container there is no sandbox.
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# Axe's rules for WCAG 2.2 A and AA, and its best practices.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def executable() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile; skips the test, loudly, where there is none."""
    path = executable()
    if path is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield started
        finally:
            started.close()


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now: rule, and where."""
    found = Axe().run(page, options=_RULES).response["violations"]
    return [f"{one['id']}: {one['help']}; {[node['target'] for node in one['nodes'][:4]]}" for one in found]


def check_file(chromium: Browser, file: Path, scheme: Literal["light", "dark"], width: int) -> list[str]:
    """Opens a page from the file system with all that is folded away unfolded, and holds it to what all must.

    Nothing wrong by axe, no wider than the window, no request but the file's own, nothing on the console.

    Returns:
      The texts of its sections.
    """
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    shown = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("console", lambda message: said.append(message.text))
    shown.goto(file.as_uri())
    for details in shown.locator("details").all():
        details.evaluate("closed => { closed.open = true }")
    assert violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert (asked, said) == ([file.as_uri()], [])
    texts = shown.locator("section").all_inner_texts()
    context.close()
    return texts
