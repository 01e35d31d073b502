"""The steps of a compiled spec that are no TFX components: which data, and whether they have drifted."""

from __future__ import annotations

import json
from typing import Any

import contract
from components.example_gen.executor import DATA_PATH
from pipeline.config.sections import Config
from pipeline.kubeflow.steps import check_drift, find_data

# Parameters of a run.
DATA = "data"
DATE = "date"
FINGERPRINT = "fingerprint"
PUSH_TO = "push_to"
TRAIN_IF = "train_if"
REQUESTS = "requests"
GAUGES = "gauges"

FIND_DATA = "find-data"
DRIFT = "drift"
# What the drift step puts out: whether to train.
NEEDED = check_drift.NEEDED
_REPORT = "report"
_STRING = "STRING"
_CONDITION = "inputs.parameter_values['{}'] == '{}'"


def add_find_data(spec: dict[str, Any], config: Config) -> None:
    """The step that finds the data of a run."""
    _add(
        spec,
        FIND_DATA,
        find_data.MODULE,
        {
            **{name: {"componentInputParameter": name} for name in (DATA, DATE, FINGERPRINT)},
            contract.PARAMS: {"runtimeValue": {"constant": config.example_gen.to_json()}},
        },
        (DATA_PATH, FINGERPRINT),
        config,
    )


def add_drift(spec: dict[str, Any], config: Config, alone: bool = False) -> None:
    """The step that compares the data that were found with the log of the version that is served.

    Args:
      alone: nothing comes after it: drift is an error. Else TRAIN_IF of the run says when to go on.
    """
    never = {"runtimeValue": {"constant": check_drift.NEVER}}
    params = {"example_gen": config.example_gen.to_json(), "drift": config.drift.to_json()}
    _add(
        spec,
        DRIFT,
        check_drift.MODULE,
        {
            DATA_PATH: from_task(FIND_DATA, DATA_PATH),
            FINGERPRINT: from_task(FIND_DATA, FINGERPRINT),
            TRAIN_IF: never if alone else {"componentInputParameter": TRAIN_IF},
            **{name: {"componentInputParameter": name} for name in (PUSH_TO, REQUESTS, GAUGES)},
            contract.PARAMS: {"runtimeValue": {"constant": json.dumps(params, sort_keys=True)}},
        },
        (NEEDED,),
        config,
        report=True,
    )
    spec["root"]["dag"]["tasks"][DRIFT]["dependentTasks"] = [FIND_DATA]


def only_if_needed(spec: dict[str, Any], task: str) -> None:
    """Makes a task, and so what waits for it, run only if the drift step says so.

    A task that does not run has not succeeded; Kubeflow leaves out what depends on it, and the run ends
    well.
    """
    step = spec["root"]["dag"]["tasks"][task]
    inputs = spec["components"][step["componentRef"]["name"]]["inputDefinitions"]
    inputs.setdefault("parameters", {})[NEEDED] = {"parameterType": _STRING}
    step["inputs"].setdefault("parameters", {})[NEEDED] = from_task(DRIFT, NEEDED)
    step["dependentTasks"] = [*step.get("dependentTasks", []), DRIFT]
    step["triggerPolicy"] = {"condition": _CONDITION.format(NEEDED, check_drift.YES)}


def from_task(task: str, parameter: str) -> dict[str, Any]:
    """A parameter that an earlier task put out."""
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": parameter}}


def _add(
    spec: dict[str, Any],
    name: str,
    module: str,
    given: dict[str, Any],
    found: tuple[str, ...],
    config: Config,
    report: bool = False,
) -> None:
    """A step that runs a module of ours, never from the cache.

    Args:
      given: its parameters, all texts, by name; the module's flags.
      found: parameters that it puts out, each into the file that the flag --NAME_file says.
      report: whether it writes a page as well, to --report_file, which Kubeflow shows.
    """
    page = {_REPORT: {"artifactType": {"schemaTitle": "system.HTML", "schemaVersion": "0.0.1"}}}
    spec["components"][f"comp-{name}"] = {
        "executorLabel": f"exec-{name}",
        "inputDefinitions": {"parameters": {key: {"parameterType": _STRING} for key in given}},
        "outputDefinitions": {
            "parameters": {key: {"parameterType": _STRING} for key in found},
            **({"artifacts": page} if report else {}),
        },
    }
    spec["deploymentSpec"]["executors"][f"exec-{name}"] = {
        "container": {
            "image": config.kubeflow.image,
            "command": ["python", "-m", module],
            # `=`, or a value that begins with a hyphen would be taken for a flag.
            "args": [
                *(f"--{key}={{{{$.inputs.parameters['{key}']}}}}" for key in given),
                *(f"--{key}_file={{{{$.outputs.parameters['{key}'].output_file}}}}" for key in found),
                *([f"--report_file={{{{$.outputs.artifacts['{_REPORT}'].path}}}}"] if report else []),
            ],
        }
    }
    spec["root"]["dag"]["tasks"][name] = {
        "taskInfo": {"name": name},
        "componentRef": {"name": f"comp-{name}"},
        "cachingOptions": {},
        "inputs": {"parameters": given},
    }
