"""The pushed towers in the graph of a refresh."""

from __future__ import annotations

from tfx.types.standard_artifacts import Model

from components.common.step import Step
from components.pushed_towers import executor


class PushedTowers(
    Step,
    executor=executor.Executor,
    outputs={executor.MODEL: Model},
    properties=(executor.DESTINATION, executor.FITTED_FOR, executor.NAME),
):
    """Takes the towers out of a pushed model, as the trainer would have written them.

    Output: `model` (Model), what the Index reads.

    Args:
      destination: root of the served models, a path or an object store's URI.
      fitted_for: the version that the towers were fitted for. A refresh has the same towers under
        another number, and any of these versions will do; so the next refresh has them from the cache.
      name: contract.MODEL, or contract.MODEL_TESTED for those that have not seen the test split.
    """

    def __init__(self, destination: str, fitted_for: int, name: str) -> None:
        super().__init__(destination=destination, fitted_for=str(fitted_for), name=name)
