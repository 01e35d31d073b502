"""The Evaluator in the pipeline's graph."""

from __future__ import annotations

from tfx import types
from tfx.components.evaluator import component
from tfx.dsl.components.base import executor_spec

import contract
from components.evaluator.eval_config import eval_config
from components.evaluator.executor import Executor
from components.evaluator.params import EvaluatorParams


class Evaluator(component.Evaluator):
    """Measures a model on the test split and blesses it if every gate is ok.

    Outputs: `evaluation` (ModelEvaluation: TFMA's results and contract.METRICS)
    and `blessing` (ModelBlessing: contract.GATES).
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        baseline_model: types.BaseChannel,
        params: EvaluatorParams,
    ) -> None:
        """Adds the component.

        Args:
          examples: timelines (Examples), of which the test split is read.
          model: the candidate (Model) with an `evaluate` signature.
          baseline_model: the model it must not fall behind (Model): the last pushed
            one, an empty folder if none; for a final fit the tested one.
          params: the gates' bounds.
        """
        super().__init__(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            example_splits=[contract.TEST],
            eval_config=eval_config(),
        )
        self.spec.exec_properties[contract.PARAMS] = params.to_json()
