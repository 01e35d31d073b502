"""The pages of a report in a browser: readable by anybody, at any width, with nothing fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser
from support.browser import browser, check_file
from support.workspace import Workspace

from pipeline.drift import written
from pipeline.drift.checks import Finding
from pipeline.report import page

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(pushed_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report that a run wrote, it beside another, and a report of drift."""
    run_id = json.loads((pushed_workspace.folder / "run.json").read_text())["run"]
    reports = pushed_workspace.artifacts / "reports"
    document = json.loads((reports / f"{run_id}.json").read_text())
    other = json.loads(json.dumps(document)) | {"run": "other", "state": "refused"}
    findings = [
        Finding("popularity", 0.31, 0.2, True, "31 % of the newer events are on other items than before"),
        Finding("units of price", 1.02, 3.0, False, "the median is 1.02 times what it was"),
        Finding("recall since", None, 0.5, False, "3 users have newer events, 100 are needed"),
    ]
    drift = written.document(
        findings, version=17, data="data", checked="2026-01-31T00:00:00+00:00", events=90_000, newer=1_200
    )
    folder = tmp_path_factory.mktemp("pages")
    (folder / "compare.html").write_text(page.comparison(document, other))
    (folder / "drift.html").write_text(page.drift(drift))
    return {
        "report": reports / f"{run_id}.html",
        "compare": folder / "compare.html",
        "drift": folder / "drift.html",
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("light", 1440), ("dark", 1440)])
@pytest.mark.parametrize("name", ["report", "compare", "drift"])
def test_a_page_is_for_everybody_and_fetches_nothing(
    chromium: Browser, pages: dict[str, Path], name: str, scheme: Literal["light", "dark"], width: int
) -> None:
    check_file(chromium, pages[name], scheme, width)


def test_a_report_can_be_printed(chromium: Browser, pages: dict[str, Path]) -> None:
    context = chromium.new_context()
    shown = context.new_page()
    shown.goto(pages["report"].as_uri())
    printed = shown.pdf(format="A4")
    context.close()
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 3
