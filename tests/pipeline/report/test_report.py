"""The report of a real run: every section has content, and nothing in it is fetched."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from support.workspace import Workspace

from pipeline.report import page

SECTIONS = ("gates", "metrics", "slices", "training", "data", "health", "cold-start", "similar", "examples",
            "map", "steps", "lineage")  # fmt: skip


class Page(HTMLParser):
    """Text by section, and every value of an attribute that a browser would fetch."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text: dict[str, str] = {}
        self.plots: dict[str, int] = {}
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self._section = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "section":
            self._section = values.get("id") or ""
        self.plots[self._section] = self.plots.get(self._section, 0) + (tag == "svg")
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            if (value := values.get(name)) and not value.startswith("#"):
                self.fetched.append(value)

    def handle_data(self, data: str) -> None:
        self.text[self._section] = self.text.get(self._section, "") + data


@pytest.fixture(scope="module")
def written(pushed_workspace: Workspace) -> tuple[dict[str, Any], str]:
    """The document and the page that the run wrote."""
    run_id = json.loads((pushed_workspace.folder / "run.json").read_text())["run"]
    reports = pushed_workspace.artifacts / "reports"
    return json.loads((reports / f"{run_id}.json").read_text()), (reports / f"{run_id}.html").read_text()


def test_every_section_has_content(written: tuple[dict[str, Any], str]) -> None:
    document, source = written
    found = Page(source)
    assert document["absent"] == {}
    assert set(SECTIONS) <= found.text.keys()
    for words in ("could not be read", "did not get as far"):
        assert words not in source
    for section in ("metrics", "slices", "training", "health", "map", "steps"):
        assert found.plots[section], section
    assert "Pushed: the model passed every gate" in source
    for gate in document["gates"]:
        assert gate["gate"] in found.text["gates"]
    for row in document["metrics"]:
        assert row["metric"] in found.text["metrics"]
    assert len(document["examples"]) == 5 and all(user["list"] for user in document["examples"])
    assert any(row["because"] for user in document["examples"] for row in user["list"])
    for row in document["similar"]:
        assert row["item"] in found.text["similar"]


def test_figures_are_those_of_the_run(written: tuple[dict[str, Any], str]) -> None:
    document, _ = written
    by_metric = {row["metric"]: row for row in document["metrics"]}
    recall = by_metric["recall@10"]
    assert 0 < recall["error"] < recall["value"]
    assert recall["popularity"] is not None
    assert recall["recent"] is not None
    recent = next(gate for gate in document["gates"] if gate["gate"] == "recent popularity")
    assert recent["low"] < by_metric["recall_minus_recent_popularity@10"]["value"] < recent["high"]
    floor = next(gate for gate in document["gates"] if gate["gate"] == "recall@10 floor")
    assert floor["high"] - floor["low"] == pytest.approx(2 * recall["error"])
    health = document["health"]
    assert sum(row["recommended"] for row in health["deciles"]) == pytest.approx(1.0)
    assert sum(row["events"] for row in health["deciles"]) == pytest.approx(1.0)
    assert len(health["scores"]) == 10 * health["users"]
    assert all(row["memory"] > 100 for row in document["steps"])
    statistics = {(row["table"], row["split"]) for row in document["data"]["statistics"]}
    assert {("timelines", "train"), ("timelines", "test"), ("items", "train")} <= statistics
    assert len(document["lineage"]["data"]) == 64
    ran = [row for row in document["lineage"]["steps"] if row["artifacts"]]
    assert all(row["code"] for row in ran)
    assert document["training"]["fits"]["trainer"]["curves"]["eval/recall@10"]


def test_nothing_is_fetched(written: tuple[dict[str, Any], str]) -> None:
    _, source = written
    found = Page(source)
    assert found.fetched == []
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert not re.search(r"url\((?!#)|@import", source)
    assert "default-src 'none'" in source


def test_what_the_data_say_is_text(written: tuple[dict[str, Any], str]) -> None:
    document, _ = written
    evil = '<script>alert("x")</script>'
    changed = json.loads(json.dumps(document))
    changed["similar"][0]["item"] = changed["map"][0]["item"] = changed["map"][0]["group"] = evil
    changed["examples"][0]["user"] = evil
    found = page.report(changed)
    assert "<script" not in found and "&lt;script&gt;" in found


def test_a_run_that_ended_early(written: tuple[dict[str, Any], str]) -> None:
    kept = ("run", "name", "started", "seconds", "error", "pushed", "steps", "lineage", "report_seconds")
    document, _ = written
    short = {name: document[name] for name in kept}
    short |= {"state": "failed", "error": "trainer failed: no <events>", "gates": [],
              "absent": {"data": "FileNotFoundError: gone"}}  # fmt: skip
    source = page.report(short)
    assert "Failed: no model was made" in source and "no &lt;events&gt;" in source
    assert "could not be read: FileNotFoundError: gone" in source
    assert "did not get as far" in source


def test_two_runs_side_by_side(written: tuple[dict[str, Any], str]) -> None:
    document, _ = written
    other = json.loads(json.dumps(document)) | {"run": "other", "state": "refused"}
    other["lineage"]["config"]["trainer"]["epochs"] = 9
    other["metrics"][0]["value"] += 0.25
    source = page.comparison(document, other)
    found = Page(source)
    assert "They read the same data" in source and "+0.2500" in source
    assert "trainer.epochs" in source and "model.embedding_dim" not in source
    assert found.fetched == []


def test_the_command_prints_the_newest(pushed_workspace: Workspace) -> None:
    from support.workspace import marquee, settings

    done = marquee("report", "--print", *settings(), cwd=pushed_workspace.folder)
    assert done.code == 0, done.err
    assert done.out.strip().endswith(".html")
    unknown = marquee("report", "1999", *settings(), cwd=pushed_workspace.folder)
    assert unknown.code == 2 and "no run 1999" in unknown.err and "lists them" in unknown.err
