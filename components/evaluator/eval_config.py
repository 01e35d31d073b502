"""What TensorFlow Model Analysis is asked to do.

The metric class is named, not imported: compiling the pipeline must not load
ScaNN's op.
"""

from __future__ import annotations

import json
from typing import Final

import tensorflow_model_analysis as tfma

import contract

METRIC_MODULE: Final = "components.evaluator.metrics.tfma_metrics"
_METRIC_CLASS: Final = "RetrievalMetrics"


def eval_config(recent: str = "") -> tfma.EvalConfig:
    """All metrics for both models, overall and by slice.

    Args:
      recent: as of `RetrievalMetrics`; known when the step runs, not when the graph is made.

    The type of the models is named because TFMA would load each of them once more to find it out.
    The stock Evaluator takes the baseline out again when it has none. It sets no
    threshold: the gates are ours (`gates.judge`), because TFMA cannot hold a
    metric against an interval.
    """
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                name=tfma.CANDIDATE_KEY, signature_name=contract.EVALUATE, model_type=tfma.TF_GENERIC
            ),
            tfma.ModelSpec(
                name=tfma.BASELINE_KEY,
                signature_name=contract.EVALUATE,
                model_type=tfma.TF_GENERIC,
                is_baseline=True,
            ),
        ],
        slicing_specs=[
            tfma.SlicingSpec(),
            tfma.SlicingSpec(feature_keys=[contract.SLICE_HISTORY]),
            tfma.SlicingSpec(feature_keys=[contract.SLICE_COLD]),
        ],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(
                        class_name=_METRIC_CLASS,
                        module=METRIC_MODULE,
                        config=json.dumps({"recent": recent}) if recent else "",
                    )
                ]
            )
        ],
    )
