"""Runs a compiled spec on this machine as open-source Kubeflow would, without a cluster.

Driver and launcher in a few lines: for each task the input is put together from
the spec alone and from what earlier tasks reported, in the form that Kubeflow's
driver gives it (an input artifact has a number for a name, and no type); the
container's command and arguments are filled in and run as a process of their own
in an empty folder; its report is merged as Kubeflow's launcher merges it. What
open-source Kubeflow leaves out, it leaves out too.

Not rehearsed: images, pods, resources, retries, the cache, secrets, and the
object store: artifacts are at local paths.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.errors import BAD_INPUT, FAILED, REFUSED, ComponentFailedError, InputError
from pipeline.kubeflow.documents import Documents
from pipeline.kubeflow.lint import artifact_title, condition, order
from pipeline.kubeflow.parameters import with_defaults
from pipeline.kubeflow.steps.spec import DRIFT
from pipeline.kubeflow.task import ERROR, PROGRESS
from pipeline.runs.run_records import NodeRun, Output, State

DATA = "data"
PUSH_TO = "push_to"
LOGS = "logs"
_SERVING_MODEL = "serving_model"

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 3.0
_PROGRESS_LINE = re.compile(re.escape(PROGRESS) + r"(\d+)/(\d+) ?(.*)")


class Listener(Protocol):
    """Hears of each task as the rehearsal goes."""

    def planned(self, node_ids: list[str]) -> None: ...

    def started(self, node_id: str) -> None: ...

    def progress(self, done: int, total: int, text: str) -> None: ...

    def finished(self, outcome: NodeRun) -> None: ...

    def failed(self, node_id: str, seconds: float) -> None: ...


def rehearse(
    documents: Documents, values: Mapping[str, Any], folder: Path, listener: Listener
) -> list[NodeRun]:
    """Run every task, one after the other; stop at the first that fails.

    Args:
      documents: a sound spec.
      values: parameters of the run. Without PUSH_TO models are published below `folder`,
        whatever place on the cluster the spec names.
      folder: for all that the rehearsal writes; an absolute path.

    Raises:
      InputError: a parameter is missing, or the spec holds what cannot be rehearsed.
      ComponentFailedError: a task failed; names it, and its last words.
    """
    pipeline = documents.pipeline
    tasks = pipeline["root"]["dag"]["tasks"]
    steps = order(tasks)
    for name in steps:
        _check_is_plain(name, tasks[name], pipeline)
    if PUSH_TO in pipeline["root"].get("inputDefinitions", {}).get("parameters", {}):
        values = {PUSH_TO: str(folder / _SERVING_MODEL), **values}
    run = _Run(pipeline, with_defaults(documents, dict(values)), folder)
    listener.planned(steps)
    outcomes: dict[str, NodeRun] = {}
    for name in steps:
        waits_for = [outcomes[before] for before in tasks[name].get("dependentTasks", ())]
        if any(before.state is State.SKIPPED for before in waits_for) or not run.holds(name):
            outcomes[name] = NodeRun(name, State.SKIPPED, False, time.time(), 0.0, {})
            listener.started(name)
            listener.finished(outcomes[name])
        else:
            outcomes[name] = _step(run, name, listener)
    return list(outcomes.values())


def _step(run: _Run, name: str, listener: Listener) -> NodeRun:
    listener.started(name)
    started, clock = time.time(), time.monotonic()
    log = run.folder / LOGS / f"{name}.log"
    code = _execute(run.command(name), run.environment(name), run.work_folder(name), log, listener)
    seconds = time.monotonic() - clock
    if code:
        listener.failed(name, seconds)
        reason = _last_words(log) or f"exit code {code}"
        known = code == BAD_INPUT or (code == REFUSED and name == DRIFT)
        raise ComponentFailedError(name, reason, code if known else FAILED)
    try:
        outputs = run.collect(name)
    except (OSError, ValueError, json_format.ParseError) as error:
        listener.failed(name, seconds)
        raise ComponentFailedError(name, f"what it reported cannot be read: {error}") from error
    refused = any(output.refused for artifacts in outputs.values() for output in artifacts)
    outcome = NodeRun(
        node=name,
        state=State.REFUSED if refused else State.RAN,
        cached=False,
        started=started,
        seconds=seconds,
        outputs=outputs,
    )
    listener.finished(outcome)
    return outcome


def _check_is_plain(name: str, task: Mapping[str, Any], pipeline: Mapping[str, Any]) -> None:
    component = pipeline["components"][task["componentRef"]["name"]]
    executor = pipeline["deploymentSpec"]["executors"].get(component.get("executorLabel"), {})
    for what, there in (
        ("an iterator", "parameterIterator" in task),
        ("a graph of its own", "dag" in component),
        ("an importer", "importer" in executor),
    ):
        if there:
            raise InputError(f"{name} has {what}, which Kubeflow runs but is not rehearsed here")


class _Run:
    """One rehearsal: what the tasks so far have put out."""

    def __init__(self, pipeline: Mapping[str, Any], values: Mapping[str, Any], folder: Path) -> None:
        self.folder = folder
        self._pipeline = pipeline
        self._values = values
        self._artifacts: dict[tuple[str, str], dict[str, Any]] = {}
        self._parameters: dict[tuple[str, str], Any] = {}
        self._inputs: dict[str, dict[str, Any]] = {}

    def holds(self, task: str) -> bool:
        """Whether the task's condition, if it has one, is met."""
        found = condition(self._task(task).get("triggerPolicy", {}).get("condition", ""))
        if found is None:
            return True
        name, text = found
        given = self._task(task).get("inputs", {})
        return bool(dict(self._parameter_values(self._component(task), given))[name] == text)

    def work_folder(self, task: str) -> Path:
        return self.folder / "work" / task

    def command(self, task: str) -> list[str]:
        """The container's command and arguments, every placeholder filled in."""
        executor_input = self._inputs[task] = self._executor_input(task)
        filled = _placeholders(executor_input)
        container = self._container(task)
        return [_fill(part, filled) for part in (*container["command"], *container.get("args", ()))]

    def environment(self, task: str) -> dict[str, str]:
        """This process's, in which `python` is its own interpreter, and the container's variables."""
        path = os.pathsep.join([str(Path(sys.executable).absolute().parent), os.environ.get("PATH", "")])
        own = {entry["name"]: entry["value"] for entry in self._container(task).get("env", ())}
        return {**os.environ, "PATH": path, **own}

    def collect(self, task: str) -> dict[str, tuple[Output, ...]]:
        """Read what a task that has ended reports, as Kubeflow's launcher does.

        Raises:
          OSError, ValueError, json_format.ParseError: it is not there or not what it should be.
        """
        declared = self._inputs[task]["outputs"]
        report = _report(Path(declared["outputFile"]))
        for name, parameter in declared["parameters"].items():
            kind = self._component(task)["outputDefinitions"]["parameters"][name]["parameterType"]
            values = report.get("parameterValues", {})
            self._parameters[task, name] = (
                values[name] if name in values else _typed(Path(parameter["outputFile"]).read_text(), kind)
            )
        outputs: dict[str, tuple[Output, ...]] = {}
        for name, artifacts in declared["artifacts"].items():
            [artifact] = artifacts["artifacts"]
            reported = report.get("artifacts", {}).get(name, {}).get("artifacts", [])
            if reported:
                artifact["uri"] = reported[0].get("uri") or artifact["uri"]
                artifact["metadata"] = {**artifact["metadata"], **reported[0].get("metadata", {})}
            # As Kubeflow's metadata store numbers artifacts.
            artifact["name"] = str(len(self._artifacts) + 1)
            self._artifacts[task, name] = artifact
            kind = artifact_title({"artifactType": artifact["type"]}).removeprefix("tfx.")
            outputs[name] = (Output(kind, artifact["uri"], artifact["metadata"]),)
        return outputs

    def _component(self, task: str) -> Mapping[str, Any]:
        name = self._task(task)["componentRef"]["name"]
        component: Mapping[str, Any] = self._pipeline["components"][name]
        return component

    def _container(self, task: str) -> Mapping[str, Any]:
        label = self._component(task)["executorLabel"]
        container: Mapping[str, Any] = self._pipeline["deploymentSpec"]["executors"][label]["container"]
        return container

    def _task(self, task: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._pipeline["root"]["dag"]["tasks"][task]
        return found

    def _executor_input(self, task: str) -> dict[str, Any]:
        """An ExecutorInput; the folders that Kubeflow makes exist."""
        component, inputs = self._component(task), self._task(task).get("inputs", {})
        outputs = component.get("outputDefinitions", {})
        work = self.work_folder(task)
        (work / "outputs").mkdir(parents=True, exist_ok=True)
        (self.folder / "artifacts" / task).mkdir(parents=True, exist_ok=True)
        return {
            "inputs": {
                "parameterValues": dict(self._parameter_values(component, inputs)),
                "artifacts": {
                    name: {"artifacts": [self._input_artifact(source["taskOutputArtifact"])]}
                    for name, source in inputs.get("artifacts", {}).items()
                },
            },
            "outputs": {
                "parameters": {
                    name: {"outputFile": str(work / "outputs" / name)}
                    for name in outputs.get("parameters", {})
                },
                "artifacts": {
                    name: {
                        "artifacts": [
                            {
                                "name": name,
                                "type": spec["artifactType"],
                                "uri": str(self.folder / "artifacts" / task / name),
                                "metadata": dict(spec.get("metadata", {})),
                            }
                        ]
                    }
                    for name, spec in outputs.get("artifacts", {}).items()
                },
                "outputFile": str(work / "outputs" / "output_metadata.json"),
            },
        }

    def _parameter_values(
        self, component: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any]]:
        given = inputs.get("parameters", {})
        for name, spec in component.get("inputDefinitions", {}).get("parameters", {}).items():
            source = given.get(name)
            if source is None:
                if "defaultValue" in spec:
                    yield name, spec["defaultValue"]
            elif "runtimeValue" in source:
                yield name, source["runtimeValue"]["constant"]
            elif "componentInputParameter" in source:
                yield name, self._values[source["componentInputParameter"]]
            else:
                wire = source["taskOutputParameter"]
                yield name, self._parameters[wire["producerTask"], wire["outputParameterKey"]]

    def _input_artifact(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        artifact = self._artifacts[wire["producerTask"], wire["outputArtifactKey"]]
        return {key: artifact[key] for key in ("name", "uri", "metadata")}


def _report(file: Path) -> dict[str, Any]:
    """An ExecutorOutput, strictly parsed; empty if the task wrote none."""
    if not file.exists():
        return {}
    text = file.read_text()
    json_format.Parse(text, pipeline_spec_pb2.ExecutorOutput())
    report: dict[str, Any] = json.loads(text)
    return report


def _typed(text: str, kind: str) -> Any:
    if kind == "STRING":
        return text
    return int(text) if kind == "NUMBER_INTEGER" else json.loads(text)


def _placeholders(executor_input: Mapping[str, Any]) -> dict[str, str]:
    """What Kubeflow's launcher replaces in commands and arguments."""
    filled = {"{{$}}": json.dumps(executor_input)}
    for name, value in executor_input["inputs"]["parameterValues"].items():
        filled[f"{{{{$.inputs.parameters['{name}']}}}}"] = (
            value if isinstance(value, str) else json.dumps(value)
        )
    for name, parameter in executor_input["outputs"]["parameters"].items():
        filled[f"{{{{$.outputs.parameters['{name}'].output_file}}}}"] = parameter["outputFile"]
    for side in ("inputs", "outputs"):
        for name, artifacts in executor_input[side]["artifacts"].items():
            for field in ("uri", "path"):
                key = f"{{{{$.{side}.artifacts['{name}'].{field}}}}}"
                filled[key] = artifacts["artifacts"][0]["uri"]
    return filled


def _fill(text: str, filled: Mapping[str, str]) -> str:
    for placeholder, value in filled.items():
        text = text.replace(placeholder, value)
    return text


def _execute(
    command: list[str], environment: Mapping[str, str], folder: Path, log: Path, listener: Listener
) -> int:
    """Run a command to its end; returns its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output, log.open() as lines:
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            output.write(f"{ERROR}{command[0]} cannot be started: {error}\n")
            return FAILED
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(_POLL_SECONDS)
                for line in lines:
                    if match := _PROGRESS_LINE.match(line):
                        listener.progress(int(match[1]), int(match[2]), match[3])
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


def _last_words(log: Path) -> str:
    """Why a task failed: what it says after ERROR, else the log's last line."""
    text = log.read_text(errors="replace")
    _, marker, reason = text.rpartition(ERROR)
    if marker:
        return reason.strip()
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
