"""Runs TensorFlow Model Analysis on the test split, then judges the result."""

from __future__ import annotations

import logging
from typing import Any

from tfx import types
from tfx.components.evaluator import constants, executor
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import path_utils, proto_utils

import contract
from components.common import feature_file, storage
from components.evaluator import recent_popularity, report
from components.evaluator.comparable import has_model, what_is_missing
from components.evaluator.eval_config import eval_config
from components.evaluator.gates import judge
from components.evaluator.params import EvaluatorParams

_log = logging.getLogger(__name__)

_MODEL = standard_component_specs.MODEL_KEY
_BASELINE = standard_component_specs.BASELINE_MODEL_KEY


class Executor(executor.Executor):
    """The stock evaluation with our gates in place of TFMA's thresholds.

    Writes contract.METRICS into the evaluation and contract.GATES into the
    blessing, beside the BLESSED or NOT_BLESSED file and the `blessed` property
    that TFX's own components look for. A refused model is a result, not an
    error: the pusher pushes nothing.
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates `model` on `examples`, against `baseline_model` if that holds a model.

        Raises:
          ValueError: the model's `evaluate` signature lacks an output, or the
            test split is empty.
        """
        # Here and not above: it registers ScaNN's op, which only running needs.
        from components.evaluator.metrics.tfma_results import read_results

        params = EvaluatorParams.from_json(exec_properties[contract.PARAMS])
        model = artifact_utils.get_single_instance(input_dict[_MODEL])
        path = path_utils.serving_model_path(model.uri)
        examples = artifact_utils.get_single_uri(input_dict[standard_component_specs.EXAMPLES_KEY])
        implicit = feature_file.read(examples).implicit
        missing = what_is_missing(path, implicit)
        if missing:
            raise ValueError(
                f"The model at {path} has no `{contract.EVALUATE}` signature with the outputs {missing}; "
                "the index must write every output that contract/__init__.py names."
            )
        inputs = dict(input_dict)
        baseline = comparable_baseline(input_dict, implicit)
        if baseline is None:
            # The stock executor takes any artifact here for a model.
            inputs.pop(_BASELINE, None)
        evaluation = artifact_utils.get_single_uri(output_dict[constants.EVALUATION_KEY])
        recent = recent_popularity.measure(examples, contract.TEST, params.recent_popularity_days)
        no_recent = recent if isinstance(recent, str) else ""
        path = "" if isinstance(recent, str) else recent_popularity.write(evaluation, recent)
        config = proto_utils.proto_to_json(eval_config(path))
        properties = {**exec_properties, standard_component_specs.EVAL_CONFIG_KEY: config}
        try:
            super().Do(inputs, output_dict, properties)
        finally:
            if path:  # ids of users: an evaluation outlives its run and `marquee forget`
                storage.remove_file(path)

        version = baseline.get_string_custom_property(contract.VERSION_PROPERTY) if baseline else ""
        results = read_results(evaluation, version)
        report.write_metrics(evaluation, results)
        gates = judge(
            results.candidate.overall,
            results.candidate.errors,
            results.paired,
            params,
            implicit,
            no_recent,
        )
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        report.write_gates(blessing.uri, gates)
        _bless(blessing, all(gate.ok for gate in gates), model, baseline)
        for row in report.rows(gates):
            _log.info("gate: %s", " | ".join(row))


def comparable_baseline(input_dict: dict[str, list[types.Artifact]], implicit: bool) -> types.Artifact | None:
    """The last pushed model, or None if there is none that can be compared with."""
    artifacts = input_dict.get(_BASELINE)
    if not artifacts:
        return None
    artifact = artifact_utils.get_single_instance(artifacts)
    path = path_utils.serving_model_path(artifact.uri)
    if not has_model(path):
        return None
    missing = what_is_missing(path, implicit)
    if missing:
        # It was pushed by an older version of the code, or fitted on ratings where there are weights now.
        # Failing here would stop every run until somebody deletes a model that is being served.
        _log.warning(
            "The last pushed model cannot be compared with: its `%s` signature lacks %s. "
            "The regression gate does not apply to this run.",
            contract.EVALUATE,
            missing,
        )
        return None
    return artifact


def _bless(
    blessing: types.Artifact, blessed: bool, model: types.Artifact, baseline: types.Artifact | None
) -> None:
    """Marks the blessing as the stock executor does."""
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline is not None:
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri)
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
    )
    marker = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    storage.write_text(storage.join(blessing.uri, marker), "")
