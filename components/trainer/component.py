"""The Trainer as a TFX component."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from tfx import types
from tfx.components.trainer import component as tfx_trainer
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

import contract
from components.model.params import ModelParams
from components.trainer import executor, run
from components.trainer.params import TrainerParams


class TrainerSpec(standard_component_specs.TrainerSpec):
    """The stock spec plus the items and, for a final fit, what was tested."""

    INPUTS = {  # noqa: RUF012 (TFX's own form)
        **standard_component_specs.TrainerSpec.INPUTS,
        executor.ITEMS_KEY: ChannelParameter(type=standard_artifacts.Examples),
        executor.TESTED_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
        executor.TESTED_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun, optional=True),
        executor.BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
    }
    PARAMETERS = {  # noqa: RUF012
        **standard_component_specs.TrainerSpec.PARAMETERS,
        executor.MAX_STEPS_KEY: ExecutionParameter(type=int, optional=True),
    }


@dataclasses.dataclass(frozen=True)
class FitToRepeat:
    """A fit that a final one repeats on more events.

    Attributes:
      model: its towers, passed on if they were refused.
      model_run: says how many epochs it kept.
      blessing: the gates' verdict on it.
    """

    model: types.BaseChannel
    model_run: types.BaseChannel
    blessing: types.BaseChannel


class Trainer(tfx_trainer.Trainer):
    """Fits the model with `components.trainer.run.run_fn`, or with another function.

    Args:
      timelines: Examples with the splits train, eval and test; train and eval are read.
      items: Examples, raw.
      transform_graph: Transform's output for the items.
      model_params, params: the two config sections.
      repeat: the fit to do again on `timelines`, of which train alone is read: nothing is
        held out, and as many epochs are run as it kept. None: a fit that stops by eval.
      max_steps: in place of `params.max_steps`, a number or a RuntimeParameter; None: that.
      run_fn: import path of another function to fit with, such as `components.training_job.job.run_fn`.
        It is no import here, so that a fit in this process does not depend on its code.
      custom_config: what that function reads beside the two sections.

    Outputs: `model`, the towers' SavedModel; `model_run`, TensorBoard logs and contract.FIT.
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        timelines: types.BaseChannel,
        items: types.BaseChannel,
        transform_graph: types.BaseChannel,
        model_params: ModelParams,
        params: TrainerParams,
        repeat: FitToRepeat | None = None,
        max_steps: int | None = None,
        run_fn: str = f"{run.run_fn.__module__}.{run.run_fn.__name__}",
        custom_config: Mapping[str, str] | None = None,
    ) -> None:
        spec = TrainerSpec(
            examples=timelines,
            items=items,
            transform_graph=transform_graph,
            train_args=trainer_pb2.TrainArgs(),
            # `run_fn` reads what it needs itself, but TFX looks for eval unless told otherwise.
            eval_args=trainer_pb2.EvalArgs(splits=[contract.TRAIN] if repeat else []),
            run_fn=run_fn,
            custom_config=json.dumps(
                {
                    run.MODEL_PARAMS: model_params.to_json(),
                    run.TRAINER_PARAMS: params.to_json(),
                    **(custom_config or {}),
                }
            ),
            **{
                executor.TESTED_MODEL_KEY: repeat and repeat.model,
                executor.TESTED_RUN_KEY: repeat and repeat.model_run,
                executor.BLESSING_KEY: repeat and repeat.blessing,
                executor.MAX_STEPS_KEY: max_steps,
            },
            model=types.Channel(type=standard_artifacts.Model),
            model_run=types.Channel(type=standard_artifacts.ModelRun),
        )
        # The stock constructor builds the stock spec; only its base is wanted.
        base_component.BaseComponent.__init__(self, spec=spec)
