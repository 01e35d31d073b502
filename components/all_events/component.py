"""The joining of the splits in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples

from components.all_events import executor
from components.common.step import Step
from components.example_gen.params import ExampleGenParams


class AllEvents(
    Step,
    executor=executor.Executor,
    inputs={executor.TIMELINES: Examples, executor.ITEMS: Examples},
    outputs={executor.ALL_TIMELINES: Examples, executor.ALL_ITEMS: Examples},
):
    """The data set with nothing held out, in the form in which ExampleGen holds out.

    So the trainer and the index of a final fit are those of the tested one,
    on other artifacts. Outputs: `all_timelines` with the one split train, whose
    histories are all events of each user; `all_items`, whose rating counts and
    means are of all events. An item's tags stay those known at the end of train.

    Args:
      timelines, items: ExampleGen's.
      params: how large the shards are.
    """

    def __init__(self, timelines: BaseChannel, items: BaseChannel, params: ExampleGenParams) -> None:
        super().__init__(timelines=timelines, items=items, params=params)
