"""The data check in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.experimental.simple_artifacts import File
from tfx.types.standard_artifacts import ExampleAnomalies

from components.common.step import Step
from components.data_check import executor


class DataCheck(
    Step,
    executor=executor.Executor,
    inputs={
        executor.TIMELINES_ANOMALIES: ExampleAnomalies,
        executor.ITEMS_ANOMALIES: ExampleAnomalies,
    },
    outputs={executor.REPORT: File},
    properties=(),
):
    """Stops the run on any anomaly: ExampleValidator itself only marks its output.

    What must not run on bad data comes after it:
    `transform.add_upstream_node(data_check)`.

    Args:
      timelines_anomalies: `anomalies` of the ExampleValidator on timelines.
      items_anomalies: the same on items.

    Output: `report`, anomalies.json: a list of {dataset, split, feature, reason, detail},
    empty when all is well.
    """

    def __init__(self, timelines_anomalies: BaseChannel, items_anomalies: BaseChannel) -> None:
        super().__init__(timelines_anomalies=timelines_anomalies, items_anomalies=items_anomalies)
