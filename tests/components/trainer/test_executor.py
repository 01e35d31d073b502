"""The executor of a final fit: what it tells `run_fn`, and what it does with a refused model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.artifacts import artifact
from tfx.components.trainer import executor as tfx_executor
from tfx.types import channel_utils, standard_artifacts

import contract
from components.model.params import ModelParams
from components.trainer import executor, run
from components.trainer.component import FitToRepeat, Trainer
from components.trainer.params import TrainerParams


def component(inputs, *, final, max_steps=None):
    channels = {key: channel_utils.as_channel([made]) for key, made in inputs.items()}
    repeat = None
    if final:
        repeat = FitToRepeat(channels["tested_model"], channels["tested_run"], channels["blessing"])
    return Trainer(
        channels["examples"], channels["items"], channels["transform_graph"], ModelParams(), TrainerParams(),
        repeat, max_steps,
    )  # fmt: skip


@pytest.fixture
def inputs(tmp_path):
    """Artifacts by the component's input keys."""
    timelines = artifact(standard_artifacts.Examples, tmp_path / "timelines")
    timelines.splits = [contract.TRAIN]
    towers = tmp_path / "towers" / "Format-Serving"
    (towers / "assets.extra").mkdir(parents=True)
    (towers / "saved_model.pb").write_text("the tested towers")
    (towers / "assets.extra" / contract.WARM_START).write_text("weights")
    return {
        "examples": timelines,
        "items": artifact(standard_artifacts.Examples, tmp_path / "items"),
        "transform_graph": artifact(standard_artifacts.TransformGraph, tmp_path / "graph"),
        "tested_model": artifact(standard_artifacts.Model, tmp_path / "towers"),
        "tested_run": artifact(standard_artifacts.ModelRun, tmp_path / "run"),
        "blessing": artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing"),
    }


@pytest.fixture
def outputs(tmp_path):
    return {
        "model": [artifact(standard_artifacts.Model, tmp_path / "final")],
        "model_run": [artifact(standard_artifacts.ModelRun, tmp_path / "final_run")],
    }


def do(monkeypatch, inputs, outputs, properties):
    """Runs the executor around a `run_fn` that makes an empty model; returns what that was called with."""
    calls = []

    def fits(fn_args):
        calls.append(fn_args)
        Path(fn_args.serving_model_dir).mkdir(parents=True)

    monkeypatch.setattr(tfx_executor.udf_utils, "get_fn", lambda properties, name: fits)
    lists = {key: [made] for key, made in inputs.items()}
    executor.Executor().Do(lists, outputs, {**properties, contract.CODE_HASH: "of the sources"})
    return calls


@pytest.mark.parametrize("blessed", [0, None])
def test_a_refused_model_is_passed_on_and_nothing_is_fitted(inputs, outputs, tmp_path, monkeypatch, blessed):
    if blessed is not None:
        inputs["blessing"].set_int_custom_property("blessed", blessed)
    assert do(monkeypatch, inputs, outputs, component(inputs, final=True).exec_properties) == []
    passed_on = tmp_path / "final" / "Format-Serving"
    assert (passed_on / "saved_model.pb").read_text() == "the tested towers"
    assert (passed_on / "assets.extra" / contract.WARM_START).read_text() == "weights"


def test_an_accepted_model_is_fitted_with_the_tested_run_at_hand(inputs, outputs, tmp_path, monkeypatch):
    inputs["blessing"].set_int_custom_property("blessed", 1)
    (fn_args,) = do(monkeypatch, inputs, outputs, component(inputs, final=True).exec_properties)
    assert fn_args.custom_config[run.TESTED_RUN] == str(tmp_path / "run")
    assert fn_args.custom_config[run.TIMELINES] == str(tmp_path / "timelines")
    assert fn_args.custom_config[run.CODE] == "of the sources"
    assert fn_args.model_run_dir == str(tmp_path / "final_run")


def test_the_first_fit_has_no_tested_run(inputs, outputs, monkeypatch):
    inputs["examples"].splits = list(contract.SPLITS)
    first = component(inputs, final=False)
    assert set(first.inputs) == {"examples", "items", "transform_graph"}
    assert json.loads(first.exec_properties["eval_args"]) == {}
    (fn_args,) = do(monkeypatch, {key: inputs[key] for key in first.inputs}, outputs, first.exec_properties)
    assert run.TESTED_RUN not in fn_args.custom_config
    assert run.MAX_STEPS not in fn_args.custom_config


def test_a_runs_limit_of_steps_reaches_run_fn(inputs, outputs, monkeypatch):
    inputs["blessing"].set_int_custom_property("blessed", 1)
    limited = component(inputs, final=True, max_steps=7)
    (fn_args,) = do(monkeypatch, inputs, outputs, limited.exec_properties)
    assert fn_args.custom_config[run.MAX_STEPS] == 7
