"""The Pusher in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, ModelEvaluation, PushedModel

import contract
from components.common.step import Step
from components.pusher.executor import Executor
from components.pusher.params import PusherParams


class Pusher(
    Step,
    executor=Executor,
    inputs={
        "model": Model,
        "model_exact": Model,
        "blessing": ModelBlessing,
        "infra_blessing": InfraBlessing,
        "evaluation": ModelEvaluation,
        "tested_model": Model,
    },
    optional=("tested_model",),
    outputs={"pushed_model": PushedModel},
    properties=("destination", contract.PARAMS, contract.ABOUT),
):
    """Publishes both retrieval models under one version, if both blessings are good.

    Output: `pushed_model` (PushedModel), of which the property `pushed` says
    whether anything was pushed.

    Args:
      model: the SavedModel to publish as contract.MODEL.
      model_exact: the SavedModel to publish as contract.MODEL_EXACT.
      blessing: the Evaluator's verdict.
      infra_blessing: the serving check's verdict.
      evaluation: the Evaluator's metrics, copied into PUSHED.json.
      destination: root of the served models, a path or an object store's URI.
      params: retention, and what the model card says.
      about: what the card says of the pipeline, JSON: its `name`, `kind` of model, rule of the `split`,
        and contract.REFRESHES if nothing was fitted.
      tested_model: the SavedModel that `evaluation` is about, where `model` is
        its fit on all events. It is published as contract.MODEL_TESTED.
    """

    def __init__(
        self,
        model: BaseChannel,
        model_exact: BaseChannel,
        blessing: BaseChannel,
        infra_blessing: BaseChannel,
        evaluation: BaseChannel,
        destination: str,
        params: PusherParams,
        about: str,
        tested_model: BaseChannel | None = None,
    ) -> None:
        super().__init__(
            model=model,
            model_exact=model_exact,
            blessing=blessing,
            infra_blessing=infra_blessing,
            evaluation=evaluation,
            tested_model=tested_model,
            destination=destination,
            params=params,
            about=about,
        )
