"""The serving check in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing

from components.common.step import Step
from components.serving_check import executor
from components.serving_check.params import ServingCheckParams


class ServingCheck(
    Step,
    executor=executor.Executor,
    inputs={executor.MODEL: Model, executor.MODEL_EXACT: Model, executor.BLESSING: ModelBlessing},
    optional=(executor.BLESSING,),
    outputs={executor.INFRA_BLESSING: InfraBlessing},
):
    """Starts the model server on both models and has each answer its warm-up requests.

    Output: `infra_blessing` (InfraBlessing), with the marker file and the
    `blessed` property of TFX's InfraValidator and a report with the reason.

    Args:
      model, model_exact: the retrieval models.
      blessing: ModelBlessing of the evaluator; models it refuses are not
        checked. None checks in any case.
      params: time limit.
    """

    def __init__(
        self,
        model: BaseChannel,
        model_exact: BaseChannel,
        blessing: BaseChannel | None,
        params: ServingCheckParams,
    ) -> None:
        super().__init__(model=model, model_exact=model_exact, blessing=blessing, params=params)
