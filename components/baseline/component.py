"""The baseline finder in the pipeline's graph."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.baseline.executor import Executor


class BaselineSpec(ComponentSpec):
    """Inputs, outputs and parameters of `Baseline`."""

    INPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012 (TFX reads class attributes)
    OUTPUTS = {"baseline": ChannelParameter(type=standard_artifacts.Model)}  # noqa: RUF012
    PARAMETERS = {"push_destination": ExecutionParameter(type=str)}  # noqa: RUF012


class Baseline(base_component.BaseComponent):
    """Finds the last pushed model, as it was tested.

    An ordinary component, because TFX's Resolver does not run on open-source
    Kubeflow. Output: `baseline` (Model), an empty folder if nothing was pushed;
    its property `pushed_version` names the version.
    """

    SPEC_CLASS = BaselineSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, model: types.BaseChannel, push_destination: str) -> None:
        """Adds the component.

        Args:
          model: the candidate. It is not read: without an input the component
            would be cached for ever, with this one it looks again for every new
            candidate.
          push_destination: root of the served models, a path or an object store's URI.
        """
        spec = BaselineSpec(
            model=model,
            baseline=types.Channel(type=standard_artifacts.Model),
            push_destination=push_destination,
        )
        super().__init__(spec=spec)
