"""Versions, policies, labels and the reload of the config, on servers started here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from support.models.conformance_models import ADDED, HALF
from support.servers.model_servers import Server, outputs_of, refusal, wait_until
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import model_server_config_pb2

StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of this module look for versions."""
    return tmp_path_factory.mktemp("versions")


def publish(models: Path, base: Path, version: int, of: int | None = None) -> None:
    """Puts a version there whole, as a publisher must."""
    base.mkdir(parents=True, exist_ok=True)
    writing = base / f"writing-{version}"
    shutil.copytree(models / HALF / str(of or version), writing)
    writing.rename(base / str(version))


def config(base: Path, policy: str = "", labels: dict[str, int] | None = None, name: str = "m") -> str:
    found = "".join(
        f'version_labels {{ key: "{key}" value: {value} }} ' for key, value in (labels or {}).items()
    )
    if policy:
        policy = f"model_version_policy {{ {policy} }}"
    return (
        f'model_config_list {{ config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" '
        f"{policy} {found} }} }}"
    )


def reload(server: Server, text: str) -> None:
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text, request.config)
    response = server.models.HandleReloadConfigRequest(request, timeout=120)
    assert response.status.error_code == 0


def test_a_reload_tells_by_how_much_counters_have_grown(server: Server, models: Path, folder: Path) -> None:
    publish(models, folder / "counted", 1)
    loads = "/tensorflow/cc/saved_model/load_attempt_count"
    request = model_management_pb2.ReloadConfigRequest(metric_names=[loads, "/no/such/metric"])
    for name in ("counted", "m"):
        added = request.config.model_config_list.config.add(name=name, base_path=str(folder / name))
        added.model_platform = "tensorflow"
    response = server.models.HandleReloadConfigRequest(request, timeout=120)
    grown = {metric.name: metric.int64_value_increase for metric in response.metric}
    assert grown == {loads: 1, "/no/such/metric": 0}


def served(server: Server, name: str = "m") -> set[int]:
    return {version for version, state in server.states(name).items() if state == "AVAILABLE"}


def wait_served(server: Server, versions: set[int], name: str = "m") -> None:
    wait_until(
        lambda: served(server, name) == versions,
        explain=lambda: f"{server.states(name)}, expected {versions}. {server.output}",
    )


def ask(server: Server, version: int | None = None, label: str | None = None) -> int:
    """The version that answers, by what it answers."""
    response = server.predict("m", {"x": [0.0]}, version=version, label=label)
    (value,) = outputs_of(response)["y"]
    assert ADDED[1 if response.model_spec.version.value % 2 else 2] == value
    return response.model_spec.version.value


@pytest.fixture(scope="module")
def server(start_server: StartServer, models: Path, folder: Path) -> Server:
    """Serves m from a folder that is polled every second."""
    publish(models, folder / "m", 1)
    return start_server("--model_name=m", f"--model_base_path={folder / 'm'}", "--max_num_load_retries=0")


def test_a_new_version_takes_over_and_the_old_one_ends(server: Server, models: Path, folder: Path) -> None:
    assert ask(server) == 1
    publish(models, folder / "m", 2)
    seen = set()
    wait_until(lambda: seen.add(ask(server)) or 2 in seen)  # every question is answered meanwhile
    assert seen <= {1, 2}
    wait_until(lambda: server.states("m").get(1) == "END")
    code, text = refusal(lambda: ask(server, version=1))
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(m, 1)")


def test_a_version_that_does_not_load_is_reported_and_the_old_one_goes_on(
    server: Server, folder: Path
) -> None:
    broken = folder / "m" / "3"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"\xff no model")
    wait_until(lambda: server.states("m").get(3) == "END")
    found = server.http("GET", "/v1/models/m/versions/3").json["model_version_status"][0]["status"]
    assert found["error_code"] not in ("OK", "")
    assert found["error_message"]
    assert ask(server) == 2
    shutil.rmtree(broken)


def test_policies_choose_the_versions(server: Server, models: Path, folder: Path) -> None:
    base = folder / "policies"
    for version in (1, 2, 3, 4):
        publish(models, base, version, 1 if version % 2 else 2)
    for policy, versions in {
        "": {4},
        "latest { num_versions: 2 }": {3, 4},
        "all {}": {1, 2, 3, 4},
        "specific { versions: 1 versions: 3 }": {1, 3},
    }.items():
        reload(server, config(base, policy))
        wait_served(server, versions)
        assert ask(server) == max(versions)


def test_labels_point_to_available_versions(server: Server, models: Path, folder: Path) -> None:
    base = folder / "policies"
    reload(server, config(base, "all {}"))
    wait_served(server, {1, 2, 3, 4})
    reload(server, config(base, "all {}", {"stable": 1, "canary": 4}))
    assert (ask(server, label="stable"), ask(server, label="canary")) == (1, 4)
    reload(server, config(base, "all {}", {"stable": 2}))
    assert ask(server, label="stable") == 2
    code, text = refusal(lambda: ask(server, label="canary"))
    assert (code, text) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Unrecognized servable version label: canary",
    )
    code, _ = refusal(lambda: reload(server, config(base, "all {}", {"stable": 9})))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert ask(server, label="stable") == 2


def test_a_reload_replaces_the_whole_config(server: Server, models: Path, folder: Path) -> None:
    reload(server, config(folder / "policies", name="other"))
    wait_served(server, {4}, "other")
    wait_until(lambda: not served(server))
    code, text = refusal(lambda: ask(server))
    assert (code, text) == (grpc.StatusCode.NOT_FOUND, "Servable not found for request: Latest(m)")


def test_a_config_that_is_wrong_is_refused(server: Server, folder: Path) -> None:
    code, _ = refusal(lambda: reload(server, config(Path("relative"))))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    twice = model_server_config_pb2.ModelServerConfig()
    for _ in range(2):
        text_format.Merge(config(folder / "policies"), twice)
    code, _ = refusal(lambda: reload(server, text_format.MessageToString(twice)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_the_config_file_is_polled(start_server: StartServer, models: Path, folder: Path) -> None:
    for version in (1, 2):
        publish(models, folder / "polled", version)
    file = folder / "models.config"
    file.write_text(config(folder / "polled"))
    server = start_server(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1")
    wait_served(server, {2})
    # Put in place whole: a server must not read half a file.
    writing = folder / "writing.config"
    writing.write_text(config(folder / "polled", "specific { versions: 1 }"))
    writing.rename(file)
    wait_served(server, {1})
    assert ask(server) == 1


def test_a_new_label_may_point_to_a_version_that_is_not_loaded(
    start_server: StartServer, models: Path, folder: Path
) -> None:
    server = start_server(
        "--model_name=m",
        f"--model_base_path={folder / 'm'}",
        "--allow_version_labels_for_unavailable_models=true",
    )
    reload(server, config(folder / "m", labels={"next": 5}))
    refusal(lambda: ask(server, label="next"))
    publish(models, folder / "m", 5, 1)
    wait_until(lambda: 5 in served(server))
    assert ask(server, label="next") == 5
