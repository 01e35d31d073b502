"""The TFX component."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter
from tfx.types.experimental import simple_artifacts

from components.data_check import executor


class DataCheckSpec(types.ComponentSpec):
    PARAMETERS: ClassVar[dict[str, Any]] = {}
    INPUTS: ClassVar[dict[str, Any]] = {
        executor.TIMELINES_ANOMALIES: ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        executor.ITEMS_ANOMALIES: ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    # A type of TFX's own: one of the project's cannot travel through Kubeflow.
    OUTPUTS: ClassVar[dict[str, Any]] = {executor.REPORT: ChannelParameter(type=simple_artifacts.File)}


class DataCheck(base_component.BaseComponent):
    """Stops the run on any anomaly: ExampleValidator itself only marks its output.

    What must not run on bad data comes after it:
    `transform.add_upstream_node(data_check)`.

    Args:
      timelines_anomalies: `anomalies` of the ExampleValidator on timelines.
      items_anomalies: the same on items.

    Output: `report`, anomalies.json: a list of {dataset, split, feature, reason, detail},
    empty when all is well.
    """

    SPEC_CLASS = DataCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, timelines_anomalies: types.BaseChannel, items_anomalies: types.BaseChannel):
        super().__init__(
            spec=DataCheckSpec(
                **{
                    executor.TIMELINES_ANOMALIES: timelines_anomalies,
                    executor.ITEMS_ANOMALIES: items_anomalies,
                    executor.REPORT: types.Channel(type=simple_artifacts.File),
                }
            )
        )
