"""The joining of the splits in the pipeline's graph."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

import contract
from components.all_events import executor
from components.example_gen.params import ExampleGenParams


class AllEventsSpec(types.ComponentSpec):
    PARAMETERS: ClassVar[dict[str, Any]] = {contract.PARAMS: ExecutionParameter(type=str)}
    INPUTS: ClassVar[dict[str, Any]] = {
        executor.TIMELINES: ChannelParameter(type=standard_artifacts.Examples),
        executor.ITEMS: ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        executor.ALL_TIMELINES: ChannelParameter(type=standard_artifacts.Examples),
        executor.ALL_ITEMS: ChannelParameter(type=standard_artifacts.Examples),
    }


class AllEvents(base_component.BaseComponent):
    """The data set with nothing held out, in the form in which ExampleGen holds out.

    So the trainer and the index of a final fit are those of the tested one,
    on other artifacts. Outputs: `all_timelines` with the one split train, whose
    histories are all events of each user; `all_items`, whose rating counts and
    means are of all events. An item's tags stay those known at the end of train.

    Args:
      timelines, items: ExampleGen's.
      params: how large the shards are.
    """

    SPEC_CLASS = AllEventsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, timelines: types.BaseChannel, items: types.BaseChannel, params: ExampleGenParams):
        super().__init__(
            spec=AllEventsSpec(
                **{
                    executor.TIMELINES: timelines,
                    executor.ITEMS: items,
                    contract.PARAMS: params.to_json(),
                    executor.ALL_TIMELINES: types.Channel(type=standard_artifacts.Examples),
                    executor.ALL_ITEMS: types.Channel(type=standard_artifacts.Examples),
                }
            )
        )
