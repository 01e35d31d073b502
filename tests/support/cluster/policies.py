"""Policies that the pods of the manifests keep.

The schemas allow all that is refused here; Kubernetes' restricted pod security
standard refuses a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from support.cluster.manifests import Object, name_of

_UNITS = {
    "m": "0.001",
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
# The operator gives it image, resources and probes, and Flink writes beside its program.
_FILLED_IN = "flink-main-container"
_SERVERS = ("Deployment", "ServingRuntime")


def broken_policies(objects: Sequence[Object]) -> list[str]:
    """Everything that breaks a policy, as KIND/NAME: reason."""
    return [*_containers(objects), *_pods(objects)]


def pods(objects: Sequence[Object]) -> Iterator[tuple[Object, Object, Object]]:
    """(object, labels, pod spec) of everything that makes pods."""
    for found in objects:
        kind, spec = found["kind"], found.get("spec") or {}
        if kind == "Pod":
            yield found, labels_of(found), spec
        elif kind in ("Deployment", "Job"):
            yield found, labels_of(spec["template"]), spec["template"].get("spec", {})
        elif kind == "TFJob":
            for replicas in spec["tfReplicaSpecs"].values():
                yield found, labels_of(replicas["template"]), replicas["template"]["spec"]
        elif kind == "FlinkDeployment":
            yield found, {}, spec["taskManager"]["podTemplate"]["spec"]
        elif kind == "ServingRuntime":
            yield found, {}, spec


def labels_of(found: Object) -> Object:
    return found.get("metadata", {}).get("labels") or {}


def each(objects: Sequence[Object]) -> Iterator[tuple[str, Object, Object, Object, bool]]:
    """(where, object, pod spec, container, whether it is of `containers`)."""
    for found, _, spec in pods(objects):
        for field in ("initContainers", "containers"):
            for container in spec.get(field) or []:
                if container.get("name") != _FILLED_IN:
                    where = f"{name_of(found)}: container {container.get('name')}"
                    yield where, found, spec, container, field == "containers"


def _containers(objects: Sequence[Object]) -> Iterator[str]:
    for where, found, spec, container, main in each(objects):
        own, pod = container.get("securityContext") or {}, spec.get("securityContext") or {}
        if {**pod, **own}.get("runAsNonRoot") is not True or not {**pod, **own}.get("runAsUser"):
            yield f"{where} may run as root: runAsNonRoot and a runAsUser above 0 are needed"
        if {**pod, **own}.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{where} has no seccompProfile RuntimeDefault"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{where} has a root file system that can be written"
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{where} may gain privileges"
        if (own.get("capabilities") or {}) != {"drop": ["ALL"]}:
            yield f"{where} keeps capabilities"
        yield from (f"{where}: {reason}" for reason in _resources(container.get("resources") or {}))
        yield from _image(where, str(container.get("image", "")))
        if main and found["kind"] in _SERVERS:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if not container.get(probe):
                    yield f"{where} has no {probe}"


def _resources(resources: Object) -> Iterator[str]:
    for resource in ("cpu", "memory"):
        given = {}
        for kind in ("requests", "limits"):
            text = (resources.get(kind) or {}).get(resource)
            if text is None:
                yield f"no {resource} in its {kind}"
                continue
            try:
                given[kind] = quantity(text)
            except ValueError as error:
                yield f"{kind} of {resource}: {error}"
        if len(given) == 2 and given["requests"] > given["limits"]:
            yield f"requests more {resource} than its limit"


def quantity(text: Any) -> Decimal:
    """A quantity of Kubernetes; the schemas take any text for one."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m|k|M|G|Ki|Mi|Gi|Ti|)", str(text))
    if match is None:
        raise ValueError(f'"{text}" is no quantity')
    return Decimal(match[1]) * Decimal(_UNITS[match[2]])


def _image(where: str, image: str) -> Iterator[str]:
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if "@sha256:" not in image and tag in ("", "latest"):
        yield f'{where} has the image "{image}": a tag other than latest, or a digest, is needed'


def _pods(objects: Sequence[Object]) -> Iterator[str]:
    for found, _, spec in pods(objects):
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                yield f"{name_of(found)} uses the node's {field}"
        tokenless = spec.get("automountServiceAccountToken") is False
        if found["kind"] in ("Deployment", "Job", "Pod", "TFJob") and not tokenless:
            yield f"{name_of(found)} mounts a token of its service account"
        volumes = {volume["name"]: volume for volume in spec.get("volumes") or []}
        if any("hostPath" in volume for volume in volumes.values()):
            yield f"{name_of(found)} mounts a folder of its node"
        mounted = {
            mount["name"]
            for field in ("initContainers", "containers")
            for container in spec.get(field) or []
            for mount in container.get("volumeMounts") or []
        }
        yield from (
            f"{name_of(found)}: no volume {name}, but a mount of it" for name in mounted - volumes.keys()
        )
        yield from (
            f"{name_of(found)}: nothing mounts the volume {name}" for name in volumes.keys() - mounted
        )
