"""References in the manifests that lead nowhere: names, ports, selectors, targets.

What exists outside the repository (secrets, volumes of the pipeline) must be
made by a command of the pages in docs/how-to/cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from support.cluster.manifests import REPOSITORY, Object, name_of
from support.cluster.policies import each, labels_of, pods

DOCS = REPOSITORY / "docs" / "how-to" / "cluster"


def broken_references(objects: Sequence[Object]) -> list[str]:
    """Everything that leads nowhere, as KIND/NAME: reason."""
    checks = (_references, _ports, _selectors, _targets)
    return [problem for check in checks for problem in check(objects)]


def documented() -> dict[str, set[str]]:
    """kind -> names that commands of the pages make: `kubectl create secret generic NAME`, volumes."""
    text = "\n".join(page.read_text() for page in sorted(DOCS.glob("*.md")))
    secrets = re.findall(r"kubectl create secret generic (\S+)", text)
    volumes = re.findall(r"kind: PersistentVolumeClaim\nmetadata: \{name: ([\w-]+)", text)
    return {"Secret": set(secrets), "PersistentVolumeClaim": set(volumes)}


def _references(objects: Sequence[Object]) -> Iterator[str]:
    outside = documented()
    there = {(found["kind"], found["metadata"]["name"]) for found in objects}
    config_maps = {f["metadata"]["name"]: f.get("data") or {} for f in objects if f["kind"] == "ConfigMap"}
    for found, _, spec in pods(objects):
        for kind, name, key in _named(spec):
            if (kind, name) not in there and name not in outside.get(kind, ()):
                yield f"{name_of(found)} names the {kind} {name}, which nothing here makes"
            elif kind == "ConfigMap" and key and key not in config_maps[name]:
                yield f"{name_of(found)} names the key {key}, which the ConfigMap {name} has not"
    for found in objects:
        if found["kind"] == "InferenceService":
            claim = re.match(r"pvc://([^/]+)", found["spec"]["predictor"]["model"].get("storageUri", ""))
            if claim and ("PersistentVolumeClaim", claim[1]) not in there:
                yield f"{name_of(found)} names the PersistentVolumeClaim {claim[1]}, which nothing here makes"
            runtime = found["spec"]["predictor"]["model"].get("runtime")
            if ("ServingRuntime", runtime) not in there:
                yield f"{name_of(found)} names the ServingRuntime {runtime}, which nothing here makes"


def _named(spec: Object) -> Iterator[tuple[str, str, str]]:
    """(kind, name, key) of what a pod refers to."""
    if "serviceAccountName" in spec:
        yield "ServiceAccount", spec["serviceAccountName"], ""
    for volume in spec.get("volumes") or []:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], ""
            for item in volume["configMap"].get("items") or []:
                yield "ConfigMap", volume["configMap"]["name"], item["key"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], ""
        if volume.get("persistentVolumeClaim"):
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], ""
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or []:
            for source in container.get("envFrom") or []:
                for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                    if key in source:
                        yield kind, source[key]["name"], ""
            for variable in container.get("env") or []:
                source = variable.get("valueFrom") or {}
                for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                    if key in source:
                        yield kind, source[key]["name"], source[key]["key"]


def _port_names(spec: Object) -> set[str]:
    """Of all containers of a pod; only sidecars among the init containers listen."""
    return {
        port["name"]
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if "name" in port
    }


def _ports(objects: Sequence[Object]) -> Iterator[str]:
    for where, _, _, container, _ in each(objects):
        names = {port.get("name") for port in container.get("ports") or []}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for handler in ("httpGet", "tcpSocket"):
                port = ((container.get(probe) or {}).get(handler) or {}).get("port")
                if isinstance(port, str) and port not in names:
                    yield f"{where}: {probe} asks the port {port}, which it has not"
    services = [found for found in objects if found["kind"] == "Service"]
    for service in services:
        for spec in _selected(objects, service["spec"].get("selector") or {}, service):
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if isinstance(target, str) and target not in _port_names(spec):
                    yield f"{name_of(service)}: no port {target} in the pods that it selects"
    for policy in (found for found in objects if found["kind"] == "NetworkPolicy"):
        for spec in _selected(
            objects, (policy["spec"]["podSelector"] or {}).get("matchLabels") or {}, policy
        ):
            for rule in policy["spec"].get("ingress") or []:
                for port in rule.get("ports") or []:
                    if isinstance(port["port"], str) and port["port"] not in _port_names(spec):
                        yield f"{name_of(policy)}: no port {port['port']} in the pods that it selects"
    for monitor in (found for found in objects if found["kind"] == "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        chosen = [service for service in services if _matches(wanted, labels_of(service))]
        if not chosen:
            yield f"{name_of(monitor)} selects no Service"
        for service in chosen:
            names = {port.get("name") for port in service["spec"]["ports"]}
            for endpoint in monitor["spec"]["endpoints"]:
                if endpoint["port"] not in names:
                    yield f"{name_of(monitor)}: no port {endpoint['port']} in {name_of(service)}"


def _matches(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def _selected(objects: Sequence[Object], wanted: Mapping[str, str], by: Object) -> list[Object]:
    namespace = by["metadata"].get("namespace")
    return [
        spec
        for found, labels, spec in pods(objects)
        if _matches(wanted, labels) and found["metadata"].get("namespace") == namespace
    ]


def _selectors(objects: Sequence[Object]) -> Iterator[str]:
    for found in objects:
        spec = found.get("spec") or {}
        if found["kind"] == "Deployment":
            wanted = spec["selector"].get("matchLabels") or {}
            if not wanted or not _matches(wanted, labels_of(spec["template"])):
                yield f"{name_of(found)}: its selector does not match its own pods"
            elif len(_selected(objects, wanted, found)) > 1:
                yield f"{name_of(found)}: its selector matches pods of another object too"
        elif found["kind"] == "Service" and not _selected(objects, spec.get("selector") or {"": ""}, found):
            yield f"{name_of(found)}: its selector matches no pod"
        elif found["kind"] in ("PodDisruptionBudget", "NetworkPolicy"):
            selector = spec.get("selector") or spec.get("podSelector") or {}
            if not _selected(objects, selector.get("matchLabels") or {}, found):
                yield f"{name_of(found)}: its selector matches no pod"
    for found, labels, spec in pods(objects):
        for constraint in spec.get("topologySpreadConstraints") or []:
            if not _matches(constraint["labelSelector"]["matchLabels"], labels):
                yield f"{name_of(found)}: it is spread among pods that are not its own"


def _targets(objects: Sequence[Object]) -> Iterator[str]:
    there = {(found["kind"], found["metadata"]["name"]) for found in objects}
    scaled: dict[str, str] = {}
    for found in objects:
        target = (found.get("spec") or {}).get("scaleTargetRef")
        if not target:
            continue
        if (target["kind"], target["name"]) not in there:
            yield f"{name_of(found)} scales {target['kind']}/{target['name']}, which is not here"
        if target["name"] in scaled:
            yield f"{name_of(found)} and {scaled[target['name']]} scale the same {target['name']}"
        scaled[target["name"]] = name_of(found)
    for found in objects:
        if (
            found["kind"] == "Deployment"
            and found["metadata"]["name"] in scaled
            and "replicas" in found["spec"]
        ):
            yield f"{name_of(found)} sets replicas, which {scaled[found['metadata']['name']]} sets too"
