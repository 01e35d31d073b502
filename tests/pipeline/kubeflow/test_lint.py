"""Every planted error is caught, where it is and in words."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import cli
from pipeline.kubeflow.lint import order, problems

EXAMPLES, MODEL = ({"artifactType": {"schemaTitle": f"tfx.{name}"}} for name in ("Examples", "Model"))


TEXT = {"parameterType": "STRING"}


def spec() -> dict[str, Any]:
    """Three tasks: find makes a parameter, read an artifact from it, train reads both."""
    return {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "small"},
        "root": {
            "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}},
            "dag": {
                "tasks": {
                    "find": {
                        "taskInfo": {"name": "find"},
                        "componentRef": {"name": "comp-find"},
                        "inputs": {"parameters": {"data": {"componentInputParameter": "data"}}},
                    },
                    "read": {
                        "taskInfo": {"name": "read"},
                        "componentRef": {"name": "comp-read"},
                        "dependentTasks": ["find"],
                        "inputs": {
                            "parameters": {
                                "path": {
                                    "taskOutputParameter": {
                                        "producerTask": "find", "outputParameterKey": "path"
                                    }
                                }
                            }
                        },
                    },
                    "train": {
                        "taskInfo": {"name": "train"},
                        "componentRef": {"name": "comp-train"},
                        "dependentTasks": ["read"],
                        "inputs": {
                            "artifacts": {
                                "examples": {
                                    "taskOutputArtifact": {
                                        "producerTask": "read", "outputArtifactKey": "examples"
                                    }
                                }
                            },
                            "parameters": {"steps": {"runtimeValue": {"constant": 5}}},
                        },
                    },
                }
            },
        },
        "components": {
            "comp-find": {
                "executorLabel": "exec-find",
                "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}},
                "outputDefinitions": {"parameters": {"path": {"parameterType": "STRING"}}},
            },
            "comp-read": {
                "executorLabel": "exec-read",
                "inputDefinitions": {"parameters": {"path": {"parameterType": "STRING"}}},
                "outputDefinitions": {"artifacts": {"examples": EXAMPLES}},
            },
            "comp-train": {
                "executorLabel": "exec-train",
                "inputDefinitions": {
                    "artifacts": {"examples": EXAMPLES},
                    "parameters": {"steps": {"parameterType": "NUMBER_INTEGER"}},
                },
                "outputDefinitions": {"artifacts": {"model": MODEL}},
            },
        },
        "deploymentSpec": {
            "executors": {
                f"exec-{name}": {"container": {"image": "i:1", "command": ["python"], "args": ["{{$}}"]}}
                for name in ("find", "read", "train")
            }
        },
    }  # fmt: skip


def platform() -> dict[str, Any]:
    executors = {"exec-read": {"pvcMount": [{"constant": "claim", "mountPath": "/mnt"}]}}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def at(document: Any, path: str) -> tuple[Any, Any]:
    """What holds the last key of a path, and that key."""
    *before, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in before:
        document = document[key]
    return document, last


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        holder, key = at(document, path)
        holder[key] = value

    return change


def drop(path: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        holder, key = at(document, path)
        del holder[key]

    return change


TASKS = "root/dag/tasks"
EXECUTORS = "deploymentSpec/executors"
TRAIN = f"{TASKS}/train"
PLANTED = {
    "a condition of another form": (
        put("root/dag/tasks/read/triggerPolicy", {"condition": "1 == 2"}),
        "root.dag.tasks.read.triggerPolicy.condition: is '1 == 2'; expected inputs.parameter_values",
    ),
    "a condition on what is not read": (
        put("root/dag/tasks/read/triggerPolicy", {"condition": "inputs.parameter_values['x'] == 'y'"}),
        "triggerPolicy.condition: the component reads no parameter 'x'; there are path",
    ),
    # What open-source Kubeflow rejects or ignores.
    "schema 2.0": (put("schemaVersion", "2.0.0"), "schemaVersion: is 2.0.0; open-source Kubeflow"),
    "no schema": (drop("schemaVersion"), "schemaVersion: is None"),
    "a name with an underscore": (put("pipelineInfo/name", "my_pipe"), "pipelineInfo.name: is 'my_pipe'"),
    "a resolver": (
        put(f"{EXECUTORS}/exec-read", {"resolver": {}}),
        "deploymentSpec.executors.exec-read.resolver: open-source Kubeflow answers «resolver executors not",
    ),
    "a custom job of Vertex AI": (
        put(f"{EXECUTORS}/exec-read", {"customJob": {}}), "exec-read.container.image: is missing"
    ),
    "a driver before the cache": (
        put(f"{EXECUTORS}/exec-read/container/lifecycle", {"preCacheCheck": {"command": ["x"]}}),
        "exec-read.container.lifecycle.preCacheCheck: open-source Kubeflow ignores it",
    ),
    "constantValue": (
        put(f"{TRAIN}/inputs/parameters/steps", {"runtimeValue": {"constantValue": {"intValue": "5"}}}),
        "steps.runtimeValue: open-source Kubeflow's driver reads `constant` alone, not schema 2.0's",
    ),
    "runtimeParameter": (
        put(f"{TRAIN}/inputs/parameters/steps", {"runtimeValue": {"runtimeParameter": "x"}}),
        "driver reads `constant` alone",
    ),
    "a type of schema 2.0": (
        put("components/comp-find/inputDefinitions/parameters/data", {"type": "STRING"}),
        "comp-find.inputDefinitions.parameters.data: has no parameterType; `type` is of schema 2.0",
    ),
    "a task name with an underscore": (
        lambda d: d["root"]["dag"]["tasks"].update(
            a_b={"taskInfo": {"name": "a_b"}, "componentRef": {"name": "comp-find"},
                 "inputs": {"parameters": {"data": {"componentInputParameter": "data"}}}}
        ),
        "tasks.a_b: Argo refuses this name",
    ),
    "another name shown": (put(f"{TRAIN}/taskInfo/name", "other"), "tasks.train.taskInfo.name: is 'other'"),
    "no image": (drop(f"{EXECUTORS}/exec-read/container/image"), "exec-read.container.image: is missing"),
    "no command": (drop(f"{EXECUTORS}/exec-read/container/command"), "container.command: is missing"),
    "a password": (
        put(f"{EXECUTORS}/exec-read/container/args/0", "mysql://u:secret@db/m"),
        "deploymentSpec.executors.exec-read.container.args.0: holds an address with a password",
    ),
    # What does not parse.
    "an unknown field": (put(f"{TRAIN}/dependantTasks", ["read"]), 'spec: does not parse as PipelineSpec'),
    "a field of another type": (put(f"{TRAIN}/dependentTasks", "read"), "spec: does not parse as"),
    "an unknown field of a container": (
        put(f"{EXECUTORS}/exec-read/container/imagePullPolicy", "Always"),
        "deploymentSpec: does not parse as PipelineDeploymentConfig",
    ),
    # Graph errors.
    "no tasks": (put(TASKS, {}), "root: has no dag with tasks"),
    "waits for nobody": (
        put(f"{TRAIN}/dependentTasks", ["read", "reed"]), "train.dependentTasks: waits for reed, which is no"
    ),
    "waits for itself": (put(f"{TRAIN}/dependentTasks", ["read", "train"]), "the task waits for itself"),
    "a circle": (
        put(f"{TASKS}/find/dependentTasks", ["train"]),
        "root.dag: the tasks wait for each other in a circle: find -> train -> read -> find",
    ),
    "no such component": (
        put(f"{TRAIN}/componentRef/name", "comp-trian"),
        "tasks.train.componentRef: 'comp-trian' is no component; there are comp-find, comp-read, comp-train",
    ),
    "an unused component": (
        lambda d: d["components"].update({"comp-x": copy.deepcopy(d["components"]["comp-find"])}),
        "components.comp-x: no task uses it",
    ),
    "no such executor": (
        put("components/comp-read/executorLabel", "exec-raed"),
        "components.comp-read.executorLabel: 'exec-raed' is no executor",
    ),
    "an unused executor": (
        put(f"{EXECUTORS}/exec-x", {"container": {"image": "i:1", "command": ["x"]}}),
        "deploymentSpec.executors.exec-x: no component uses it",
    ),
    "nothing to run": (drop("components/comp-read/executorLabel"), "comp-read: has no executorLabel"),
    "an artifact of no task": (
        put(f"{TRAIN}/inputs/artifacts/examples/taskOutputArtifact/producerTask", "raed"),
        "tasks.train.inputs.artifacts.examples: producerTask 'raed' is no task; there are find, read, train",
    ),
    "an artifact that is not made": (
        put(f"{TRAIN}/inputs/artifacts/examples/taskOutputArtifact/outputArtifactKey", "exampels"),
        "examples: read makes no artifact 'exampels'; there are examples",
    ),
    "an artifact that is not read": (
        lambda d: d["root"]["dag"]["tasks"]["train"]["inputs"]["artifacts"].update(
            more=d["root"]["dag"]["tasks"]["train"]["inputs"]["artifacts"]["examples"]
        ),
        "inputs.artifacts.more: the component reads no artifact of that name",
    ),
    "a missing artifact": (drop(f"{TRAIN}/inputs/artifacts/examples"), "artifacts: examples is missing"),
    "an artifact of another type": (
        put("components/comp-train/inputDefinitions/artifacts/examples", MODEL),
        "inputs.artifacts.examples: gets a tfx.Examples, reads a tfx.Model",
    ),
    "an artifact without a type": (
        put("components/comp-train/outputDefinitions/artifacts/model", {"artifactType": {}}),
        "comp-train.outputDefinitions.artifacts.model: has no type with a title",
    ),
    "reads without waiting": (
        drop(f"{TRAIN}/dependentTasks"), "examples: reads from read without waiting for it"
    ),
    "a parameter that is not made": (
        put(f"{TASKS}/read/inputs/parameters/path/taskOutputParameter/outputParameterKey", "folder"),
        "read.inputs.parameters.path: find makes no parameter 'folder'; there are path",
    ),
    "a parameter of no task": (
        put(f"{TASKS}/read/inputs/parameters/path/taskOutputParameter/producerTask", "fnid"),
        "producerTask 'fnid' is no task",
    ),
    "no such run parameter": (
        put(f"{TASKS}/find/inputs/parameters/data/componentInputParameter", "dtaa"),
        "find.inputs.parameters.data: the graph has no input 'dtaa'; there are data",
    ),
    "a parameter that is not read": (
        put(f"{TRAIN}/inputs/parameters/epochs", {"runtimeValue": {"constant": 1}}),
        "inputs.parameters.epochs: the component reads no parameter of that name; there are steps",
    ),
    "a missing parameter": (drop(f"{TRAIN}/inputs/parameters/steps"), "parameters: steps is missing"),
    "a parameter from nowhere": (put(f"{TRAIN}/inputs/parameters/steps", {}), "steps: comes from nowhere"),
    "a constant of another type": (
        put(f"{TRAIN}/inputs/parameters/steps/runtimeValue/constant", "five"),
        'steps.runtimeValue.constant: "five" is no NUMBER_INTEGER',
    ),
    "a fraction for an integer": (
        put(f"{TRAIN}/inputs/parameters/steps/runtimeValue/constant", 5.5), "5.5 is no NUMBER_INTEGER"
    ),
    "a parameter of another type": (
        put("components/comp-read/inputDefinitions/parameters/path/parameterType", "NUMBER_INTEGER"),
        "read.inputs.parameters.path: gets a STRING, reads a NUMBER_INTEGER",
    ),
    "a default of another type": (
        put("root/inputDefinitions/parameters/data/defaultValue", 3), "data.defaultValue: 3 is no STRING"
    ),
    "an artifact from nowhere": (
        put(f"{TRAIN}/inputs/artifacts/examples", {}),
        "examples: comes from nowhere; expected an output of a task",
    ),
    "an artifact of the run, which the graph has none of": (
        put(f"{TRAIN}/inputs/artifacts/examples", {"componentInputArtifact": "log"}),
        "examples: comes from nowhere; expected an output of a task",
    ),
    "an empty executor": (put(f"{EXECUTORS}/exec-read", {}), "exec-read.container.image: is missing"),
    "a graph inside a component": (
        put("components/comp-find", {"dag": {}, "inputDefinitions": {"parameters": {"data": TEXT}}}),
        "components.comp-find: has no executorLabel: nothing would run",
    ),
    "a placeholder for nothing": (
        put(f"{EXECUTORS}/exec-train/container/args", ["{{$.inputs.parameters['stesp']}}"]),
        "{{$.inputs.parameters['stesp']}} names no input of the component; there are steps",
    ),
}  # fmt: skip


def test_a_sound_spec_has_no_problem() -> None:
    assert problems([spec()]) == []
    assert problems([spec(), platform()]) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_caught(name: str) -> None:
    change, words = PLANTED[name]
    document = spec()
    change(document)
    found = problems([document])
    assert any(words in line for line in found), found


PLANTED_PLATFORM = {
    "no such executor": (
        put("platforms/kubernetes/deploymentSpec/executors/exec-x", {}),
        "platforms.kubernetes.deploymentSpec.executors.exec-x: there is no such executor",
    ),
    "no such field": (
        put("platforms/kubernetes/deploymentSpec/executors/exec-read/pvcMounts", []),
        "exec-read.pvcMounts: no such field",
    ),
    "no such field of a mount": (
        put("platforms/kubernetes/deploymentSpec/executors/exec-read/pvcMount/0/path", "/x"),
        "exec-read.pvcMount.path: no such field; there are",
    ),
    "no list": (
        put("platforms/kubernetes/deploymentSpec/executors/exec-read/pvcMount", {"constant": "claim"}),
        "exec-read.pvcMount: expected a list of mappings",
    ),
    "another platform": (
        lambda d: d["platforms"].update(vertex=d["platforms"]["kubernetes"]),
        "platforms.vertex: open-source Kubeflow reads kubernetes alone",
    ),
    "an unknown field": (put("platfroms", {}), "platforms: does not parse as PlatformSpec"),
}


@pytest.mark.parametrize("name", PLANTED_PLATFORM)
def test_a_planted_error_in_the_platforms_part_is_caught(name: str) -> None:
    change, words = PLANTED_PLATFORM[name]
    document = platform()
    change(document)
    found = problems([spec(), document])
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ([], "file: is empty"),
        (["text"], "document 1: holds str"),
        ([{"pipelineSpec": spec(), "runtimeConfig": {}}], "this is a PipelineJob, Vertex AI's wrapper"),
        ([spec(), platform(), platform()], "file: holds 3 documents"),
    ],
)
def test_a_file_of_another_kind_is_named(documents: list[Any], words: str) -> None:
    found = problems(documents)
    assert any(words in line for line in found), found


def test_several_errors_are_told_at_once() -> None:
    document = spec()
    document["components"]["comp-read"]["executorLabel"] = "x"
    document["root"]["dag"]["tasks"]["train"]["dependentTasks"] = ["y"]
    text = "\n".join(problems([document]))
    assert all(words in text for words in ("'x' is no executor", "waits for y", "exec-read: no component"))


def test_order_puts_each_task_after_those_it_waits_for() -> None:
    assert order(spec()["root"]["dag"]["tasks"]) == ["find", "read", "train"]


def test_the_command_tells_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump_all([spec(), platform()]))
    assert cli.main(["kubeflow", "lint", str(file)]) == 0
    assert "sound" in capsys.readouterr().out
    file.write_text(json.dumps({**spec(), "schemaVersion": "2.0.0"}))
    assert cli.main(["kubeflow", "lint", str(file), "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1
    # What runs a spec refuses one that is not sound.
    assert cli.main(["kubeflow", "rehearse", str(file)]) == 2
    assert f"{file} is not sound:\nschemaVersion: is 2.0.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is not there"), ("a: [", "is neither YAML nor JSON"), ("\0", "neither YAML")],
)
def test_a_file_that_cannot_be_read(
    content: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "spec.yaml"
    if content is not None:
        file.write_text(content)
    assert cli.main(["kubeflow", "lint", str(file)]) == 2
    assert words in capsys.readouterr().err
