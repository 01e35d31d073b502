"""What the metadata store knows of runs: nodes, states, outputs.

Reads ML Metadata directly, without TFX: `marquee status` answers in a second,
and the local runner reads each component's outcome by the same functions.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterator, Mapping

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

# Names that TFX gives its contexts in the store (tfx.dsl.compiler.constants).
_PIPELINE = "pipeline"
_RUN = "pipeline_run"
_NODE = "node"
# Custom property by which each kind of artifact says yes (1) or no (0).
_VERDICTS = {"ModelBlessing": "blessed", "InfraBlessing": "blessed", "PushedModel": "pushed"}


# Custom property of an execution, a number of MiB.
PEAK_MEMORY = "marquee_peak_memory_mib"


class State(enum.StrEnum):
    """How a component ended."""

    RAN = "ran"
    CACHED = "cached"
    REFUSED = "refused"  # it ended, and its verdict on the model is no
    FAILED = "failed"
    UNFINISHED = "unfinished"  # running, or its run was killed
    SKIPPED = "skipped"  # on Kubeflow: its condition does not hold, or what it waits for was skipped


_STATES = {
    mlmd.Execution.COMPLETE: State.RAN,
    mlmd.Execution.CACHED: State.CACHED,
    mlmd.Execution.FAILED: State.FAILED,
    mlmd.Execution.CANCELED: State.FAILED,
}


@dataclasses.dataclass(frozen=True)
class Output:
    """One artifact: its type's name, where it lies, what it says of itself."""

    type: str
    uri: str
    properties: Mapping[str, str | int | float]

    @property
    def refused(self) -> bool:
        """Whether this is a verdict, and it is no."""
        verdict = _VERDICTS.get(self.type)
        return verdict is not None and self.properties.get(verdict) == 0


@dataclasses.dataclass(frozen=True)
class NodeRun:
    """One component in one run.

    Attributes:
      node: id in the DAG.
      state: how it ended; a cached refusal is REFUSED too, with `cached` set.
      cached: whether it was served from the cache.
      started: Unix seconds.
      seconds: how long it took, driver and publishing included.
      outputs: artifacts by output key.
      properties: of the execution: its parameters, the hash of its sources, PEAK_MEMORY.
    """

    node: str
    state: State
    cached: bool
    started: float
    seconds: float
    outputs: Mapping[str, tuple[Output, ...]]
    properties: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)

    @property
    def peak_memory(self) -> float | None:
        """The most memory of the run's process during this step, MiB; None if it was not measured."""
        value = self.properties.get(PEAK_MEMORY)
        return None if value is None else float(value)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the pipeline; `nodes` in the order they started."""

    run_id: str
    nodes: tuple[NodeRun, ...]

    @property
    def started(self) -> float:
        return min((node.started for node in self.nodes), default=0.0)

    def node(self, node_id: str) -> NodeRun | None:
        return next((node for node in self.nodes if node.node == node_id), None)


def new_run_id() -> str:
    """Local time to the millisecond, sortable: 20260131-235959-123."""
    return datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]


def runs(store: MetadataStore, pipeline: str) -> list[Run]:
    """All runs of the pipeline of that name, oldest first."""
    context = store.get_context_by_type_and_name(_PIPELINE, pipeline)
    if context is None:
        return []
    by_run: dict[str, list[mlmd.Execution]] = {}
    for execution in store.get_executions_by_context(context.id):
        for name in _context_names(store, execution.id, _RUN):
            by_run.setdefault(name, []).append(execution)
    found = [Run(run_id, tuple(_node_runs(store, executions))) for run_id, executions in by_run.items()]
    return sorted(found, key=lambda run: run.started)


def node_run(store: MetadataStore, execution_id: int) -> NodeRun:
    """One execution, by its id in the store."""
    [execution] = store.get_executions_by_id([execution_id])
    return next(_node_runs(store, [execution]))


def _node_runs(store: MetadataStore, executions: list[mlmd.Execution]) -> Iterator[NodeRun]:
    for execution in sorted(executions, key=lambda e: (e.create_time_since_epoch, e.id)):
        outputs = _outputs(store, execution.id)
        state = _STATES.get(execution.last_known_state, State.UNFINISHED)
        refused = any(output.refused for artifacts in outputs.values() for output in artifacts)
        started = execution.create_time_since_epoch / 1000
        yield NodeRun(
            node=next(iter(_context_names(store, execution.id, _NODE)), "?").rpartition(".")[2],
            state=State.REFUSED if refused else state,
            cached=state is State.CACHED,
            started=started,
            seconds=execution.last_update_time_since_epoch / 1000 - started,
            outputs=outputs,
            properties=_properties(execution),
        )


def _context_names(store: MetadataStore, execution_id: int, kind: str) -> list[str]:
    return [context.name for context in store.get_contexts_by_execution(execution_id) if context.type == kind]


def _outputs(store: MetadataStore, execution_id: int) -> dict[str, tuple[Output, ...]]:
    events = [e for e in store.get_events_by_execution_ids([execution_id]) if e.type == mlmd.Event.OUTPUT]
    artifacts = {a.id: a for a in store.get_artifacts_by_id([event.artifact_id for event in events])}
    outputs: dict[str, tuple[Output, ...]] = {}
    for event in events:
        key = event.path.steps[0].key
        artifact = artifacts[event.artifact_id]
        outputs[key] = (*outputs.get(key, ()), Output(artifact.type, artifact.uri, _properties(artifact)))
    return outputs


def _properties(artifact: mlmd.Artifact | mlmd.Execution) -> dict[str, str | int | float]:
    values = {**artifact.properties, **artifact.custom_properties}
    return {
        name: getattr(value, field)
        for name, value in values.items()
        if (field := value.WhichOneof("value")) in ("string_value", "int_value", "double_value")
    }
