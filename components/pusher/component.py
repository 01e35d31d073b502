"""The Pusher in the pipeline's graph."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

import contract
from components.pusher.executor import Executor
from components.pusher.params import PusherParams


class PusherSpec(ComponentSpec):
    """Inputs, outputs and parameters of `Pusher`."""

    INPUTS = {  # noqa: RUF012 (TFX reads class attributes)
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_exact": ChannelParameter(type=standard_artifacts.Model),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "tested_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}  # noqa: RUF012
    PARAMETERS = {  # noqa: RUF012
        "destination": ExecutionParameter(type=str),
        contract.PARAMS: ExecutionParameter(type=str),
    }


class Pusher(base_component.BaseComponent):
    """Publishes both retrieval models under one version, if both blessings are good.

    Output: `pushed_model` (PushedModel), of which the property `pushed` says
    whether anything was pushed.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_exact: types.BaseChannel,
        blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        evaluation: types.BaseChannel,
        destination: str,
        params: PusherParams,
        tested_model: types.BaseChannel | None = None,
    ) -> None:
        """Adds the component.

        Args:
          model: the SavedModel to publish as contract.MODEL.
          model_exact: the SavedModel to publish as contract.MODEL_EXACT.
          blessing: the Evaluator's verdict.
          infra_blessing: the serving check's verdict.
          evaluation: the Evaluator's metrics, copied into PUSHED.json.
          destination: root of the served models, a path or an object store's URI.
          params: retention.
          tested_model: the SavedModel that `evaluation` is about, where `model` is
            its fit on all events. It is published as contract.MODEL_TESTED.
        """
        spec = PusherSpec(
            model=model,
            model_exact=model_exact,
            blessing=blessing,
            infra_blessing=infra_blessing,
            evaluation=evaluation,
            tested_model=tested_model,
            pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            destination=destination,
            **{contract.PARAMS: params.to_json()},
        )
        super().__init__(spec=spec)
