"""The catalogue check in the graph of a refresh."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.experimental.simple_artifacts import File
from tfx.types.standard_artifacts import Examples

from components.catalogue_check import executor
from components.common.step import Step


class CatalogueCheck(
    Step,
    executor=executor.Executor,
    inputs={executor.ITEMS: Examples},
    outputs={executor.REPORT: File},
    properties=(executor.MODEL_DIR, executor.ALLOW_REMOVALS),
):
    """Stops a refresh that would lose items, or whose columns are not those that the towers read.

    Output: `report`, contract.CATALOGUE_CHANGES.

    Args:
      items: Examples, the new catalogue.
      model_dir: the last pushed version's folder of contract.MODEL, a path or a URL.
      allow_removals: whether items may be gone.
    """

    def __init__(self, items: BaseChannel, model_dir: str, allow_removals: bool) -> None:
        super().__init__(items=items, model_dir=model_dir, allow_removals="yes" if allow_removals else "")
