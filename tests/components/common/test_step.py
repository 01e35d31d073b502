"""A step's declaration is what TFX sees of it, and its executor gets one artifact per name."""

import pytest
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import Channel
from tfx.types.standard_artifacts import Examples, Model

import contract
from components.common.params import Section
from components.common.step import Step, StepExecutor


class Limits(Section):
    most: int = 3


class Copier(StepExecutor):
    def run(self, inputs, outputs, properties):
        outputs["copy"].uri = inputs["model"].uri
        outputs["copy"].set_string_custom_property("given", " ".join(sorted([*inputs, *properties])))


class Copy(
    Step,
    executor=Copier,
    inputs={"model": Model, "examples": Examples},
    optional=("examples",),
    outputs={"copy": Model},
    properties=("folder", contract.PARAMS),
):
    pass


class OnBeam(StepExecutor, base_beam_executor.BaseBeamExecutor):
    def run(self, inputs, outputs, properties):
        outputs["copy"].uri = self._beam_pipeline_args[0]


class Spread(
    Step, base_beam_component.BaseBeamComponent, executor=OnBeam, outputs={"copy": Model}, properties=()
):
    pass


def model(uri):
    artifact = Model()
    artifact.uri = uri
    return artifact


def test_the_graph_sees_what_is_declared():
    where = RuntimeParameter(name="where", ptype=str)
    step = Copy(model=Channel(type=Model), examples=None, folder=where, params=Limits(most=5))
    assert set(step.inputs) == {"model"}
    assert {name: channel.type for name, channel in step.outputs.items()} == {"copy": Model}
    assert step.exec_properties == {"folder": where, contract.PARAMS: '{"most":5}'}
    assert Copy.SPEC_CLASS.is_optional_input("examples")
    assert step.executor_spec.class_path.endswith(".Copier")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"folder": "x"}, ValueError, "Missing argument 'params'"),
        ({"folder": "x", "params": Limits(), "examples": Channel(type=Model)}, TypeError, "examples"),
    ],
)
def test_what_is_missing_or_of_another_type_is_named(given, error, message):
    with pytest.raises(error, match=message):
        Copy(model=Channel(type=Model), **given)


def test_the_executor_gets_one_artifact_for_each_name():
    copy = model("")
    Copier().Do({"model": [model("here")], "examples": []}, {"copy": [copy]}, {"folder": "x"})
    assert copy.uri == "here"
    assert copy.get_string_custom_property("given") == "folder model"
    with pytest.raises(ValueError, match="expected list length of one"):
        Copier().Do({"model": [model("a"), model("b")]}, {"copy": [copy]}, {})


def test_a_step_on_beam_gets_beams_flags():
    assert isinstance(Spread().executor_spec, executor_spec.BeamExecutorSpec)
    copy = model("")
    context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=["--runner=FnApiRunner"])
    OnBeam(context).Do({}, {"copy": [copy]}, {})
    assert copy.uri == "--runner=FnApiRunner"
