"""The index as a TFX component."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

import contract
from components.index import executor
from components.index.params import IndexParams


class IndexSpec(types.ComponentSpec):
    PARAMETERS: ClassVar[dict[str, Any]] = {contract.PARAMS: ExecutionParameter(type=str)}
    INPUTS: ClassVar[dict[str, Any]] = {
        executor.TOWERS: ChannelParameter(type=standard_artifacts.Model),
        executor.ITEMS: ChannelParameter(type=standard_artifacts.Examples),
        executor.TIMELINES: ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        executor.MODEL: ChannelParameter(type=standard_artifacts.Model),
        executor.MODEL_EXACT: ChannelParameter(type=standard_artifacts.Model),
    }


class Index(base_component.BaseComponent):
    """Two retrieval SavedModels out of the trained towers.

    Outputs: `model` (contract.MODEL: ScaNN and exact search) and `model_exact`
    (contract.MODEL_EXACT: stock operations only).

    Args:
      towers: Model, what the trainer wrote.
      items: Examples, raw: the catalogue.
      timelines: Examples; histories become the table behind `recommend_user`.
      params: limits and search.
    """

    SPEC_CLASS = IndexSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        towers: types.BaseChannel,
        items: types.BaseChannel,
        timelines: types.BaseChannel,
        params: IndexParams,
    ) -> None:
        super().__init__(
            spec=IndexSpec(
                **{
                    executor.TOWERS: towers,
                    executor.ITEMS: items,
                    executor.TIMELINES: timelines,
                    contract.PARAMS: params.to_json(),
                    executor.MODEL: types.Channel(type=standard_artifacts.Model),
                    executor.MODEL_EXACT: types.Channel(type=standard_artifacts.Model),
                }
            )
        )
