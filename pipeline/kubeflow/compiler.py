"""Compiles the DAG to what open-source Kubeflow Pipelines v2 runs.

TFX's V2 compiler writes for Vertex. What it writes is changed here where
open-source Kubeflow is another thing:

- a bare PipelineSpec, no PipelineJob;
- names with hyphens, because Argo refuses underscores;
- the container runs pipeline.kubeflow.task around TFX's entry point;
- a first step finds the data and their fingerprint, so that both can be given to
  a run instead of being frozen into the spec;
- what must look outside its inputs each time is never served from the cache;
- resources, retries and the platform's part, which TFX has no words for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2 import pipeline_builder
from tfx.orchestration.pipeline import Pipeline

from components.example_gen.component import ExampleGen
from components.example_gen.executor import DATA_PATH
from components.training_job.job import JobParams
from pipeline.config.sections import Config
from pipeline.dag import LATEST, Launch, create_pipeline
from pipeline.errors import ConfigError
from pipeline.kubeflow import task
from pipeline.kubeflow.documents import KUBERNETES, PLATFORMS, Documents
from pipeline.kubeflow.lint import SCHEMA_VERSION, problems
from pipeline.kubeflow.params import DEFAULT, KubeflowParams
from pipeline.kubeflow.steps import check_drift
from pipeline.kubeflow.steps.spec import (
    DATA,
    DATE,
    DRIFT,
    FIND_DATA,
    FINGERPRINT,
    GAUGES,
    PUSH_TO,
    REQUESTS,
    TRAIN_IF,
    add_drift,
    add_find_data,
    from_task,
    only_if_needed,
)

# A parameter of a run, beside those of our own steps.
MAX_STEPS = "max_steps"

_SDK = "marquee"
_TRAINERS = ("trainer", "final-trainer")
# They read or write the folder of pushed models, which no cache key covers: a baseline
# from the cache may be one that another model has replaced since.
_NEVER_CACHED = ("baseline", "pusher")
_GB_PER_GIB = 1.073741824
_STRING, _INTEGER = "STRING", "NUMBER_INTEGER"


def compile_pipeline(config: Config) -> Documents:
    """The spec of `config`, checked.

    Raises:
      ConfigError: the config cannot be run on Kubeflow; the key is named.
    """
    params = config.kubeflow
    if config.trainer.warm_start == LATEST:
        raise ConfigError(
            f"trainer.warm_start = {LATEST}: the last version is looked up when the spec is compiled, where "
            "the pushed models cannot be seen; give a version's folder on a volume, or leave it empty"
        )
    if params.beam_pipeline_args is not None:
        config = config.model_copy(update={"beam_pipeline_args": params.beam_pipeline_args})
    pipeline = create_pipeline(
        config,
        Launch(
            data=RuntimeParameter(DATA, str),
            fingerprint=RuntimeParameter(FINGERPRINT, str),
            push_to=RuntimeParameter(PUSH_TO, str),
            max_steps=RuntimeParameter(MAX_STEPS, int),
            training_job=_training_job(params),
        ),
    )
    spec = _renamed(_tfx_spec(pipeline, params))
    reader = _example_gen(pipeline)
    add_find_data(spec, config)
    _find_first(spec, reader)
    add_drift(spec, config)
    only_if_needed(spec, reader)
    spec["root"]["inputDefinitions"] = {"parameters": _run_parameters(config)}
    for name in _NEVER_CACHED:
        spec["root"]["dag"]["tasks"][name]["cachingOptions"] = {}
    _add_retries(spec, params)
    return _checked(spec, params)


def compile_drift(config: Config) -> Documents:
    """The spec of a pipeline that only looks for drift: a run that finds some fails with exit code 3.

    Raises:
      ConfigError: as `compile_pipeline`.
    """
    params = config.kubeflow
    spec: dict[str, Any] = {
        "schemaVersion": SCHEMA_VERSION,
        "sdkVersion": _SDK,
        "pipelineInfo": {"name": f"{config.name}-drift"},
        "root": {"dag": {"tasks": {}}},
        "components": {},
        "deploymentSpec": {"executors": {}},
        **({} if params.pipeline_root is None else {"defaultPipelineRoot": params.pipeline_root}),
    }
    add_find_data(spec, config)
    add_drift(spec, config, alone=True)
    run = _run_parameters(config)
    wanted = (DATA, DATE, FINGERPRINT, PUSH_TO, REQUESTS, GAUGES)
    spec["root"]["inputDefinitions"] = {"parameters": {name: run[name] for name in wanted}}
    # Sizes of the other steps say nothing here. No retries: what is drift once is drift again.
    named = {DRIFT, FIND_DATA, DEFAULT}
    sizes = {
        key: {step: size for step, size in getattr(params, key).items() if _hyphens(step) in named}
        for key in ("cpu", "memory_gib", "accelerator", "accelerators")
    }
    return _checked(spec, params.model_copy(update=sizes))


def _checked(spec: dict[str, Any], params: KubeflowParams) -> Documents:
    """With resources and the platform's part.

    Raises:
      ConfigError: resources name no step, or the spec is not sound.
    """
    _add_resources(spec, params)
    documents = Documents(spec, _platform(spec, params))
    found = problems([spec, *([documents.platform] if documents.platform else [])])
    if found:  # a bug of this module, or of the TFX it was written for
        raise ConfigError("the compiled spec is not sound:\n" + "\n".join(found))
    return documents


def _tfx_spec(pipeline: Pipeline, params: KubeflowParams) -> dict[str, Any]:
    spec = pipeline_builder.PipelineBuilder(
        tfx_pipeline=pipeline,
        default_image=params.image,
        default_commands=["python", "-m", task.MODULE],
        use_pipeline_spec_2_1=True,
    ).build()
    spec.schema_version = SCHEMA_VERSION
    spec.sdk_version = _SDK
    if params.pipeline_root is not None:
        spec.default_pipeline_root = params.pipeline_root
    document: dict[str, Any] = json_format.MessageToDict(spec)
    if params.artifacts_dir is not None:
        for executor in document["deploymentSpec"]["executors"].values():
            executor["container"]["args"] += ["--artifact_root", params.artifacts_dir]
    return document


def _example_gen(pipeline: Pipeline) -> str:
    [name] = [node.id for node in pipeline.components if isinstance(node, ExampleGen)]
    return _hyphens(name)


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


def _renamed(spec: dict[str, Any]) -> dict[str, Any]:
    """The same graph under names that Argo takes, in the form of kfp's own compiler."""
    components, executors = {}, {}
    for name, component in spec["components"].items():
        executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
        component["executorLabel"] = f"exec-{_hyphens(name)}"
        components[f"comp-{_hyphens(name)}"] = component
        executors[component["executorLabel"]] = executor
    tasks = {}
    for name, step in spec["root"]["dag"]["tasks"].items():
        step["taskInfo"]["name"] = _hyphens(name)
        step["componentRef"]["name"] = f"comp-{_hyphens(step['componentRef']['name'])}"
        for artifact in step.get("inputs", {}).get("artifacts", {}).values():
            producer = artifact["taskOutputArtifact"]
            producer["producerTask"] = _hyphens(producer["producerTask"])
        if "dependentTasks" in step:
            step["dependentTasks"] = [_hyphens(before) for before in step["dependentTasks"]]
        tasks[_hyphens(name)] = step
    spec["components"] = components
    spec["deploymentSpec"]["executors"] = executors
    spec["root"]["dag"]["tasks"] = tasks
    return spec


def _find_first(spec: dict[str, Any], example_gen: str) -> None:
    """The wires from the step that finds the data to the reader."""
    reader = spec["root"]["dag"]["tasks"][example_gen]
    reader["dependentTasks"] = [*reader.get("dependentTasks", []), FIND_DATA]
    for name, value in reader["inputs"]["parameters"].items():
        wire = {DATA: DATA_PATH, FINGERPRINT: FINGERPRINT}.get(value.get("componentInputParameter"))
        if wire is not None:
            reader["inputs"]["parameters"][name] = from_task(FIND_DATA, wire)


def _run_parameters(config: Config) -> dict[str, Any]:
    """What a run may be given, as root inputs; one without a default must be."""
    params = config.kubeflow
    described: list[tuple[str, str, Any, str]] = [
        (DATA, _STRING, params.data, "folder with the raw files as the steps see it; {date} becomes `date`"),
        (DATE, _STRING, "", "YYYY-MM-DD; empty: the day of the run, in UTC"),
        (FINGERPRINT, _STRING, "", "sha256 that the raw files must have; empty: any"),
        (PUSH_TO, _STRING, params.push_to, "where models are published: a folder on a volume, or a URL"),
        (TRAIN_IF, _STRING, check_drift.ALWAYS, "always, or drift: only if the data have drifted"),
        (REQUESTS, _STRING, "", "folder of the server's PredictionLogs, for drift; empty: none"),
        (GAUGES, _STRING, "", "file for drift's figures, for Prometheus; empty: none"),
        (MAX_STEPS, _INTEGER, config.trainer.max_steps, "training steps at most; 0: all epochs"),
    ]
    return {
        name: {
            "parameterType": kind,
            "description": text,
            **({} if default is None else {"defaultValue": default}),
        }
        for name, kind, default, text in described
    }


def _add_retries(spec: dict[str, Any], params: KubeflowParams) -> None:
    if not params.retries:
        return
    for step in spec["root"]["dag"]["tasks"].values():
        step["retryPolicy"] = {
            "maxRetryCount": params.retries,
            "backoffDuration": f"{params.retry_wait_s}s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
        }


def _add_resources(spec: dict[str, Any], params: KubeflowParams) -> None:
    """Requests and limits, in the fields of new and of old releases, as kfp's compiler does.

    Raises:
      ConfigError: a step is named that there is not.
    """
    tasks = spec["root"]["dag"]["tasks"]
    for key in ("cpu", "memory_gib", "accelerator"):
        for step in getattr(params, key):
            if _hyphens(step) not in tasks and step != DEFAULT:
                names = ", ".join(sorted(tasks))
                raise ConfigError(f"kubeflow.{key}.{step}: there is no such step; the steps are {names}")
    for task_name, step in tasks.items():
        container, name = _container(spec, step), _sized_as(task_name, params)
        cpu, memory = _of(name, params.cpu), _of(name, params.memory_gib)
        resources: dict[str, Any] = {}
        for bound in ("Limit", "Request"):
            if cpu is not None:
                resources |= {f"cpu{bound}": cpu, f"resourceCpu{bound}": f"{cpu:g}"}
            if memory is not None:
                # Kubernetes takes whole bytes, and no fraction of a Gi with a long tail.
                resources |= {
                    f"memory{bound}": round(memory * _GB_PER_GIB, 3),
                    f"resourceMemory{bound}": f"{round(memory * 1024)}Mi",
                }
        kind = _of(name, params.accelerator)
        if kind is not None:
            count = _of(name, params.accelerators) or 1
            resources["accelerator"] = {
                "type": kind,
                "count": str(count),
                "resourceType": kind,
                "resourceCount": str(count),
            }
        if resources:
            container["resources"] = resources
        if params.env:
            container["env"] = [{"name": key, "value": value} for key, value in sorted(params.env.items())]


def _sized_as(step: str, params: KubeflowParams) -> str:
    """A trainer that only waits for its workers needs little: what it is given is theirs."""
    return DEFAULT if params.trainer_workers > 1 and step in _TRAINERS else step


def _training_job(params: KubeflowParams) -> JobParams | None:
    """The workers of a fit; None: the step's own pod.

    Raises:
      ConfigError: what a worker is limited to is not said.
    """
    if params.trainer_workers == 1:
        return None
    [step, *_] = _TRAINERS
    cpu, memory = _of(step, params.cpu), _of(step, params.memory_gib)
    if cpu is None or memory is None:
        raise ConfigError(
            "kubeflow.trainer_workers: kubeflow.cpu and memory_gib must say what each worker gets"
        )
    if (_of(step, params.accelerators) or 1) > 1:
        raise ConfigError(
            f"kubeflow.accelerators.{step}: a worker uses one at most; raise kubeflow.trainer_workers instead"
        )
    accelerator = _of(step, params.accelerator)
    return JobParams(
        workers=params.trainer_workers,
        image=params.image,
        image_pull_policy=params.image_pull_policy,
        volumes=params.volumes,
        folder=params.trainer_dir or f"{params.artifacts_dir}/training",
        namespace=params.namespace,
        cpu=cpu,
        memory_gib=memory,
        accelerator=accelerator,
        node_selector=params.node_selector if accelerator else {},
        env=params.env,
        secret_env=params.secret_env,
    )


def _of(step: str, values: Mapping[str, Any]) -> Any:
    named = {_hyphens(key): value for key, value in values.items()}
    return named.get(step, named.get(DEFAULT))


def _container(spec: dict[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    label = spec["components"][step["componentRef"]["name"]]["executorLabel"]
    container: dict[str, Any] = spec["deploymentSpec"]["executors"][label]["container"]
    return container


def _platform(spec: dict[str, Any], params: KubeflowParams) -> dict[str, Any]:
    """Kubernetes' part: volumes, names of secrets, pull policy, nodes.

    Of the two forms that newer releases know, the one that older ones know too.
    """
    executors = {}
    for name, step in spec["root"]["dag"]["tasks"].items():
        config: dict[str, Any] = {"imagePullPolicy": params.image_pull_policy}
        if params.volumes:
            config["pvcMount"] = [
                {"constant": claim, "mountPath": folder} for claim, folder in sorted(params.volumes.items())
            ]
        if params.secret_env:
            config["secretAsEnv"] = [
                {
                    "secretName": secret.partition("/")[0],
                    "keyToEnv": [{"envVar": variable, "secretKey": secret.partition("/")[2]}],
                }
                for variable, secret in sorted(params.secret_env.items())
            ]
        if params.node_selector and _of(_sized_as(name, params), params.accelerator) is not None:
            config["nodeSelector"] = {"labels": dict(params.node_selector)}
        label = spec["components"][step["componentRef"]["name"]]["executorLabel"]
        executors[label] = config
    return {PLATFORMS: {KUBERNETES: {"deploymentSpec": {"executors": executors}}}}
