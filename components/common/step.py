"""The base of the project's own steps: artifacts in, parameters as text, artifacts out.

A step says once what goes in and out, and gets one artifact per name:

    class Executor(StepExecutor):
        def run(self, inputs, outputs, properties):
            params = IndexParams.from_json(properties[contract.PARAMS])
            build(inputs["towers"].uri, outputs["model"].uri, params)

    class Index(Step, executor=Executor, inputs={"towers": Model}, outputs={"model": Model}):
        def __init__(self, towers: BaseChannel, params: IndexParams) -> None:
            super().__init__(towers=towers, params=params)
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_executor, base_component, base_executor, executor_spec
from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

import contract
from components.common.params import Section


class StepExecutor(base_executor.BaseExecutor):
    """What runs a step: `run` is to be written."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Calls `run` with the one artifact of each list.

        Raises:
          ValueError: a list has more than one.
        """
        inputs, outputs = (
            {name: artifact_utils.get_single_instance(found) for name, found in artifacts.items() if found}
            for artifacts in (input_dict, output_dict)
        )
        self.run(inputs, outputs, exec_properties)

    @abc.abstractmethod
    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        """Reads and writes the artifacts.

        Args:
          inputs: by name, without the optional ones that the graph does not give.
          outputs: by name; their properties may be set.
          properties: those that the Step names, and others that are there for the cache key alone.
        """


class Step(base_component.BaseComponent):
    """A step in the pipeline's graph; one of a StepExecutor for Beam is a BaseBeamComponent as well."""

    def __init_subclass__(
        cls,
        *,
        executor: type[StepExecutor],
        outputs: Mapping[str, type[types.Artifact]],
        inputs: Mapping[str, type[types.Artifact]] = MappingProxyType({}),
        optional: Collection[str] = (),
        properties: Collection[str] = (contract.PARAMS,),
    ) -> None:
        """Makes what TFX asks of a component.

        Args:
          executor: what runs it.
          inputs, outputs: types of the artifacts by name. TFX's own types: one of the project's
            cannot travel through Kubeflow.
          optional: inputs that may be None.
          properties: names of the other arguments, each a text, a Section (which becomes JSON) or one
            of TFX's RuntimeParameters.
        """
        super().__init_subclass__()
        on_beam = issubclass(executor, base_beam_executor.BaseBeamExecutor)
        make = executor_spec.BeamExecutorSpec if on_beam else executor_spec.ExecutorClassSpec
        cls.EXECUTOR_SPEC = make(executor)
        channels = {
            name: ChannelParameter(type=kind, optional=name in optional) for name, kind in inputs.items()
        }
        fields = {
            "PARAMETERS": {name: ExecutionParameter(type=str) for name in properties},
            "INPUTS": channels,
            "OUTPUTS": {name: ChannelParameter(type=kind) for name, kind in outputs.items()},
        }
        cls.SPEC_CLASS = type(f"{cls.__name__}Spec", (ComponentSpec,), fields)

    def __init__(self, **given: Any) -> None:
        """Adds the step to the graph.

        Args:
          given: a channel for each input and a value for each property.

        Raises:
          ValueError: one is missing.
          TypeError: a channel is of another type.
        """
        values = {name: each.to_json() if isinstance(each, Section) else each for name, each in given.items()}
        outputs = {name: types.Channel(type=each.type) for name, each in self.SPEC_CLASS.OUTPUTS.items()}
        super().__init__(spec=self.SPEC_CLASS(**values, **outputs))
