"""A real Prometheus scrapes the real server: what rules, dashboard and autoscaler read is there."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cluster.manifests import FOLDER, render, render_with
from support.servers.model_servers import OUR_COMMAND, Server, start, wait_until

import contract
from benchmarks.harness.ports import free_port
from serving.client import Client, ServingError

pytestmark = pytest.mark.long

# Of nothing that went wrong here there is nothing to see; the metric itself is.
EMPTY = ('status!="OK"', 'status="fail"')
Query = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def server(pushed_workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Both pushed models, with the flags of the Deployment that matter for metrics."""
    folder = tmp_path_factory.mktemp("server")
    models = pushed_workspace.artifacts / "serving_model"
    configs = "".join(
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }} '
        for name in contract.MODELS
    )
    (folder / "models.config").write_text(f"model_config_list {{ {configs} }}")
    shutil.copy(FOLDER / "base" / "server" / "monitoring.config", folder)
    running = start(
        OUR_COMMAND,
        [
            f"--model_config_file={folder}/models.config",
            f"--monitoring_config_file={folder}/monitoring.config",
            "--workers=2",
            "--max_queued_requests=256",
        ],
        folder,
    )
    try:
        yield running
    finally:
        assert running.stop() == 0


@pytest.fixture(scope="module")
def query(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Query]:
    """Asks a Prometheus that scrapes the server as the ServiceMonitor says, under our rules."""
    if shutil.which("prometheus") is None:
        pytest.skip("NOT CHECKED: prometheus is not installed (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    objects = render(FOLDER / "base")
    [rule] = [one for one in objects if one["kind"] == "PrometheusRule"]
    [monitor] = [one for one in objects if one["kind"] == "ServiceMonitor"]
    [endpoint] = monitor["spec"]["endpoints"]
    (folder / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    # What the operator adds: the Service's name, namespace and pod; and our relabeling.
    labels = {"namespace": "marquee", "pod": "a", "track": "stable"}
    job = {
        "job_name": "marquee",
        "metrics_path": endpoint["path"],
        "static_configs": [{"targets": [server.rest], "labels": labels}],
    }
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": [job]}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    log = folder / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yaml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def get(path: str, **parameters: str) -> Any:
        url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def ask(expression: str) -> list[Any]:
        return list(get("query", query=expression)["result"])

    def scraped() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return bool(ask('count_over_time(up{job="marquee"}[1m]) > 5'))
        except OSError:
            return False

    try:
        wait_until(scraped, 60, log.read_text)
        count = ':tensorflow:serving:request_count{model_name="marquee-exact",status="INVALID_ARGUMENT"}'
        # A series begins at what it was when it was first seen: a rate wants requests after that.
        for seen in (count, f"rate({count}[1m]) > 0"):
            send_requests(server)
            wait_until(lambda seen=seen: bool(ask(seen)), 60)
        # Rules are evaluated once a second: they may not have seen the last scrape.
        ratios = 'count({__name__=~"marquee:slow:.*"}) == 8'
        wait_until(lambda: bool(ask(ratios)), 30, lambda: str(ask('{__name__=~"marquee:.*"}')))
        rules = [rule for group in get("rules")["groups"] for rule in group["rules"]]
        assert rules
        assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] == "err"} == {}
        yield ask
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def send_requests(server: Server) -> None:
    """Answers over both protocols, many at once, and a client's error."""
    with Client(server.grpc) as grpc, Client(f"http://{server.rest}") as rest, ThreadPoolExecutor(16) as pool:
        for model in contract.MODELS:
            for client in (grpc, rest):
                list(pool.map(lambda _, c=client, m=model: c.recommend(["1"], k=3, model=m), range(64)))
                with pytest.raises(ServingError):
                    client.recommend(["1"], k=1_000_000, model=model)


def dashboard() -> list[str]:
    text = json.loads((FOLDER / "base" / "monitoring" / "dashboard.json").read_text())
    return [target["expr"] for panel in text["panels"] for target in panel["targets"]]


def metrics_of(expressions: list[str]) -> set[str]:
    """Names of series: ours begin with a colon or a prefix, none is a function of PromQL."""
    found = set()
    for expression in expressions:
        bare = re.sub(r"\{[^}]*\}", "", expression)
        found |= set(re.findall(r"(?::tensorflow|marquee[:_]|process_)[\w:]*", bare))
    return found


def test_every_metric_that_is_read_is_there(query: Query, tmp_path: Path) -> None:
    objects = render_with(tmp_path, ["queue-scaling"])
    [rule] = [one for one in objects if one["kind"] == "PrometheusRule"]
    [scaled] = [one for one in objects if one["kind"] == "ScaledObject"]
    expressions = [rule["expr"] for group in rule["spec"]["groups"] for rule in group["rules"]]
    expressions += [trigger["metadata"].get("query", "") for trigger in scaled["spec"]["triggers"]]
    names = metrics_of([*expressions, *dashboard()])
    assert {"marquee:serving:queue_length", ":tensorflow:serving:request_latency_bucket"} <= names
    # No request has ended in an error of the server, so there is no ratio of them.
    elsewhere = {name for name in names if name.startswith("marquee:errors:")}
    # node_exporter has what `marquee drift` wrote; this server answers without a certificate.
    elsewhere |= {"marquee_drift_exceeded", "marquee_drift_checked_timestamp_seconds"}
    elsewhere |= {"marquee:serving:certificate_expires_seconds"}
    assert elsewhere <= names | {"marquee:errors:ratio_rate5m"}
    missing = {name for name in names - elsewhere if not query(f"{{__name__={json.dumps(name)}}}")}
    assert missing == set()
    [trigger] = [one for one in scaled["spec"]["triggers"] if one["type"] == "prometheus"]
    [sample] = query(trigger["metadata"]["query"])
    assert float(sample["value"][1]) >= 0


def test_every_panel_shows_something(query: Query) -> None:
    ratio = query("marquee:slow:ratio_rate5m")
    assert {one["metric"]["model_name"] for one in ratio} == set(contract.MODELS)
    assert all(0 <= float(one["value"][1]) <= 1 for one in ratio), ratio
    for expression in dashboard():
        filled = expression.replace("$namespace", ".*").replace("$model", ".*")
        found = query(filled)
        assert found or any(x in expression for x in (*EMPTY, "marquee:errors:")), filled


def test_what_is_wrong_with_requests_is_no_error_of_the_server(query: Query) -> None:
    firing = {one["metric"]["alertname"] for one in query('ALERTS{alertstate="firing"}')}
    assert firing == set()
    assert query("sum(marquee:serving:index_size) by (model_name)")
    assert query('group by (version) (marquee:serving:loaded_version{model_name="marquee"})')
