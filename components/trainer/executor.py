"""TFX's generic trainer, told where the two data sets are."""

from __future__ import annotations

import logging
from typing import Any

from tfx import types
from tfx.components.trainer import executor as tfx_executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.util import model_utils
from tfx.types import artifact_utils, standard_component_specs

import contract
from components.common import storage
from components.trainer import run

_log = logging.getLogger(__name__)

ITEMS_KEY = "items"
# Of a final fit alone.
TESTED_MODEL_KEY = "tested_model"
TESTED_RUN_KEY = "tested_run"
BLESSING_KEY = "blessing"
# Execution property of a run that says how long to train, in place of the config.
MAX_STEPS_KEY = "max_steps"


class Executor(tfx_executor.GenericExecutor):
    """Adds the URIs of timelines and items and the hash of the sources to what `run_fn` gets.

    `_GetFnArgs` is private to TFX; TFX is pinned and a test covers the override.
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Fits. A model that the gates refused is not fitted again, but passed on as it is.

        So the graph always completes, and the pusher acts on the same verdict.
        """
        blessings = input_dict.get(BLESSING_KEY)
        if not blessings or model_utils.is_model_blessed(artifact_utils.get_single_instance(blessings)):
            super().Do(input_dict, output_dict, exec_properties)
            return
        _log.warning("The gates refused the tested model: it is not fitted again, but passed on.")
        storage.link_tree(
            artifact_utils.get_single_uri(input_dict[TESTED_MODEL_KEY]),
            artifact_utils.get_single_uri(output_dict[standard_component_specs.MODEL_KEY]),
        )

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
            run.ITEMS: artifact_utils.get_single_uri(input_dict[ITEMS_KEY]),
            run.CODE: exec_properties.get(contract.CODE_HASH),
        }
        if input_dict.get(TESTED_RUN_KEY):
            tested_run = artifact_utils.get_single_uri(input_dict[TESTED_RUN_KEY])
            fn_args.custom_config[run.TESTED_RUN] = tested_run
        if exec_properties.get(MAX_STEPS_KEY) is not None:
            fn_args.custom_config[run.MAX_STEPS] = exec_properties[MAX_STEPS_KEY]
        return fn_args
