"""Errors planted into a manifest that is right, and what finds each."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
from support.cluster.manifests import FOLDER, Object, found, render, schema_problems
from support.cluster.policies import broken_policies
from support.references import broken_references


@functools.cache
def base() -> tuple[Object, ...]:
    return tuple(render(FOLDER / "base"))


def container(objects: Any) -> Any:
    return found(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def bad_field(objects: Any) -> None:
    found(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["imagePullPolicies"] = "Always"


def bad_type(objects: Any) -> None:
    found(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] = [1]


def wrong_api_version(objects: Any) -> None:
    found(objects, "Deployment")["apiVersion"] = "extensions/v1beta1"


def wrong_api_group(objects: Any) -> None:
    found(objects, "Deployment")["apiVersion"] = "apps.example/v1"


def missing_probe(objects: Any) -> None:
    del container(objects)["readinessProbe"]


def no_limits(objects: Any) -> None:
    del container(objects)["resources"]["limits"]


def dangling_config_map(objects: Any) -> None:
    objects.remove(found(objects, "ConfigMap", "marquee-model-server-.*"))


def wrong_port_name(objects: Any) -> None:
    found(objects, "Service", "marquee")["spec"]["ports"][0]["targetPort"] = "grcp"


def selector_mismatch(objects: Any) -> None:
    found(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]["track"] = "other"


def root_user(objects: Any) -> None:
    security = found(objects, "Deployment")["spec"]["template"]["spec"]["securityContext"]
    security.update(runAsUser=0, runAsNonRoot=False)


def latest_tag(objects: Any) -> None:
    container(objects)["image"] = "registry.example:5000/marquee-model-server:latest"


def no_tag(objects: Any) -> None:
    container(objects)["image"] = "registry.example:5000/marquee-model-server"


def writable_root(objects: Any) -> None:
    container(objects)["securityContext"]["readOnlyRootFilesystem"] = False


def capability(objects: Any) -> None:
    container(objects)["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]


def bad_quantity(objects: Any) -> None:
    container(objects)["resources"]["limits"]["memory"] = "4Gib"


def request_above_limit(objects: Any) -> None:
    container(objects)["resources"]["requests"]["cpu"] = "3"


def token(objects: Any) -> None:
    del found(objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"]


def dangling_secret(objects: Any) -> None:
    container(objects)["envFrom"] = [{"secretRef": {"name": "nowhere"}}]


def dangling_claim(objects: Any) -> None:
    objects.remove(found(objects, "PersistentVolumeClaim", "marquee-models"))


def dangling_account(objects: Any) -> None:
    objects.remove(found(objects, "ServiceAccount"))


def mount_without_volume(objects: Any) -> None:
    container(objects)["volumeMounts"].append({"name": "cache", "mountPath": "/cache"})


def wrong_probe_port(objects: Any) -> None:
    container(objects)["livenessProbe"]["httpGet"]["port"] = "http"


def wrong_policy_port(objects: Any) -> None:
    found(objects, "NetworkPolicy", "allow-clients")["spec"]["ingress"][0]["ports"][0]["port"] = "http"


def wrong_monitor_port(objects: Any) -> None:
    found(objects, "ServiceMonitor")["spec"]["endpoints"][0]["port"] = "metrics"


def wrong_monitor_selector(objects: Any) -> None:
    found(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] = (
        "server"
    )


def service_without_pods(objects: Any) -> None:
    found(objects, "Service", "marquee-headless")["spec"]["selector"]["track"] = "candidate"


def budget_without_pods(objects: Any) -> None:
    found(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] = {"app": "marquee"}


def autoscaler_without_target(objects: Any) -> None:
    found(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] = "marquee"


def replicas_beside_the_autoscaler(objects: Any) -> None:
    found(objects, "Deployment")["spec"]["replicas"] = 3


def no_default_deny(objects: Any) -> None:
    objects.remove(found(objects, "NetworkPolicy", "default-deny"))


def bad_rule(objects: Any) -> None:
    found(objects, "PrometheusRule")["spec"]["groups"][0]["rules"][0]["alert"] = "Both"


def clients_of_any_namespace(objects: Any) -> None:
    found(objects, "NetworkPolicy", "allow-clients")["spec"]["ingress"][0]["from"][0][
        "namespaceSelector"
    ] = {}


def no_policy_for_clients(objects: Any) -> None:
    objects.remove(found(objects, "NetworkPolicy", "allow-clients"))


def disk_that_does_not_add_up(objects: Any) -> None:
    volumes = found(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    volumes[2]["emptyDir"] = {"sizeLimit": "20Gi"}


def disk_without_limit(objects: Any) -> None:
    volumes = found(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    volumes[2]["emptyDir"] = {}


def reload_for_all(objects: Any) -> None:
    container(objects)["args"].append("--allow_config_reload")


def any_path(objects: Any) -> None:
    container(objects)["args"].remove("--allowed_paths=/models")


PLANTED: dict[Callable[[Any], None], str] = {
    bad_field: "'imagePullPolicies' was unexpected",
    bad_type: "spec.maxUnavailable: [1] is not",
    wrong_api_version: "has no Deployment of extensions/v1beta1",
    wrong_api_group: "apiVersion: 'apps.example/v1' is not one of",
    missing_probe: "container model-server has no readinessProbe",
    no_limits: "no memory in its limits",
    dangling_config_map: "names the ConfigMap marquee-model-server-",
    wrong_port_name: "Service/marquee: no port grcp",
    selector_mismatch: "its selector does not match its own pods",
    root_user: "may run as root",
    latest_tag: 'model-server:latest": a tag other than latest',
    no_tag: "a tag other than latest, or a digest, is needed",
    writable_root: "root file system that can be written",
    capability: "keeps capabilities",
    bad_quantity: '"4Gib" is no quantity',
    request_above_limit: "requests more cpu than its limit",
    token: "mounts a token",
    dangling_secret: "names the Secret nowhere",
    dangling_claim: "names the PersistentVolumeClaim marquee-models",
    dangling_account: "names the ServiceAccount marquee-model-server",
    mount_without_volume: "no volume cache, but a mount of it",
    wrong_probe_port: "livenessProbe asks the port http",
    wrong_policy_port: "NetworkPolicy/allow-clients: no port http",
    wrong_monitor_port: "no port metrics in Service/marquee",
    wrong_monitor_selector: "selects no Service",
    service_without_pods: "Service/marquee-headless: its selector matches no pod",
    budget_without_pods: "PodDisruptionBudget/marquee-model-server: its selector matches no pod",
    autoscaler_without_target: "scales Deployment/marquee, which is not here",
    replicas_beside_the_autoscaler: "sets replicas, which HorizontalPodAutoscaler/marquee-model-server sets",
    no_default_deny: "no NetworkPolicy default-deny",
    clients_of_any_namespace: "NetworkPolicy/allow-clients lets in pods of any namespace",
    no_policy_for_clients: "no NetworkPolicy allow-clients",
    disk_that_does_not_add_up: "its emptyDirs 20Gi: full, the pod is evicted",
    disk_without_limit: "an emptyDir has no sizeLimit",
    reload_for_all: "lets any client replace its config",
    any_path: "loads models from any path",
    bad_rule: "PrometheusRule/marquee-model-server: Kubernetes",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_error_is_found(plant: Callable[[Any], None]) -> None:
    objects = list(copy.deepcopy(base()))
    plant(objects)
    problems = [*schema_problems(objects), *broken_policies(objects), *broken_references(objects)]
    assert PLANTED[plant] in "\n".join(problems)
