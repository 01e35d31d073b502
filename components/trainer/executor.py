"""TFX's generic trainer, told where the two data sets are."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.components.trainer import executor as tfx_executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import artifact_utils, standard_component_specs

from components.trainer import run

MOVIES_KEY = "movies"


class Executor(tfx_executor.GenericExecutor):
    """Adds the URIs of timelines and movies to what `run_fn` gets.

    `_GetFnArgs` is private to TFX; TFX is pinned and a test covers the override.
    """

    def _GetFnArgs(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config = {
            **fn_args.custom_config,
            run.TIMELINES: artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY]),
            run.MOVIES: artifact_utils.get_single_uri(input_dict[MOVIES_KEY]),
        }
        return fn_args
