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
_DISK = "ephemeral-storage"
_FOR_LOGS = 2**26


def broken_policies(objects: Sequence[Object]) -> list[str]:
    """Everything that breaks a policy, as KIND/NAME: reason."""
    return [*_containers(objects), *_pods(objects), *_disks(objects), *_network(objects), *_flags(objects)]


def pods(objects: Sequence[Object]) -> Iterator[tuple[Object, Object, Object]]:
    """(object, labels, pod spec) of everything that makes pods."""
    for found in objects:
        kind, spec = found["kind"], found.get("spec") or {}
        if kind == "Pod":
            yield found, labels_of(found), spec
        elif kind in ("Deployment", "Job"):
            yield found, labels_of(spec["template"]), spec["template"].get("spec", {})
        elif kind == "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
            yield found, labels_of(template), template["spec"]
        elif kind == "TFJob":
            for replicas in spec["tfReplicaSpecs"].values():
                yield found, labels_of(replicas["template"]), replicas["template"]["spec"]
        elif kind == "FlinkDeployment":
            yield found, {}, spec["taskManager"]["podTemplate"]["spec"]
        elif kind == "ServingRuntime":
            # KServe's pods carry the name of the service that they are for.
            names = [one["metadata"]["name"] for one in objects if one["kind"] == "InferenceService"]
            yield found, {"serving.kserve.io/inferenceservice": names[0]} if names else {}, spec


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
        if found["kind"] in ("Deployment", "Job", "CronJob", "Pod", "TFJob") and not tokenless:
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


def _disks(objects: Sequence[Object]) -> Iterator[str]:
    """The kubelet evicts a pod whose emptyDirs, logs and layers exceed the sum of its containers' limits."""
    for found, _, spec in pods(objects):
        containers = [
            *(spec.get("containers") or []),
            *(one for one in spec.get("initContainers") or [] if one.get("restartPolicy") == "Always"),
        ]
        if any(one.get("name") == _FILLED_IN and "resources" not in one for one in containers):
            continue
        limits = [((one.get("resources") or {}).get("limits") or {}).get(_DISK) for one in containers]
        if None in limits:
            yield f"{name_of(found)}: a container has no limit of {_DISK}"
            continue
        folders = [volume["emptyDir"] for volume in spec.get("volumes") or [] if "emptyDir" in volume]
        for folder in folders:
            if "sizeLimit" not in folder:
                yield f"{name_of(found)}: an emptyDir has no sizeLimit"
        on_disk = [
            one["sizeLimit"] for one in folders if one.get("medium") != "Memory" and "sizeLimit" in one
        ]
        if on_disk and sum(map(quantity, limits)) < sum(map(quantity, on_disk)) + _FOR_LOGS:
            yield (
                f"{name_of(found)}: its containers may take {' + '.join(limits)} of {_DISK}, its emptyDirs "
                f"{' + '.join(on_disk)}: full, the pod is evicted"
            )


def _network(objects: Sequence[Object]) -> Iterator[str]:
    """Who may reach the server is said by labels that an administrator alone sets: those of namespaces."""
    policies = {
        found["metadata"]["name"]: found["spec"] for found in objects if found["kind"] == "NetworkPolicy"
    }
    images = [str(container.get("image")) for _, _, _, container, _ in each(objects)]
    if any("marquee-model-server" in image or "tensorflow/serving" in image for image in images):
        for name in {"default-deny", "allow-clients"} - policies.keys():
            yield f"no NetworkPolicy {name}"
    for name, spec in policies.items():
        for rule in spec.get("ingress") or []:
            if not rule.get("from"):
                yield f"NetworkPolicy/{name} lets in everybody"
            for peer in rule.get("from") or []:
                selector = peer.get("namespaceSelector")
                if selector is not None and not selector.get("matchLabels"):
                    yield f"NetworkPolicy/{name} lets in pods of any namespace"
        for rule in spec.get("egress") or []:
            if not rule.get("to"):
                yield f"NetworkPolicy/{name} lets out to everywhere, the node's metadata address included"
            for port in rule.get("ports") or []:
                if port["port"] == 53 and len(rule.get("to") or []) < 3:
                    yield f"NetworkPolicy/{name} knows the name server of one kind of cluster only"


def _flags(objects: Sequence[Object]) -> Iterator[str]:
    for where, found, _, container, main in each(objects):
        flags = container.get("args") or []
        ours = main and found["kind"] in _SERVERS and "marquee-model-server" in str(container.get("image"))
        if ours and not any(str(flag).startswith("--allowed_paths=/") for flag in flags):
            yield f"{where} loads models from any path: --allowed_paths is needed"
        if ours and any(re.match(r"--allow_config_reload(?!=false)", str(flag)) for flag in flags):
            yield f"{where} lets any client replace its config"
