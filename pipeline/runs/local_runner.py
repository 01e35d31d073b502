"""Runs the DAG in this process, one component after the other.

TFX's LocalDagRunner with a listener: the same launcher, node by node, and the
caller hears when each starts and how it ended. Caching, metadata and failure
records are the launcher's.

A run that is killed leaves an execution in state RUNNING. It does not stand
in the way: the cache counts completed executions only, inputs are resolved
within the new run, and each execution writes to a folder of its own number.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from typing import Protocol

from ml_metadata.metadata_store import MetadataStore
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils

from components.common import disk
from pipeline import peak_memory
from pipeline.errors import BAD_INPUT, FAILED, ComponentFailedError
from pipeline.runs.root_cause import is_bad_data, root_cause
from pipeline.runs.run_records import NodeRun, State, node_run

_log = logging.getLogger(__name__)

_DISK_FULL = (
    "a disk is full: {told} now that what the step had begun is deleted. Make room and run again: what the "
    "other steps finished is kept"
)


class Listener(Protocol):
    """Hears of each component as the run goes."""

    def planned(self, node_ids: Sequence[str]) -> None: ...

    def started(self, node_id: str) -> None: ...

    def finished(self, outcome: NodeRun) -> None: ...

    def failed(self, node_id: str, seconds: float) -> None: ...


def run(pipeline: Pipeline, run_id: str, listener: Listener) -> list[NodeRun]:
    """Run every component in order; stop at the first that fails.

    A refused model fails nothing: the components after the refusal see the
    verdict in their inputs and act on it.

    Raises:
      ComponentFailedError: with the root error's text; the component's own
        exception is its cause.
    """
    graph = compiler.Compiler().compile(pipeline)
    runtime_parameter_utils.substitute_runtime_parameter(
        graph, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    deployment = runner_utils.extract_local_deployment_config(graph)
    stores = deployment.metadata_connection_config
    connection = getattr(stores, stores.WhichOneof("connection_config"))

    listener.planned([entry.pipeline_node.node_info.id for entry in graph.nodes])
    outcomes = []
    for entry in graph.nodes:
        node = entry.pipeline_node
        node_id = node.node_info.id
        listener.started(node_id)
        begin = time.monotonic()
        peak_memory.restart()
        try:
            execution = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=graph.pipeline_info,
                pipeline_runtime_spec=graph.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
            ).launch()
        except Exception as error:
            # Whatever a component raises ends the run; here it becomes the
            # one error that callers know, with its origin attached.
            _log.exception("%s failed", node_id)
            listener.failed(node_id, time.monotonic() - begin)
            code = BAD_INPUT if is_bad_data(error) else FAILED
            reason = root_cause(error)
            if disk.is_full(error):
                root = graph.runtime_spec.pipeline_root.field_value.string_value
                reason += f"\n{_DISK_FULL.format(told=disk.told(root, tempfile.gettempdir()))}"
            raise ComponentFailedError(node_id, reason, code) from error
        if execution is None or execution.execution_id is None:
            listener.failed(node_id, time.monotonic() - begin)
            raise ComponentFailedError(node_id, "its inputs are missing: an earlier component gave no output")
        store = MetadataStore(connection)
        peak_memory.record(store, execution.execution_id)
        outcome = node_run(store, execution.execution_id)
        if outcome.state not in (State.RAN, State.CACHED, State.REFUSED):
            listener.failed(node_id, time.monotonic() - begin)
            raise ComponentFailedError(node_id, f"it ended in state {outcome.state}; the log says why")
        _log.info("%s: %s in %.1f s", node_id, outcome.state, outcome.seconds)
        outcomes.append(outcome)
        listener.finished(outcome)
    return outcomes
