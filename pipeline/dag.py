"""The pipeline's graph: which component reads what. Wiring only.

Every component carries the hash of the sources it runs on (contract.CODE_HASH)
and the JSON of its own section alone, so a change reruns that component and
what comes after it, nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.pipeline import Pipeline
from tfx.types import BaseChannel, standard_component_specs

import contract
from components.all_events.component import AllEvents
from components.baseline.component import Baseline
from components.catalogue_check.component import CatalogueCheck
from components.common.features import Features
from components.data_check.component import DataCheck
from components.evaluator import eval_config
from components.evaluator.component import Evaluator
from components.example_gen.component import ExampleGen
from components.example_gen.fingerprint import fingerprint
from components.import_schema.component import ImportSchema
from components.index.component import Index
from components.pushed_towers.component import PushedTowers
from components.pusher import versions
from components.pusher.component import Pusher
from components.serving_check import server
from components.serving_check.component import ServingCheck
from components.trainer.component import FitToRepeat, Trainer
from components.trainer.params import TrainerParams
from components.training_job import job
from components.training_job.job import JobParams
from components.transform import preprocessing
from pipeline.code_hash import PROJECT, code_hash
from pipeline.config.sections import Config
from pipeline.errors import ConfigError, InputError
from pipeline.runs.metadata_store import connection_config

# Project modules that a component's class finds by their names at run time: no import leads to them.
_FOUND_BY_NAME: dict[type[BaseComponent], tuple[str, ...]] = {
    Evaluator: (eval_config.METRIC_MODULE,),  # TFMA imports it by its evaluation config
    ServingCheck: (server.SERVER_MODULE,),  # started as a process
}
# Execution properties that hold the import path of a function.
_FUNCTIONS = (standard_component_specs.RUN_FN_KEY, standard_component_specs.PREPROCESSING_FN_KEY)
_SCHEMAS = "components/transform/schemas"
_MODEL_CARD = "components/pusher/model_card.md.j2"
LATEST = "latest"  # value of trainer.warm_start: the version that was pushed last


@dataclasses.dataclass(frozen=True)
class Launch:
    """What may differ from one run to the next while the pipeline stays the same.

    Each is a plain value here and one of TFX's RuntimeParameters on Kubeflow.

    Attributes:
      data: file or folder of the raw data; several as lines.
      fingerprint: of these files, see components.example_gen.fingerprint.
      push_to: root of the served models.
      max_steps: steps of a fit, at most, instead of `trainer.max_steps`; None: as the config says.
      training_job: the workers of a fit; None: it runs in the trainer's own process.
    """

    data: Any
    fingerprint: Any
    push_to: Any
    max_steps: Any = None
    training_job: JobParams | None = None

    @classmethod
    def local(cls, config: Config) -> Launch:
        """That of the config.

        Raises:
          ValueError: `data` is not set.
        """
        if config.data is None:
            raise ValueError("config.data is not set; pipeline.runs.data.resolve finds the data")
        data = config.data if isinstance(config.data, str) else "\n".join(config.data)
        return cls(data, fingerprint(data, config.example_gen), config.serving_dir)


def create_pipeline(config: Config, launch: Launch | None = None) -> Pipeline:
    """The whole graph.

    Args:
      config: without a `launch`, `data` must be set to a local folder (see pipeline.runs.data.resolve).
      launch: default `Launch.local(config)`.

    Raises:
      ValueError: `data` is not set.
      ConfigError: Beam refuses one of `beam_pipeline_args`.
    """
    launch = launch or Launch.local(config)
    data = _data(config, launch)
    transform = Transform(
        examples=data.items,
        schema=data.schema_items,
        preprocessing_fn=f"{preprocessing.__name__}.{preprocessing.preprocessing_fn.__name__}",
        custom_config=preprocessing.custom_config(config.transform, config.example_gen.item_features),
        # The trainer applies the graph itself, as serving does: a transformed copy,
        # its statistics and a cache of the analysis would be written and never read.
        materialize=False,
        disable_statistics=True,
        disable_analyzer_cache=True,
    ).with_id("transform")
    # Nothing is computed from data that was found wrong.
    transform.add_upstream_node(data.check)

    def trainer(timelines: BaseChannel, items: BaseChannel, repeat: FitToRepeat | None = None) -> Trainer:
        return Trainer(
            timelines=timelines,
            items=items,
            transform_graph=transform.outputs["transform_graph"],
            model_params=config.model,
            params=_warm_start(config),
            max_steps=launch.max_steps,
            **_fit_elsewhere(launch.training_job),
            repeat=repeat,
        )

    tested = trainer(data.timelines, data.items).with_id("trainer")
    tested.add_upstream_node(data.check)

    def final(timelines: BaseChannel, items: BaseChannel, blessing: BaseChannel) -> BaseComponent:
        model, model_run = tested.outputs["model"], tested.outputs["model_run"]
        return trainer(
            timelines, items, FitToRepeat(model=model, model_run=model_run, blessing=blessing)
        ).with_id("final_trainer")

    kind = {"kind": config.model.kind}
    judged = _judged(config, launch, data, tested, final if config.final_fit == contract.ALL else None, kind)
    return _pipeline(config, [*data.components, _on_sources(transform), _on_sources(tested), *judged])


def create_refresh(config: Config, version: versions.Version, allow_removals: bool) -> Pipeline:
    """The graph of a refresh: the towers of a version, nothing fitted, and the items of the data.

    Args:
      config: as `create_pipeline`.
      version: pushed.
      allow_removals: whether items of the version may be gone.

    Raises:
      ValueError: `data` is not set.
      InputError: the version was fitted on all events, and the tested model is gone.
      ConfigError: Beam refuses one of `beam_pipeline_args`.
    """
    launch = Launch.local(config)
    data = _data(config, launch)
    if version.unseen is None:
        raise InputError(
            f"version {version.number} was fitted on all events, and the model that was tested is gone: "
            "nothing can be measured on the test split; train (`marquee run`)"
        )
    check = CatalogueCheck(data.items, version.path, allow_removals).with_id("catalogue_check")
    check.add_upstream_node(data.check)
    refitted = version.record.get(contract.FINAL_FIT) == contract.ALL

    def towers(name: str) -> PushedTowers:
        return PushedTowers(launch.push_to, version.fitted_for, name)

    tested = towers(contract.MODEL_TESTED if refitted else contract.MODEL).with_id("pushed_towers")
    # Not an input: what was refreshed already is in the cache, whichever version is the last.
    tested.add_upstream_node(check)

    def final(timelines: BaseChannel, items: BaseChannel, blessing: BaseChannel) -> BaseComponent:
        return towers(contract.MODEL).with_id("final_pushed_towers")

    described = version.record.get("description") or {}
    about = {"kind": described.get("kind", config.model.kind), contract.REFRESHES: version.fitted_for}
    judged = _judged(config, launch, data, tested, final if refitted else None, about)
    return _pipeline(config, [*data.components, _on_sources(check), _on_sources(tested), *judged])


def _pipeline(config: Config, components: list[BaseComponent]) -> Pipeline:
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.artifacts_dir,
        metadata_connection_config=connection_config(config.metadata_url),
        enable_cache=config.cache,
        beam_pipeline_args=_beam_args(config.beam_pipeline_args),
        components=components,
    )


@dataclasses.dataclass(frozen=True)
class _Data:
    """The log read and checked."""

    components: list[BaseComponent]
    timelines: BaseChannel
    items: BaseChannel
    schema_items: BaseChannel
    check: BaseComponent


def _data(config: Config, launch: Launch) -> _Data:
    example_gen = ExampleGen(
        data_path=launch.data, fingerprint=launch.fingerprint, params=config.example_gen
    ).with_id("example_gen")
    timelines, items = example_gen.outputs["timelines"], example_gen.outputs["items"]

    statistics_timelines = StatisticsGen(examples=timelines).with_id("statistics_timelines")
    statistics_items = StatisticsGen(examples=items).with_id("statistics_items")
    of_users = Features(item=(), user=config.example_gen.user_features)
    schema_timelines = ImportSchema("timelines.pbtxt", of_users, timelines).with_id("schema_timelines")
    own = Features(item=config.example_gen.item_features)
    schema_items = ImportSchema("items.pbtxt", own, items).with_id("schema_items")
    validate_timelines = ExampleValidator(
        statistics=statistics_timelines.outputs["statistics"], schema=schema_timelines.outputs["schema"]
    ).with_id("validate_timelines")
    validate_items = ExampleValidator(
        statistics=statistics_items.outputs["statistics"], schema=schema_items.outputs["schema"]
    ).with_id("validate_items")
    data_check = DataCheck(
        timelines_anomalies=validate_timelines.outputs["anomalies"],
        items_anomalies=validate_items.outputs["anomalies"],
    ).with_id("data_check")
    components = [
        _on_sources(example_gen),
        _on_sources(statistics_timelines),
        _on_sources(statistics_items),
        _on_sources(schema_timelines, data=(f"{_SCHEMAS}/timelines.pbtxt",)),
        _on_sources(schema_items, data=(f"{_SCHEMAS}/items.pbtxt",)),
        _on_sources(validate_timelines),
        _on_sources(validate_items),
        _on_sources(data_check),
    ]
    return _Data(components, timelines, items, schema_items.outputs["schema"], data_check)


# The towers of a final fit, from all timelines, all items and the verdict on the tested model.
_FinalTowers = Callable[[BaseChannel, BaseChannel, BaseChannel], BaseComponent]


def _judged(
    config: Config,
    launch: Launch,
    data: _Data,
    towers: BaseComponent,
    final: _FinalTowers | None,
    about: dict[str, Any],
) -> list[BaseComponent]:
    """From towers to a push: index, gates, serving check.

    Args:
      towers: what makes the model to be tested.
      final: None if what is tested is what is pushed.
      about: what the model card and PUSHED.json say of the model beside what every run says.
    """
    index = Index(
        towers=towers.outputs["model"], items=data.items, timelines=data.timelines, params=config.index
    ).with_id("index")
    model = index.outputs["model"]
    baseline = Baseline(model=model, push_destination=launch.push_to).with_id("baseline")
    evaluator = Evaluator(
        examples=data.timelines,
        model=model,
        baseline_model=baseline.outputs["baseline"],
        params=config.evaluator,
    ).with_id("evaluator")
    # What is pushed: this model as it was tested, or its fit on all events.
    final_fit = _final_fit(config, data, index, evaluator, final) if final else None
    final_index = final_fit.index if final_fit else index
    final_evaluator = final_fit.evaluator if final_fit else evaluator
    serving_check = ServingCheck(
        model=final_index.outputs["model"],
        model_exact=final_index.outputs["model_exact"],
        blessing=final_evaluator.outputs["blessing"],
        params=config.serving_check,
        timelines=data.timelines,
        baseline=baseline.outputs["baseline"],
    ).with_id("serving_check")
    # The record holds the tested model's metrics: no held-out events are left to measure the final one.
    pusher = Pusher(
        model=final_index.outputs["model"],
        model_exact=final_index.outputs["model_exact"],
        blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["infra_blessing"],
        evaluation=evaluator.outputs["evaluation"],
        tested_model=model if final_fit else None,
        destination=launch.push_to,
        params=config.pusher,
        # No more than it says: what changes it pushes again.
        about=json.dumps({"name": config.name, "split": config.example_gen.split, **about}, sort_keys=True),
    ).with_id("pusher")
    return [
        _on_sources(index),
        _on_sources(baseline),
        _on_sources(evaluator),
        *(final_fit.components if final_fit else ()),
        _on_sources(serving_check),
        _on_sources(pusher, data=(_MODEL_CARD,)),
    ]


@dataclasses.dataclass(frozen=True)
class _FinalFit:
    """What stands between the gates and the push if the model is fitted on all events."""

    components: list[BaseComponent]
    index: Index
    evaluator: Evaluator


def _final_fit(
    config: Config, data: _Data, index: Index, evaluator: Evaluator, final: _FinalTowers
) -> _FinalFit:
    """The steps from the split's data to a judged model once more, with nothing held out."""
    all_events = AllEvents(timelines=data.timelines, items=data.items, params=config.example_gen).with_id(
        "all_events"
    )
    all_events.add_upstream_node(evaluator)  # no step needs it sooner
    all_timelines, all_items = all_events.outputs["all_timelines"], all_events.outputs["all_items"]
    towers = final(all_timelines, all_items, evaluator.outputs["blessing"])
    towers.add_upstream_node(all_events)  # those of a refresh read nothing
    final_index = Index(
        towers=towers.outputs["model"], items=all_items, timelines=all_timelines, params=config.index
    ).with_id("final_index")
    # A check of sanity: having seen the answers, it must not do worse than the model that has not.
    final_evaluator = Evaluator(
        examples=data.timelines,
        model=final_index.outputs["model"],
        baseline_model=index.outputs["model"],
        params=config.evaluator.for_all_events(),
    ).with_id("final_evaluator")
    components = [
        _on_sources(all_events),
        _on_sources(towers),
        _on_sources(final_index),
        _on_sources(final_evaluator),
    ]
    return _FinalFit(components, final_index, final_evaluator)


def _fit_elsewhere(training_job: JobParams | None) -> dict[str, Any]:
    """The trainer's arguments for a fit by a training job; none for one in the trainer's own process."""
    if training_job is None:
        return {}
    run_fn = f"{job.run_fn.__module__}.{job.run_fn.__name__}"
    return {"run_fn": run_fn, "custom_config": {job.JOB: training_job.to_json()}}


def _on_sources(component: BaseComponent, data: Sequence[str] = ()) -> BaseComponent:
    """The component with the hash of its sources among its properties.

    The executors do not read the property; it is there for the cache key.

    Args:
      data: files of the project that it reads.
    """
    component.spec.exec_properties[contract.CODE_HASH] = code_hash(modules(component), data)
    return component


def modules(component: BaseComponent) -> list[str]:
    """The project's modules that a step starts from: what they import runs with them.

    Its executor, its component, the functions that it calls by their import path and what else
    is found by name. A stock component that is given none of these runs nothing of the project.
    """
    properties = component.spec.exec_properties
    functions = [properties[key] for key in _FUNCTIONS if properties.get(key)]
    named = [
        type(component).__module__,
        component.executor_spec.class_path.rpartition(".")[0],
        *(function.rpartition(".")[0] for function in functions),
        *_FOUND_BY_NAME.get(type(component), ()),
    ]
    return [name for name in named if name.split(".")[0] in PROJECT]


def _beam_args(given: Sequence[str]) -> list[str]:
    """Beam's flags; for runners on this machine, without TFX's packing of its own sources.

    As soon as there is any flag, TFX builds a source archive of itself for each
    Beam component (3 seconds), for workers elsewhere. It leaves that out when a
    container image is named, which workers on this machine never read.

    Raises:
      ConfigError: Beam refuses a flag.
    """
    options = _beam_options(given)
    remote = options["runner"] not in (None, "FnApiRunner", "DirectRunner") or options["sdk_container_image"]
    return list(given) if remote or not given else [*given, "--sdk_container_image=not-read-on-this-machine"]


def _beam_options(given: Sequence[str]) -> dict[str, Any]:
    # Beam reads flags by argparse, which prints what is wrong and exits.
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            options: dict[str, Any] = PipelineOptions(list(given)).get_all_options()
    except SystemExit as stop:
        reason = printed.getvalue().strip().rpartition(" error: ")[2]
        raise ConfigError(
            f"beam_pipeline_args = {list(given)}: Beam refuses a flag: {reason}; must be a list of Beam's "
            "flags, each --NAME=VALUE"
        ) from stop
    return options


def _warm_start(config: Config) -> TrainerParams:
    """The trainer's section with `latest` replaced by the folder it means now.

    A run after a push therefore trains again: it has another model to start from.
    Of a version fitted on all events it is the model that was tested: weights that
    have seen the test split would make the next test worthless.
    """
    if config.trainer.warm_start != LATEST:
        return config.trainer
    version = versions.latest(config.serving_dir)
    return config.trainer.model_copy(update={"warm_start": (version and version.unseen) or ""})
