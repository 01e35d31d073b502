"""The index in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Model

from components.common.step import Step
from components.index import executor
from components.index.params import IndexParams


class Index(
    Step,
    executor=executor.Executor,
    inputs={executor.TOWERS: Model, executor.ITEMS: Examples, executor.TIMELINES: Examples},
    outputs={executor.MODEL: Model, executor.MODEL_EXACT: Model},
):
    """Two retrieval SavedModels out of the trained towers.

    Outputs: `model` (contract.MODEL: ScaNN and exact search) and `model_exact`
    (contract.MODEL_EXACT: stock operations only).

    Args:
      towers: Model, what the trainer wrote.
      items: Examples, raw: the catalogue.
      timelines: Examples; histories become the table behind `recommend_user`.
      params: limits and search.
    """

    def __init__(
        self, towers: BaseChannel, items: BaseChannel, timelines: BaseChannel, params: IndexParams
    ) -> None:
        super().__init__(towers=towers, items=items, timelines=timelines, params=params)
