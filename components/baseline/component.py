"""The baseline finder in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Model

from components.baseline.executor import Executor
from components.common.step import Step


class Baseline(
    Step,
    executor=Executor,
    inputs={"model": Model},
    outputs={"baseline": Model},
    properties=("push_destination",),
):
    """Finds the last pushed model, as it was tested.

    An ordinary component, because TFX's Resolver does not run on open-source
    Kubeflow. Output: `baseline` (Model), an empty folder if nothing was pushed;
    its property `pushed_version` names the version.

    Args:
      model: the candidate. It is not read: without an input the component
        would be cached for ever, with this one it looks again for every new
        candidate.
      push_destination: root of the served models, a path or an object store's URI.
    """

    def __init__(self, model: BaseChannel, push_destination: str) -> None:
        super().__init__(model=model, push_destination=push_destination)
