"""Every overlay renders, is valid for every release, keeps the policies and leads nowhere wrong."""

from __future__ import annotations

import copy
import functools
import re
import shutil
from pathlib import Path

import pytest
import yaml
from support.cluster.manifests import (
    FOLDER,
    REPOSITORY,
    Object,
    found,
    overlays,
    render,
    render_with,
    schema_problems,
    versions,
)
from support.cluster.policies import broken_policies, pods
from support.references import DOCS, broken_references
from support.servers.certificates import Authority

from serving.model_server.api.rest_service import LIVE_PATH
from serving.model_server.process import options

# Those of the canary are for the overlay of that name.
COMPONENTS = sorted(path.name for path in (FOLDER / "components").iterdir() if path.name != "canary")
SERVER = "marquee-model-server"


@functools.cache
def rendered(overlay: str) -> tuple[Object, ...]:
    return tuple(render(FOLDER / overlay))


def test_releases_from_1_30_on_are_checked() -> None:
    assert versions()[0] == "1.30.0"
    assert {"1.31.0", "1.32.0", "1.33.0", "1.34.0"} <= set(versions())


@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_is_valid_and_keeps_the_policies(overlay: str) -> None:
    objects = rendered(overlay)
    assert objects
    assert list(schema_problems(objects)) == []
    assert broken_policies(objects) == []
    assert broken_references(objects) == []


@pytest.mark.parametrize("components", [[name] for name in COMPONENTS] + [COMPONENTS], ids="+".join)
def test_base_with_components_is_valid_and_keeps_the_policies(tmp_path: Path, components: list[str]) -> None:
    objects = render_with(tmp_path, components)
    assert list(schema_problems(objects)) == []
    assert broken_policies(objects) == []
    assert broken_references(objects) == []


def test_production_with_all_that_stands_there_as_a_comment(tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER, tmp_path / "kubernetes")
    file = copy / "overlays" / "production" / "kustomization.yaml"
    file.write_text(re.sub(r"  # (- ../../components/[\w-]+).*", r"  \1", file.read_text()))
    objects = render(file.parent)
    assert list(schema_problems(objects)) == []
    assert broken_policies(objects) == []
    assert broken_references(objects) == []
    kinds = {one["kind"] for one in objects}
    assert "ScaledObject" in kinds
    assert not {"HorizontalPodAutoscaler", "PersistentVolumeClaim"} & kinds


def test_a_canary_differs_from_production_in_track_version_and_name_alone() -> None:
    canary, production = (
        {
            (one["kind"], re.sub(r"-[a-z0-9]{10}$", "", one["metadata"]["name"])): one
            for one in rendered(f"overlays/{name}")
        }
        for name in ("canary", "production")
    )
    tracks = {("Service", f"marquee-{track}") for track in ("stable", "candidate")}
    added = {*tracks, ("Deployment", f"{SERVER}-candidate"), ("ConfigMap", f"{SERVER}-candidate")}
    assert canary.keys() - production.keys() == added
    assert production.keys() <= canary.keys()
    config = ("ConfigMap", SERVER)
    changed = {key for key in production if canary[key] != production[key]}
    assert changed == {("Deployment", SERVER), config}
    flag = "--allow_version_labels_for_unavailable_models=true"
    for key, track in (
        (("Deployment", SERVER), "stable"),
        (("Deployment", f"{SERVER}-candidate"), "candidate"),
    ):
        found = copy.deepcopy(canary[key])
        spec = found["spec"]["template"]["spec"]
        spec["containers"][0]["args"].remove(flag)
        assert spec["volumes"][1]["configMap"]["name"].startswith(key[1])
        text = (
            yaml.safe_dump(found)
            .replace(track, "TRACK")
            .replace(spec["volumes"][1]["configMap"]["name"], "CONFIG")
        )
        wanted = copy.deepcopy(production["Deployment", SERVER])
        wanted["spec"]["template"]["spec"]["volumes"][1]["configMap"]["name"] = "CONFIG"
        if track == "candidate":  # it has no autoscaler
            assert found["spec"].pop("replicas") == 1
            wanted["metadata"]["name"] += "-TRACK"
            text = yaml.safe_dump(found).replace(track, "TRACK")
            text = text.replace(f"{SERVER}-TRACK-{spec['volumes'][1]['configMap']['name'][-10:]}", "CONFIG")
            wanted["spec"]["selector"]["matchLabels"]["track"] = "stable"
        assert yaml.safe_load(text) == yaml.safe_load(yaml.safe_dump(wanted).replace("stable", "TRACK")), key
    for key in (config, ("ConfigMap", f"{SERVER}-candidate")):
        data, wanted = dict(canary[key]["data"]), dict(production[config]["data"])
        assert data.pop("models.config") != wanted.pop("models.config")
        assert data == wanted


def test_a_canary_over_an_object_store_is_whole(tmp_path: Path) -> None:
    kubernetes = shutil.copytree(FOLDER, tmp_path / "kubernetes")
    file = kubernetes / "overlays" / "production" / "kustomization.yaml"
    file.write_text(re.sub(r"  # (- ../../components/[\w-]+).*", r"  \1", file.read_text()))
    objects = render(kubernetes / "overlays" / "canary")
    assert list(schema_problems(objects)) == []
    assert broken_policies(objects) == []
    assert broken_references(objects) == []


def test_base_holds_all_that_is_promised() -> None:
    kinds = sorted(one["kind"] for one in rendered("base"))
    assert kinds == sorted(
        ["ConfigMap"] * 2
        + ["Deployment", "HorizontalPodAutoscaler", "Namespace", "PersistentVolumeClaim"]
        + ["NetworkPolicy"] * 3
        + ["PodDisruptionBudget", "PrometheusRule", "Service", "Service", "ServiceAccount", "ServiceMonitor"]
    )


# --- what the containers are given ----------------------------------------------
@pytest.mark.parametrize(
    "overlay",
    ["base", "overlays/local", "overlays/stock-tensorflow-serving", "overlays/canary", "overlays/production"],
)
def test_the_server_takes_its_flags_and_files(overlay: str, tmp_path: Path) -> None:
    objects = rendered(overlay)
    config_maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    for one, _, spec in pods(objects):
        if one["kind"] != "Deployment":
            continue
        folder = tmp_path / one["metadata"]["name"]
        [config] = [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume]
        folder.mkdir()
        for name, text in config_maps[config].items():
            (folder / name).write_text(text)
        key, certificate, ca = (
            Path(path).read_text().replace("\n", "\\n") for path in (pair.key, pair.certificate, authority.ca)
        )
        (folder / "ssl.config").write_text(
            f'server_key: "{key}" server_cert: "{certificate}" custom_ca: "{ca}" client_verify: true'
        )
        arguments = [
            re.sub(r"/etc/marquee(-tls)?/", f"{folder}/", text) for text in spec["containers"][0]["args"]
        ]
        parsed = options.parse(arguments)
        # That REST stays plain HTTP is what the component for TLS says too.
        assert [warning for warning in parsed.warnings if "REST is plain HTTP" not in warning] == []
        ports = {port["name"]: port["containerPort"] for port in spec["containers"][0]["ports"]}
        assert (parsed.port, parsed.rest_api_port) == (ports["grpc"], ports["rest"])
        mounted = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        names = {model.name for model in parsed.config.model_config_list.config}
        for model in parsed.config.model_config_list.config:
            assert str(Path(model.base_path).parent) in mounted
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = spec["containers"][0][probe]["httpGet"]["path"]
            assert path == LIVE_PATH or path.split("/")[3] in names
        monitor = [one for one in objects if one["kind"] == "ServiceMonitor"]
        assert all(
            endpoint["path"] == parsed.metrics_path
            for one in monitor
            for endpoint in one["spec"]["endpoints"]
        )
        stop = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] >= stop + parsed.shutdown_grace_seconds + 5
        if overlay == "overlays/production":
            assert parsed.tls is not None and parsed.tls.client_verify
        if overlay == "overlays/canary":
            track = spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]["track"]
            labels = {
                label for model in parsed.config.model_config_list.config for label in model.version_labels
            }
            assert labels == {track}


def test_kserve_gives_the_server_flags_that_it_takes() -> None:
    runtime = found(rendered("overlays/kserve"), "ServingRuntime")
    arguments = [text.replace("{{.Name}}", "marquee") for text in runtime["spec"]["containers"][0]["args"]]
    parsed = options.parse(arguments)
    assert parsed.warnings == ()
    [model] = parsed.config.model_config_list.config
    assert (model.name, model.base_path) == ("marquee", "/mnt/models")


def test_the_images_are_those_that_are_built() -> None:
    version = re.search(r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    built = {f"marquee-{path.parent.name}:{version[1]}" for path in FOLDER.glob("images/*/Dockerfile")}
    used = {
        one["image"].rpartition("/")[2]
        for overlay in overlays()
        for _, _, spec in pods(rendered(overlay))
        for one in spec["containers"]
        if "image" in one
    }
    assert {image for image in used if image.startswith("marquee")} == built


# --- the pages ---
def test_the_pages_apply_folders_that_exist_and_all_overlays() -> None:
    page = "\n".join(page.read_text() for page in sorted(DOCS.glob("*.md")))
    applied = set(re.findall(r"kubectl apply -k ([\w/-]+)", page))
    assert {path for path in applied if not (REPOSITORY / path / "kustomization.yaml").is_file()} == set()
    assert {f"kubernetes/{name}" for name in overlays() if name != "base"} <= applied


# --- what must not be in the folder ---------------------------------------------
def test_there_is_no_secret_in_the_folder() -> None:
    for path in sorted(FOLDER.rglob("*")):
        text = path.read_text() if path.is_file() else ""
        assert "PRIVATE KEY" not in text, path
        if path.suffix in (".yaml", ".yml"):
            assert not re.search(r"^kind: Secret$", text, re.MULTILINE), path


def test_the_folder_holds_no_python() -> None:
    assert list(FOLDER.rglob("*.py")) == []
