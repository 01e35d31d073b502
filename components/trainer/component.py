"""The Trainer as a TFX component."""

from __future__ import annotations

import json

from tfx import types
from tfx.components.trainer import component as tfx_trainer
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter

from components.model.params import ModelParams
from components.trainer import executor, run
from components.trainer.params import TrainerParams


class TrainerSpec(standard_component_specs.TrainerSpec):
    """The stock spec plus the movies."""

    INPUTS = {  # noqa: RUF012 (TFX's own form)
        **standard_component_specs.TrainerSpec.INPUTS,
        executor.MOVIES_KEY: ChannelParameter(type=standard_artifacts.Examples),
    }


class Trainer(tfx_trainer.Trainer):
    """Fits the two towers with `components.trainer.run.run_fn`.

    Args:
      timelines: Examples with the splits train, eval and test; train and eval are read.
      movies: Examples, raw.
      transform_graph: Transform's output for the movies.
      model_params, params: the two config sections.

    Outputs: `model`, the towers' SavedModel; `model_run`, TensorBoard logs.
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        timelines: types.BaseChannel,
        movies: types.BaseChannel,
        transform_graph: types.BaseChannel,
        model_params: ModelParams,
        params: TrainerParams,
    ) -> None:
        spec = TrainerSpec(
            examples=timelines,
            movies=movies,
            transform_graph=transform_graph,
            train_args=trainer_pb2.TrainArgs(),
            eval_args=trainer_pb2.EvalArgs(),
            run_fn=f"{run.__name__}.{run.run_fn.__name__}",
            custom_config=json.dumps(
                {run.MODEL_PARAMS: model_params.to_json(), run.TRAINER_PARAMS: params.to_json()}
            ),
            model=types.Channel(type=standard_artifacts.Model),
            model_run=types.Channel(type=standard_artifacts.ModelRun),
        )
        # The stock constructor builds the stock spec; only its base is wanted.
        base_component.BaseComponent.__init__(self, spec=spec)
