"""The serving check in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, ModelBlessing

from components.common.step import Step
from components.serving_check import executor
from components.serving_check.params import ServingCheckParams


class ServingCheck(
    Step,
    executor=executor.Executor,
    inputs={
        executor.MODEL: Model,
        executor.MODEL_EXACT: Model,
        executor.BLESSING: ModelBlessing,
        executor.TIMELINES: Examples,
        executor.BASELINE: Model,
    },
    optional=(executor.BLESSING, executor.TIMELINES, executor.BASELINE),
    outputs={executor.INFRA_BLESSING: InfraBlessing},
):
    """Starts the model server on both models, has each answer its warm-up requests, and times queries.

    Output: `infra_blessing` (InfraBlessing), with the marker file and the
    `blessed` property of TFX's InfraValidator and a report with the reason.

    Args:
      model, model_exact: the retrieval models.
      blessing: ModelBlessing of the evaluator; models it refuses are not
        checked. None checks in any case.
      params: time limit, and what of latency.
      timelines: Examples whose test split the timed queries are from. None: latency is not measured.
      baseline: Model that latency is compared with, the last pushed one; an empty folder or None: none.
    """

    def __init__(
        self,
        model: BaseChannel,
        model_exact: BaseChannel,
        blessing: BaseChannel | None,
        params: ServingCheckParams,
        timelines: BaseChannel | None = None,
        baseline: BaseChannel | None = None,
    ) -> None:
        super().__init__(
            model=model,
            model_exact=model_exact,
            blessing=blessing,
            params=params,
            timelines=timelines,
            baseline=baseline,
        )
