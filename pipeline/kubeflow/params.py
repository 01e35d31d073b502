"""The config's `kubeflow` section: what the local runner does not need to know."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field, StringConstraints

from components.common.params import Section

DEFAULT = "default"
ROOT_SCHEMES = ("gs://", "s3://", "minio://")

_Positive = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=1)]
_Folder = Annotated[str, StringConstraints(pattern=r"^/")]
_SecretKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*/[-._a-zA-Z0-9]+$")]


class KubeflowParams(Section):
    image: str = Field(
        "marquee-pipeline:0.1.0",
        min_length=1,
        description="container image of every step, as the cluster pulls it; it holds the same sources as "
        "the ones that compile",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="when a node pulls the image"
    )
    pipeline_root: str | None = Field(
        None,
        description="object store that Kubeflow keeps the steps' outputs in: gs://, s3:// or minio://; null: "
        "the cluster's own default",
    )
    artifacts_dir: _Folder | None = Field(
        None,
        description="folder on one of `volumes` where the steps' outputs go instead of the object store; "
        "null: the object store",
    )
    volumes: dict[str, _Folder] = Field(
        {}, description="PersistentVolumeClaim -> folder that every step mounts it at; of access mode "
        "ReadWriteMany if the steps may run on several nodes"
    )  # fmt: skip
    data: _Folder | None = Field(
        None,
        description="default of the run's parameter `data`: folder with the raw files as a step sees it, on "
        "one of `volumes`; {date} in it becomes the parameter `date`. null: each run must give it",
    )
    push_to: str | None = Field(
        None,
        description="default of the run's parameter `push_to`: where models are published, a folder on one "
        "of `volumes` or a URL. null: each run must give it",
    )
    cpu: dict[str, _Positive] = Field(
        {DEFAULT: 1, "trainer": 2, "index": 2},
        description="step -> CPU cores it requests and is limited to; `default` is for the steps not named",
    )
    memory_gib: dict[str, _Positive] = Field(
        {DEFAULT: 4, "trainer": 8, "index": 8},
        description="step -> GiB of memory it requests and is limited to; `default` as above",
    )
    accelerator: dict[str, str] = Field(
        {}, description="step -> Kubernetes' name of an accelerator, such as trainer: nvidia.com/gpu"
    )
    accelerators: dict[str, _Count] = Field(
        {}, description="step -> how many of its accelerator it gets; one unless named"
    )
    node_selector: dict[str, str] = Field(
        {}, description="labels that a node must have to run a step that has an accelerator"
    )
    retries: int = Field(2, ge=0, description="times a failed step is started again")
    retry_wait_s: int = Field(
        30, ge=0, description="seconds before the first retry; each further one waits twice as long"
    )
    beam_pipeline_args: tuple[str, ...] | None = Field(
        None, description="Apache Beam's flags on the cluster; null: the top-level beam_pipeline_args"
    )
    env: dict[str, str] = Field(
        {}, description="environment variable -> value, in every step; nothing secret: specs can be read"
    )
    secret_env: dict[str, _SecretKey] = Field(
        {}, description="environment variable -> SECRET/KEY of a Kubernetes secret, in every step"
    )
    host: str | None = Field(
        None,
        description="address of Kubeflow's API for `marquee kubeflow submit`, such as http://localhost:8080 "
        "of a port forward; null: $KF_PIPELINES_ENDPOINT",
    )
    namespace: str | None = Field(
        None, description="Kubernetes namespace of runs where Kubeflow serves several users; null: one user"
    )
    experiment: str = Field("marquee", min_length=1, description="experiment that runs are listed under")
    service_account: str | None = Field(
        None, description="Kubernetes service account of the steps; null: Kubeflow's own"
    )
    trainer_workers: int = Field(
        1,
        ge=1,
        description="pods that fit together, each with the CPU, memory and accelerator of the step trainer; "
        "from 2 on the step makes a TFJob of them (docs/how-to/cluster/train-in-several-workers.md) and "
        "itself has what `default` has",
    )
    trainer_dir: _Folder | None = Field(
        None,
        description="folder on one of `volumes`, ReadWriteMany, for the workers' checkpoints and export; "
        "null: training, below artifacts_dir",
    )

    @pydantic.model_validator(mode="after")
    def _check_places(self) -> KubeflowParams:
        root = self.pipeline_root
        if root is not None and not root.startswith(ROOT_SCHEMES):
            raise ValueError(
                f"pipeline_root = {root}: open-source Kubeflow takes {', '.join(ROOT_SCHEMES)} only; for a "
                "volume give artifacts_dir"
            )
        for name, place in (
            ("artifacts_dir", self.artifacts_dir),
            ("data", self.data),
            ("push_to", self.push_to),
            ("trainer_dir", self.trainer_dir),
        ):
            if place is None or "://" in place:
                continue
            if not place.startswith("/"):
                raise ValueError(f"{name} = {place}: must be an absolute folder or a URL")
            if not any(_is_below(place, mount) for mount in self.volumes.values()):
                mounts = ", ".join(self.volumes.values()) or "none"
                raise ValueError(
                    f"{name} = {place}: lies on no volume, so what a step writes there is gone with its "
                    f"container; volumes mounts: {mounts}"
                )
        if self.trainer_workers > 1 and self.trainer_dir is None and self.artifacts_dir is None:
            raise ValueError(
                f"trainer_workers = {self.trainer_workers}: they must meet on a volume; give trainer_dir"
            )
        for step in self.accelerators:
            if step not in self.accelerator:
                raise ValueError(f"accelerators.{step}: accelerator says nothing of {step}")
        both = sorted(self.env.keys() & self.secret_env.keys())
        if both:
            raise ValueError(f"{both[0]} stands in env and in secret_env; one of them must go")
        return self


def _is_below(place: str, mount: str) -> bool:
    return place == mount or place.startswith(mount.rstrip("/") + "/")
