"""The application's manifests beside the application: its routes, and the metrics that are read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram
from support.cluster.manifests import FOLDER, render

from serving.app.api import experiments, health, items, people, recommendations
from serving.app.edge import metrics
from serving.app.page import static, views
from serving.app.page.views import actions, for_you, item_map, known_users, model, reports
from serving.app.page.views import items as item_views

OUTSIDE = (people, recommendations, items, experiments, for_you, item_views, item_map, model, actions)
INSIDE = (health, known_users, reports)
_SUFFIX = {Counter: "_total", Histogram: "_bucket", Gauge: ""}
# Labels of Prometheus and Kubernetes, not of the application.
_THEIRS = {"namespace", "pod", "job", "le"}


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return render(FOLDER / "app")


def test_what_people_may_ask_is_routed_and_nothing_else(objects: list[dict[str, Any]]) -> None:
    rules = [rule for one in objects if one["kind"] == "Ingress" for rule in one["spec"]["rules"]]
    given = [(one["path"], one["pathType"]) for rule in rules for one in rule["http"]["paths"]]

    def routed(path: str) -> bool:
        return any(
            path == own or (kind == "Prefix" and path.startswith(f"{own.rstrip('/')}/"))
            for own, kind in given
        )

    outside = {route.path for module in OUTSIDE for route in module.router.routes}  # type: ignore[attr-defined]
    inside = {route.path for module in INSIDE for route in module.router.routes}  # type: ignore[attr-defined]
    outside |= {"/v1/openapi.json", f"{static.BASE}/icons.svg"}
    assert len(outside) > 20 and {"/metrics", "/known"} <= inside
    assert {path for path in outside if not routed(path)} == set()
    assert {path for path in inside if routed(path)} == set()
    # A new view has to be put on one side or the other.
    files = {file.stem for file in Path(next(iter(views.__path__))).glob("*.py")} - {"__init__", "common"}
    assert files <= {module.__name__.rpartition(".")[2] for module in (*OUTSIDE, *INSIDE)}


def test_every_metric_and_label_that_is_read_is_there(objects: list[dict[str, Any]]) -> None:
    labels: dict[str, set[str]] = {
        f"{one._name}{_SUFFIX[type(one)]}": set(one._labelnames)
        for one in vars(metrics).values()
        if isinstance(one, tuple(_SUFFIX))
    }
    document = json.loads((FOLDER / "app" / "dashboard.json").read_text())
    shown = [target["expr"] for panel in document["panels"] for target in panel["targets"]]
    rules = [one for one in objects if one["kind"] == "PrometheusRule"]
    read = [rule["expr"] for one in rules for group in one["spec"]["groups"] for rule in group["rules"]]
    seen = set()
    for expression in (*shown, *read):
        series = set(re.findall(r"marquee_\w+", expression))
        assert series <= labels.keys(), expression
        seen |= series
        used = {name for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")}
        used |= set(re.findall(r'(\w+)(?:=~|!=|=)"', expression))
        assert used <= set().union(*(labels[name] for name in series)) | _THEIRS, expression
    assert seen == labels.keys()
