"""The serving check as a TFX component."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

import contract
from components.serving_check import executor
from components.serving_check.params import ServingCheckParams


class ServingCheckSpec(types.ComponentSpec):
    PARAMETERS: ClassVar[dict[str, Any]] = {contract.PARAMS: ExecutionParameter(type=str)}
    INPUTS: ClassVar[dict[str, Any]] = {
        executor.MODEL: ChannelParameter(type=standard_artifacts.Model),
        executor.MODEL_EXACT: ChannelParameter(type=standard_artifacts.Model),
        executor.BLESSING: ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        executor.INFRA_BLESSING: ChannelParameter(type=standard_artifacts.InfraBlessing)
    }


class ServingCheck(base_component.BaseComponent):
    """Starts the model server on both models and has each answer its warm-up requests.

    Output: `infra_blessing` (InfraBlessing), with the marker file and the
    `blessed` property of TFX's InfraValidator and a report with the reason.

    Args:
      model, model_exact: the retrieval models.
      params: time limit.
      blessing: ModelBlessing of the evaluator; models it refuses are not
        checked. None checks in any case.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_exact: types.BaseChannel,
        blessing: types.BaseChannel | None,
        params: ServingCheckParams,
    ) -> None:
        inputs = {executor.MODEL: model, executor.MODEL_EXACT: model_exact}
        if blessing is not None:
            inputs[executor.BLESSING] = blessing
        super().__init__(
            spec=ServingCheckSpec(
                **inputs,
                **{
                    contract.PARAMS: params.to_json(),
                    executor.INFRA_BLESSING: types.Channel(type=standard_artifacts.InfraBlessing),
                },
            )
        )
