"""The alerts, by promtool: rules that parse, and fire when and only when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cluster.manifests import FOLDER, REPOSITORY, render

from serving.model_server.observe.metrics import LATENCY_BUCKETS

HERE = Path(__file__).parent / "alerts"


def promtool(*arguments: str, cwd: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("NOT CHECKED: promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def groups() -> Any:
    rules = [
        one for name in ("base", "app") for one in render(FOLDER / name) if one["kind"] == "PrometheusRule"
    ]
    return [group for rule in rules for group in rule["spec"]["groups"]]


@pytest.fixture
def folder(groups: Any, tmp_path: Path) -> Path:
    """The rules as Prometheus reads them, beside promtool's test files."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    for path in HERE.glob("*_test.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_promtool_takes_the_rules(folder: Path) -> None:
    promtool("check", "rules", "--lint-fatal", "rules.yaml", cwd=folder)


@pytest.mark.parametrize("overlay", ["base", "overlays/stock-tensorflow-serving", "app"])
def test_promtool_takes_the_rules_of_an_overlay(overlay: str, tmp_path: Path) -> None:
    [rule] = [one for one in render(FOLDER / overlay) if one["kind"] == "PrometheusRule"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    promtool("check", "rules", "--lint-fatal", "rules.yaml", cwd=tmp_path)
    if overlay != "base":
        # Only our server exports these.
        assert "marquee:serving:" not in json.dumps(rule["spec"])


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*_test.yaml")))
def test_the_alerts_fire_when_they_should(folder: Path, name: str) -> None:
    promtool("test", "rules", name, cwd=folder)


def test_the_rules_look_no_further_back_than_any_prometheus_keeps(groups: Any) -> None:
    """One day is what the operator of Prometheus keeps by default. Six hours, the page says."""
    texts = [str(rule["expr"]) for group in groups for rule in group["rules"]]
    spans = [span for text in texts for span in re.findall(r"(?:\[|offset\s+)(\w+)", text)]
    spans += [rule["for"] for group in groups for rule in group["rules"] if "for" in rule]
    assert set(spans) & {"6h"} and len(spans) > 30
    units = {"s": 1, "m": 60, "h": 3600}  # a day, a week, a year: none
    assert max(int(span[:-1]) * units[span[-1]] for span in spans) == 6 * 3600


def test_every_alert_is_tested_firing_and_explained(groups: Any) -> None:
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    fired = {
        case["alertname"]
        for path in HERE.glob("*_test.yaml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        if case["exp_alerts"]
    }
    assert fired == alerts
    page = (REPOSITORY / "docs" / "how-to" / "cluster" / "answer-an-alert.md").read_text()
    assert {alert for alert in alerts if f"`{alert}`" not in page} == set()


def test_the_bounds_of_latency_are_buckets_of_the_server(groups: Any) -> None:
    bounds = {f"{bound:g}" for bound in LATENCY_BUCKETS}
    used = set(re.findall(r'le="([^"]+)"', json.dumps(groups).replace('\\"', '"')))
    assert used
    assert used <= bounds


def test_the_queue_that_fills_is_half_of_what_may_wait(groups: Any) -> None:
    [deployment] = [one for one in render(FOLDER / "base") if one["kind"] == "Deployment"]
    text = " ".join(deployment["spec"]["template"]["spec"]["containers"][0]["args"])
    [expression] = [
        rule["expr"]
        for group in groups
        for rule in group["rules"]
        if rule.get("alert") == "MarqueeQueueFilling"
    ]
    bound = re.search(r"--max_queued_requests=(\d+)", text)
    assert bound and expression.endswith(f"> {int(bound[1]) // 2}")
