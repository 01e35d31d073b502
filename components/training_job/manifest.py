"""A TFJob as kubernetes/training-by-hand has it, from a config."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import Field

from components.common.params import Section
from components.training_job import worker

GROUP, VERSION, PLURAL = "kubeflow.org", "v1", "tfjobs"
_LABEL = {"app.kubernetes.io/name": "marquee-training"}
_USER = 65532  # of the image
_DAY_S = 86_400


class PodParams(Section):
    """The workers of a training job."""

    workers: int = Field(ge=2, description="pods: a chief and the others")
    image: str
    image_pull_policy: str = "IfNotPresent"
    volumes: dict[str, str] = Field(description="PersistentVolumeClaim -> folder")
    cpu: float = Field(gt=0, description="cores of each worker")
    memory_gib: float = Field(gt=0, description="GiB of each worker")
    accelerator: str | None = Field(None, description="Kubernetes' name of an accelerator; each gets one")
    node_selector: dict[str, str] = Field({}, description="labels of the nodes")
    env: dict[str, str] = Field({}, description="environment variable -> value")
    secret_env: dict[str, str] = Field({}, description="environment variable -> SECRET/KEY")
    service_account: str = "marquee-training"
    deadline_s: Annotated[int, Field(ge=1, description="seconds until it is given up")] = _DAY_S


@dataclasses.dataclass(frozen=True)
class Owner:
    """The pod that made a job."""

    name: str
    uid: str


def tf_job(name: str, params: PodParams, fit_file: str, owner: Owner | None = None) -> dict[str, Any]:
    """The job's manifest; its workers run the fit in `fit_file`."""
    metadata: dict[str, Any] = {"name": name, "labels": dict(_LABEL)}
    if owner is not None:
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": owner.name, "uid": owner.uid}
        ]
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TFJob",
        "metadata": metadata,
        "spec": {
            "runPolicy": {
                "cleanPodPolicy": "Running",
                "ttlSecondsAfterFinished": _DAY_S,
                "activeDeadlineSeconds": params.deadline_s,
                "schedulingPolicy": {"minAvailable": params.workers},
            },
            "successPolicy": "",
            "tfReplicaSpecs": {
                kind: {
                    "replicas": replicas,
                    "restartPolicy": "ExitCode",
                    "template": _pod(params, fit_file),
                }
                for kind, replicas in (("Chief", 1), ("Worker", params.workers - 1))
            },
        },
    }


def _pod(params: PodParams, fit_file: str) -> dict[str, Any]:
    size = {
        "cpu": f"{params.cpu:g}",
        "memory": f"{round(params.memory_gib * 1024)}Mi",
        "ephemeral-storage": "3Gi",
    }
    accelerator = {params.accelerator: "1"} if params.accelerator else {}
    mounts = [
        (f"volume-{i}", claim, folder) for i, (claim, folder) in enumerate(sorted(params.volumes.items()))
    ]
    environment = [
        *({"name": key, "value": value} for key, value in sorted(params.env.items())),
        *(
            {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for variable, (secret, _, key) in sorted(
                (variable, place.partition("/")) for variable, place in params.secret_env.items()
            )
        ),
    ]
    container = {
        # The operator looks for a container of this name, and for a port of this one.
        "name": "tensorflow",
        "image": params.image,
        "imagePullPolicy": params.image_pull_policy,
        "command": ["python", "-m", worker.MODULE],
        "args": ["--fit", fit_file],
        "ports": [{"name": "tfjob-port", "containerPort": 2222}],
        "resources": {"requests": dict(size), "limits": {**size, **accelerator}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *({"name": name, "mountPath": folder} for name, _, folder in mounts),
            {"name": "tmp", "mountPath": "/tmp"},
        ],
        **({"env": environment} if environment else {}),
    }
    return {
        "metadata": {
            "labels": dict(_LABEL),
            # A sidecar would keep a finished worker alive.
            "annotations": {"sidecar.istio.io/inject": "false"},
        },
        "spec": {
            "serviceAccountName": params.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "maxSkew": 1,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": dict(_LABEL)},
                }
            ],
            "containers": [container],
            "volumes": [
                *({"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim, _ in mounts),
                {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}},
            ],
            **({"nodeSelector": dict(params.node_selector)} if params.node_selector else {}),
        },
    }
