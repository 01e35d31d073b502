"""The typed config: every component's options and the pipeline's own.

`pipeline/configs/reference.yaml` documents every key. Reading files and
`--set` overrides is `pipeline.config.reader`'s business.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import Field

import contract
from components.common import storage
from components.common.params import Section
from components.evaluator.params import EvaluatorParams
from components.example_gen.params import ExampleGenParams
from components.index.params import IndexParams
from components.model.params import ModelParams
from components.pusher.params import PusherParams
from components.serving_check.params import ServingCheckParams
from components.trainer.params import TrainerParams
from components.transform.params import TransformParams
from pipeline.config import metadata_url
from pipeline.drift.params import DriftParams
from pipeline.kubeflow.params import KubeflowParams


def _check_metadata(url: str | None) -> str | None:
    if url is not None:
        metadata_url.parse(url)
    return url


class Config(Section):
    """One pipeline: where it reads, where it writes, and each room's section."""

    name: str = Field(
        "marquee",
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="pipeline's name in the metadata store: lower case letters, digits and hyphens",
    )
    data: str | tuple[str, ...] | None = Field(
        None,
        description="the log: a MovieLens folder of any edition, a file of `user item` lines, or your own "
        "CSV or Parquet (see example_gen), a path or URL; or a list of logs over the items of the first; "
        "null: $DATA, a local copy, GroupLens, or the generated sample",
    )
    sample: Literal["movielens", "shop"] = Field(
        "movielens",
        description="which generated sample stands in where there is no data: one in MovieLens's layout "
        "(only if neither a local copy nor GroupLens is at hand), or a shop's log",
    )
    artifacts: str = Field(
        "artifacts", min_length=1, description="where a run writes everything it makes: folder or URL"
    )
    metadata: Annotated[str | None, pydantic.AfterValidator(_check_metadata)] = Field(
        None, description=f"ML Metadata store: {metadata_url.FORMS}; null: SQLite in the artifacts folder"
    )
    push_to: str | None = Field(
        None,
        description="where models are published: folder or URL; null: serving_model in the artifacts root",
    )
    logs: str | None = Field(
        None, description="folder of the framework logs; null: logs in the artifacts folder"
    )
    cache: bool = Field(
        True, description="reuse the outputs of components whose inputs, options and code are unchanged"
    )
    keep_runs: int = Field(
        10,
        ge=1,
        description="how many of the newest runs keep their artifacts. At its end a run deletes those that "
        "only older ones made or reused, but for their metrics and verdicts, which are small. Pushed "
        "versions are copies and need none",
    )
    final_fit: contract.FinalFit = Field(
        "train",
        description="which events the pushed model is fitted on. train: what was tested is what ships. all: "
        "once the gates accept it, it is fitted again, with as many epochs, on eval and test as well; that "
        "model must not do worse than the tested one and is pushed",
    )
    # FnApiRunner is Beam's in-process runner. Its default, DirectRunner, first
    # tries to download another runner (Prism) from the network and use that.
    beam_pipeline_args: tuple[str, ...] = Field(
        ("--runner=FnApiRunner",),
        description="Apache Beam's own flags, passed through, such as --direct_running_mode=multi_processing "
        "and --direct_num_workers=4, or those of Dataflow, Flink or Spark",
    )

    example_gen: ExampleGenParams = Field(
        ExampleGenParams.model_validate({}), description="raw files to timelines and items"
    )
    transform: TransformParams = Field(
        TransformParams.model_validate({}), description="what the model sees of an item"
    )
    model: ModelParams = Field(ModelParams.model_validate({}), description="what is fitted and served")
    trainer: TrainerParams = Field(TrainerParams.model_validate({}), description="how it is fitted")
    index: IndexParams = Field(
        IndexParams.model_validate({}), description="search, and the limits of a request"
    )
    evaluator: EvaluatorParams = Field(
        EvaluatorParams.model_validate({}), description="what a model must reach to be pushed"
    )
    serving_check: ServingCheckParams = Field(
        ServingCheckParams.model_validate({}), description="the model server's trial of a candidate"
    )
    pusher: PusherParams = Field(PusherParams.model_validate({}), description="publishing and retention")
    drift: DriftParams = Field(
        DriftParams.model_validate({}), description="what `marquee drift` calls drift; no step reads it"
    )
    kubeflow: KubeflowParams = Field(
        KubeflowParams.model_validate({}),
        description="running on Kubeflow Pipelines; not read by marquee run",
    )

    @pydantic.model_validator(mode="after")
    def _metadata_beside_remote_artifacts(self) -> Config:
        if not storage.is_local(self.artifacts) and self.metadata is None:
            raise ValueError(
                f"metadata: artifacts is a URL ({self.artifacts}), where SQLite cannot keep its file; "
                f"give metadata as {metadata_url.FORMS}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _trainer_of_this_kind(self) -> Config:
        try:
            self.trainer.check_kind(self.model)
        except ValueError as error:
            raise ValueError(f"trainer: {error}") from error
        if not self.model.entry.distributed and self.kubeflow.trainer_workers > 1:
            raise ValueError(
                f"kubeflow.trainer_workers = {self.kubeflow.trainer_workers}: a model of kind "
                f"{self.model.kind} is fitted by one process; expected 1"
            )
        return self

    @property
    def artifacts_dir(self) -> str:
        """Artifacts root: absolute path, or the URL as given.

        Absolute, because ML Metadata keeps the locations of artifacts and the
        next command may start in another folder.
        """
        return _absolute(self.artifacts)

    @property
    def local_dir(self) -> str:
        """For what must lie on this machine: the artifacts root, or `artifacts` where that is a URL."""
        return self.artifacts_dir if storage.is_local(self.artifacts) else _absolute("artifacts")

    @property
    def logs_dir(self) -> str:
        if self.logs is not None:
            return _absolute(self.logs)
        return storage.join(self.local_dir, "logs")

    @property
    def serving_dir(self) -> str:
        """Folder that holds `<model name>/<version>`."""
        return (
            storage.join(self.artifacts_dir, "serving_model")
            if self.push_to is None
            else _absolute(self.push_to)
        )

    @property
    def metadata_url(self) -> str:
        return (
            f"sqlite:///{storage.join(self.artifacts_dir, 'metadata.sqlite')}"
            if self.metadata is None
            else self.metadata
        )

    def resolved(self) -> dict[str, object]:
        """Every key with the value in force, as plain data; passwords are starred out."""
        values = self.model_dump(mode="json")
        values.update(
            artifacts=self.artifacts_dir,
            logs=self.logs_dir,
            push_to=self.serving_dir,
            metadata=metadata_url.without_password(self.metadata_url),
        )
        return values

    def resolved_line(self) -> str:
        """`resolved()` on one line of JSON, for the log."""
        return json.dumps(self.resolved(), separators=(",", ":"))


def _absolute(location: str) -> str:
    return str(Path(location).expanduser().absolute()) if storage.is_local(location) else location.rstrip("/")
