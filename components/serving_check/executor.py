"""Checks both models unless the gates have refused them already."""

from __future__ import annotations

import logging
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

import contract
from components.serving_check import report
from components.serving_check.check import check
from components.serving_check.params import ServingCheckParams
from components.serving_check.verdict import Verdict

_log = logging.getLogger(__name__)

MODEL = "model"
MODEL_EXACT = "model_exact"
BLESSING = "blessing"
INFRA_BLESSING = "infra_blessing"
# Custom property that TFX's Pusher reads.
BLESSED_PROPERTY = "blessed"


class Executor(base_executor.BaseExecutor):
    """A model that fails is a result, not an error: nothing raises, the pusher pushes nothing."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        params = ServingCheckParams.from_json(exec_properties[contract.PARAMS])
        infra_blessing = artifact_utils.get_single_instance(output_dict[INFRA_BLESSING])
        verdicts: list[Verdict] = []
        skipped = ""
        if _refused(input_dict.get(BLESSING)):
            skipped = report.REFUSED_BY_GATES
        else:
            model_dirs = {
                name: path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[key]))
                for name, key in ((contract.MODEL, MODEL), (contract.MODEL_EXACT, MODEL_EXACT))
            }
            verdicts = check(model_dirs, params.timeout_s)
            for verdict in verdicts:
                _log.info("serving check: %s", verdict)
        ok = report.write_report(infra_blessing.uri, verdicts, skipped)
        infra_blessing.set_int_custom_property(BLESSED_PROPERTY, int(ok))


def _refused(blessings: list[types.Artifact] | None) -> bool:
    return bool(blessings) and not model_utils.is_model_blessed(artifact_utils.get_single_instance(blessings))
