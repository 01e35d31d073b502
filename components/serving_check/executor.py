"""Checks both models unless the gates have refused them already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.components.util import model_utils
from tfx.utils import path_utils

import contract
from components.common.step import StepExecutor
from components.serving_check import report
from components.serving_check.check import Trial, check
from components.serving_check.params import ServingCheckParams
from components.serving_check.verdict import Verdict

_log = logging.getLogger(__name__)

MODEL = "model"
MODEL_EXACT = "model_exact"
BLESSING = "blessing"
TIMELINES = "timelines"
BASELINE = "baseline"
INFRA_BLESSING = "infra_blessing"
# Custom property that TFX's Pusher reads.
BLESSED_PROPERTY = "blessed"


class Executor(StepExecutor):
    """A model that fails is a result, not an error: nothing raises, the pusher pushes nothing."""

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        params = ServingCheckParams.from_json(properties[contract.PARAMS])
        infra_blessing = outputs[INFRA_BLESSING]
        verdicts: list[Verdict] = []
        skipped = ""
        blessing = inputs.get(BLESSING)
        if blessing and not model_utils.is_model_blessed(blessing):
            skipped = report.REFUSED_BY_GATES
        else:
            model_dirs = {
                name: path_utils.serving_model_path(inputs[key].uri)
                for name, key in ((contract.MODEL, MODEL), (contract.MODEL_EXACT, MODEL_EXACT))
            }
            verdicts = check(model_dirs, params.timeout_s, trial=_trial(inputs, params))
            for verdict in verdicts:
                _log.info("serving check: %s", verdict)
        ok = report.write_report(infra_blessing.uri, verdicts, skipped)
        infra_blessing.set_int_custom_property(BLESSED_PROPERTY, int(ok))


def _trial(inputs: Mapping[str, types.Artifact], params: ServingCheckParams) -> Trial | None:
    """What latency is measured by; None if it is not."""
    timelines = inputs.get(TIMELINES)
    if timelines is None or not params.latency_queries:
        return None
    baseline = inputs.get(BASELINE)
    version = baseline.get_string_custom_property(contract.VERSION_PROPERTY) if baseline else ""
    if not baseline or not version:
        return Trial(timelines.uri, params)
    return Trial(timelines.uri, params, path_utils.serving_model_path(baseline.uri), version, "")
