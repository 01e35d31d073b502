"""The TFX component."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.types.experimental import simple_artifacts

import contract
from components.example_gen import executor


class ExampleGenSpec(types.ComponentSpec):
    PARAMETERS: ClassVar[dict[str, Any]] = {
        executor.DATA_PATH: ExecutionParameter(type=str),
        contract.DATA_FINGERPRINT: ExecutionParameter(type=str),
        contract.PARAMS: ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, Any]] = {}
    OUTPUTS: ClassVar[dict[str, Any]] = {
        executor.TIMELINES: ChannelParameter(type=standard_artifacts.Examples),
        executor.ITEMS: ChannelParameter(type=standard_artifacts.Examples),
        executor.QUARANTINE: ChannelParameter(type=simple_artifacts.File),
    }


class ExampleGen(base_beam_component.BaseBeamComponent):
    """Reads a log; emits `timelines` (train, eval, test), `items` and `quarantine`.

    `quarantine` holds contract.BAD_ROWS, the rows that were set aside, and contract.ROWS,
    where all rows went. Its type is TFX's: one of the project's cannot travel through Kubeflow.

    Args:
      data_path: file or folder, local or a URL, in one of the layouts of `layouts`.
      fingerprint: `fingerprint.fingerprint` of it. Not read: it makes the cache
        miss when the files change under the same path.
      params: ExampleGenParams as JSON.
    """

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, data_path: str, fingerprint: str, params: str):
        super().__init__(
            spec=ExampleGenSpec(
                **{
                    executor.DATA_PATH: data_path,
                    contract.DATA_FINGERPRINT: fingerprint,
                    contract.PARAMS: params,
                    executor.TIMELINES: types.Channel(type=standard_artifacts.Examples),
                    executor.ITEMS: types.Channel(type=standard_artifacts.Examples),
                    executor.QUARANTINE: types.Channel(type=simple_artifacts.File),
                }
            )
        )
