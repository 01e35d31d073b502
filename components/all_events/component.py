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
    inputs={executor.TIMELINES: Examples, executor.MOVIES: Examples},
    outputs={executor.ALL_TIMELINES: Examples, executor.ALL_MOVIES: Examples},
):
    """The data set with nothing held out, in the form in which ExampleGen holds out.

    So the trainer and the index of a final fit are those of the tested one,
    on other artifacts. Outputs: `all_timelines` with the one split train, whose
    histories are all events of each user; `all_movies`, whose rating counts and
    means are of all events. A movie's tags stay those known at the end of train.

    Args:
      timelines, movies: ExampleGen's.
      params: how large the shards are.
    """

    def __init__(self, timelines: BaseChannel, movies: BaseChannel, params: ExampleGenParams) -> None:
        super().__init__(timelines=timelines, movies=movies, params=params)
