"""ExampleGen in the pipeline's graph."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_beam_component
from tfx.types.experimental.simple_artifacts import File
from tfx.types.standard_artifacts import Examples

import contract
from components.common.step import Step
from components.example_gen import executor
from components.example_gen.params import ExampleGenParams


class ExampleGen(
    Step,
    base_beam_component.BaseBeamComponent,
    executor=executor.Executor,
    outputs={executor.TIMELINES: Examples, executor.ITEMS: Examples, executor.QUARANTINE: File},
    properties=(executor.DATA_PATH, contract.DATA_FINGERPRINT, contract.PARAMS),
):
    """Reads a log; emits `timelines` (train, eval, test), `items` and `quarantine`.

    `quarantine` holds contract.BAD_ROWS, the rows that were set aside, and contract.ROWS,
    where all rows went.

    Args:
      data_path: file or folder, local or a URL, in one of the layouts of `layouts`, or several as lines;
        or a RuntimeParameter.
      fingerprint: `fingerprint.fingerprint` of it, or a RuntimeParameter. Not read: it makes the cache
        miss when the files change under the same path.
      params: what is read, how it is split and written.
    """

    def __init__(self, data_path: Any, fingerprint: Any, params: ExampleGenParams) -> None:
        super().__init__(data_path=data_path, data_fingerprint=fingerprint, params=params)
