"""The rehearsal, on small specs whose containers run a few lines of Python."""

from __future__ import annotations

import io
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import cli
from pipeline.errors import ComponentFailedError, InputError
from pipeline.kubeflow.documents import Documents
from pipeline.kubeflow.lint import problems
from pipeline.kubeflow.rehearsal import rehearse
from pipeline.runs.run_records import State
from pipeline.terminal.display import Display

# Every container: notes how it was called, then runs the code of its task.
NOTE = """
import json, os, sys, pathlib
given = json.loads(sys.argv[1])
pathlib.Path("given.json").write_text(json.dumps(given))
outputs = given["outputs"]
def report(**artifacts):
    pathlib.Path(outputs["outputFile"]).write_text(json.dumps(
        {"artifacts": {name: {"artifacts": [artifact]} for name, artifact in artifacts.items()}}))
"""
FIND = """
pathlib.Path(sys.argv[2]).write_text(given["inputs"]["parameterValues"]["data"] + "!")
"""
TRAIN = """
[model] = outputs["artifacts"]["model"]["artifacts"]
os.makedirs(model["uri"])
print("marquee-progress: 3/4 epoch 1")
report(model={"uri": model["uri"], "metadata": {"steps": given["inputs"]["parameterValues"]["steps"]}})
"""
PUSH = """
[pushed] = outputs["artifacts"]["pushed_model"]["artifacts"]
report(pushed_model={"uri": pushed["uri"], "metadata": {"pushed": 1.0}})
"""


def component(name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    return {"executorLabel": f"exec-{name}", "inputDefinitions": inputs, "outputDefinitions": outputs}


def kind(name: str) -> dict[str, Any]:
    return {"artifactType": {"instanceSchema": f"title: tfx.{name}\ntype: object\n"}}


def container(code: str, *args: str) -> dict[str, Any]:
    return {
        "image": "i:1", "command": ["python", "-c", NOTE + textwrap.dedent(code)], "args": ["{{$}}", *args],
        "env": [{"name": "SHOP", "value": "marquee"}],
    }  # fmt: skip


def made(what: str, task: str, key: str) -> dict[str, Any]:
    return {f"taskOutput{what}": {"producerTask": task, f"output{what}Key": key}}


def documents(find: str = FIND, train: str = TRAIN, push: str = PUSH) -> Documents:
    text, number = {"parameterType": "STRING"}, {"parameterType": "NUMBER_INTEGER"}
    spec = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "small"},
        "root": {
            "inputDefinitions": {
                "parameters": {"data": text, "push_to": text, "steps": {**number, "defaultValue": 7}}
            },
            "dag": {
                "tasks": {
                    "push": {
                        "taskInfo": {"name": "push"},
                        "componentRef": {"name": "comp-push"},
                        "dependentTasks": ["train"],
                        "inputs": {
                            "artifacts": {
                                "model": {
                                    "taskOutputArtifact": {
                                        "producerTask": "train",
                                        "outputArtifactKey": "model",
                                    }
                                }
                            },
                            "parameters": {"to": {"componentInputParameter": "push_to"}},
                        },
                    },
                    "train": {
                        "taskInfo": {"name": "train"},
                        "componentRef": {"name": "comp-train"},
                        "dependentTasks": ["find"],
                        "inputs": {
                            "parameters": {
                                "steps": {"componentInputParameter": "steps"},
                                "path": {
                                    "taskOutputParameter": {
                                        "producerTask": "find",
                                        "outputParameterKey": "path",
                                    }
                                },
                                "fixed": {"runtimeValue": {"constant": "x"}},
                            }
                        },
                    },
                    "find": {
                        "taskInfo": {"name": "find"},
                        "componentRef": {"name": "comp-find"},
                        "inputs": {"parameters": {"data": {"componentInputParameter": "data"}}},
                    },
                }
            },
        },
        "components": {
            "comp-find": component("find", {"parameters": {"data": text}}, {"parameters": {"path": text}}),
            "comp-train": component(
                "train",
                {
                    "parameters": {
                        "steps": number,
                        "path": text,
                        "fixed": text,
                        "seed": {**number, "defaultValue": 1},
                    }
                },
                {"artifacts": {"model": kind("Model")}},
            ),
            "comp-push": component(
                "push",
                {"artifacts": {"model": kind("Model")}, "parameters": {"to": text}},
                {"artifacts": {"pushed_model": kind("PushedModel")}},
            ),
        },
        "deploymentSpec": {
            "executors": {
                "exec-find": {"container": container(find, "{{$.outputs.parameters['path'].output_file}}")},
                "exec-train": {"container": container(train)},
                "exec-push": {"container": container(push, "--to={{$.inputs.parameters['to']}}")},
            }
        },
    }
    assert problems([spec]) == []
    return Documents(spec, {})


class Shown:
    """A display whose lines can be read."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.display = Display(self.stream)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def given(folder: Path, task: str) -> dict[str, Any]:
    return json.loads((folder / "work" / task / "given.json").read_text())


def test_each_task_gets_what_the_spec_and_earlier_tasks_say(tmp_path: Path) -> None:
    shown = Shown()
    outcomes = rehearse(documents(), {"data": "/d"}, tmp_path, shown.display)
    assert [(node.node, node.state) for node in outcomes] == [
        ("find", State.RAN), ("train", State.RAN), ("push", State.RAN)
    ]  # fmt: skip
    assert [line.split()[:3] for line in shown.lines] == [
        ["✓", name, "ran"] for name in ("find", "train", "push")
    ]
    inputs = given(tmp_path, "train")["inputs"]
    assert inputs["parameterValues"] == {"steps": 7, "path": "/d!", "fixed": "x", "seed": 1}
    push = given(tmp_path, "push")
    # As open-source Kubeflow hands artifacts over: numbered, without a type, numbers as JSON has them.
    [model] = push["inputs"]["artifacts"]["model"]["artifacts"]
    assert model == {
        "name": "1",
        "uri": str(tmp_path / "artifacts" / "train" / "model"),
        "metadata": {"steps": 7},
    }
    [pushed] = push["outputs"]["artifacts"]["pushed_model"]["artifacts"]
    assert (pushed["name"], pushed["type"]) == ("pushed_model", kind("PushedModel")["artifactType"])
    # Models go below the rehearsal's folder, whatever place the spec names.
    assert push["inputs"]["parameterValues"] == {"to": str(tmp_path / "serving_model")}
    [output] = outcomes[-1].outputs["pushed_model"]
    assert (output.type, output.properties, output.refused) == ("PushedModel", {"pushed": 1.0}, False)


def test_values_that_are_given_come_first(tmp_path: Path) -> None:
    rehearse(documents(), {"data": "/d", "steps": 2, "push_to": "/p"}, tmp_path, Shown().display)
    assert given(tmp_path, "train")["inputs"]["parameterValues"]["steps"] == 2
    assert given(tmp_path, "push")["inputs"]["parameterValues"]["to"] == "/p"


def test_the_command_runs_as_it_stands_in_a_folder_of_its_own(tmp_path: Path) -> None:
    code = """
    pathlib.Path("seen.json").write_text(json.dumps(
        [sys.argv[2:], os.getcwd(), os.environ["SHOP"], sys.executable, sorted(os.listdir())]))
    """
    rehearse(documents(push=PUSH + textwrap.dedent(code)), {"data": "/d"}, tmp_path, Shown().display)
    argv, folder, shop, python, names = json.loads((tmp_path / "work" / "push" / "seen.json").read_text())
    assert argv == [f"--to={tmp_path}/serving_model"]
    assert folder == str(tmp_path / "work" / "push")
    assert shop == "marquee"
    assert Path(python).parent == Path(sys.executable).parent
    assert names == ["given.json", "outputs"]


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        ("print('marquee-error: no ratings\\nin the file'); sys.exit(2)", "no ratings\nin the file", 2),
        ("raise RuntimeError('boom')", "RuntimeError: boom", 1),
        ("sys.exit(3)", "exit code 3", 1),
        ("os.kill(os.getpid(), 9)", "exit code -9", 1),
        (
            "pathlib.Path(outputs['outputFile']).write_text('{\"artefacts\": {}}')",
            "what it reported cannot be",
            1,
        ),
    ],
)
def test_a_task_that_fails_is_named_with_its_last_words(
    tmp_path: Path, code: str, reason: str, exit_code: int
) -> None:
    shown = Shown()
    with pytest.raises(ComponentFailedError) as caught:
        rehearse(documents(train=code), {"data": "/d"}, tmp_path, shown.display)
    assert caught.value.node_id == "train"
    assert caught.value.reason.startswith(reason)
    assert caught.value.exit_code == exit_code
    assert shown.lines[-1].split()[:3] == ["✗", "train", "failed"]
    assert not (tmp_path / "work" / "push").exists()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    broken = documents()
    broken.pipeline["deploymentSpec"]["executors"]["exec-train"]["container"]["command"] = ["/no/such"]
    with pytest.raises(ComponentFailedError, match="train failed: /no/such cannot be started"):
        rehearse(broken, {"data": "/d"}, tmp_path, Shown().display)


def test_a_parameter_that_a_task_did_not_put_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ComponentFailedError, match=r"find failed: what it reported.*outputs/path"):
        rehearse(documents(find=""), {"data": "/d"}, tmp_path, Shown().display)


def test_a_refusal_is_a_result(tmp_path: Path) -> None:
    refused = rehearse(documents(push=PUSH.replace("1.0", "0.0")), {"data": "/d"}, tmp_path, Shown().display)
    assert [node.state for node in refused] == [State.RAN, State.RAN, State.REFUSED]


def test_a_missing_parameter_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the parameter data has no default in this spec"):
        rehearse(documents(), {}, tmp_path, Shown().display)


@pytest.mark.parametrize(("data", "state"), [("/d", State.RAN), ("/e", State.SKIPPED)])
def test_a_condition_holds_or_the_task_and_what_waits_for_it_are_skipped(
    tmp_path: Path, data: str, state: State
) -> None:
    conditional, shown = documents(), Shown()
    train = conditional.pipeline["root"]["dag"]["tasks"]["train"]
    train["triggerPolicy"] = {"condition": "inputs.parameter_values['path'] == '/d!'"}
    assert problems([conditional.pipeline]) == []
    outcomes = rehearse(conditional, {"data": data}, tmp_path, shown.display)
    assert [node.state for node in outcomes] == [State.RAN, state, state]
    assert (tmp_path / "work" / "push").exists() is (state is State.RAN)
    assert shown.lines[-1].split()[1:3] == ["push", str(state)]


def test_what_is_not_rehearsed_is_refused(tmp_path: Path) -> None:
    looped = documents()
    looped.pipeline["root"]["dag"]["tasks"]["train"]["parameterIterator"] = {"itemInput": "path"}
    with pytest.raises(InputError, match="train has an iterator, which Kubeflow runs but"):
        rehearse(looped, {"data": "/d"}, tmp_path, Shown().display)


def test_the_commands_exit_codes_and_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1\n")

    def run(made: Documents, *args: str) -> tuple[int, str]:
        Path("spec.yaml").write_text(yaml.safe_dump(made.pipeline))
        code = cli.main(["kubeflow", "rehearse", "spec.yaml", "--data", str(data), *args])
        return code, capfd.readouterr().out

    assert run(documents())[0] == 0
    code, out = run(documents(push=PUSH.replace("1.0", "0.0")), "--json")
    assert (code, json.loads(out)["state"]) == (3, "refused")
    code, out = run(documents(train="print('marquee-error: bad'); sys.exit(2)"))
    assert code == 2
    [log] = [line.split()[1] for line in out.splitlines() if line.startswith("log ")]
    assert "train failed: bad" in out
    assert Path(log).name == "train.log"
    assert "marquee-error: bad" in Path(log).read_text()
    assert run(documents(), "--param", "steps=two")[0] == 2
