from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from tfx.types import channel_utils, standard_artifacts
from tfx.utils import path_utils

from components import contract
from components.serving_check import executor, report
from components.serving_check.check import Verdict, check
from components.serving_check.component import ServingCheck
from components.serving_check.params import ServingCheckParams


def _model(folder: Path) -> tuple[standard_artifacts.Model, Path]:
    model = standard_artifacts.Model()
    model.uri = str(folder)
    return model, Path(path_utils.serving_model_dir(str(folder)))


def _run(tmp_path, save_model, save_exact, gates_ok=True, timeout_s=120.0):
    """Runs the executor; returns the InfraBlessing, its verdict and its report."""
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path / "blessing")
    blessing.set_int_custom_property("blessed", int(gates_ok))
    infra = standard_artifacts.InfraBlessing()
    infra.uri = str(tmp_path / "infra")
    models = []
    for name, save in ((executor.MODEL, save_model), (executor.MODEL_EXACT, save_exact)):
        model, folder = _model(tmp_path / name)
        folder.parent.mkdir(parents=True)
        save(folder)
        models.append(model)
    executor.Executor().Do(
        {
            executor.MODEL: [models[0]],
            executor.MODEL_EXACT: [models[1]],
            executor.BLESSING: [blessing],
        },
        {executor.INFRA_BLESSING: [infra]},
        {contract.PARAMS: ServingCheckParams(timeout_s=timeout_s).to_json(), "unknown": "ignored"},
    )
    content = json.loads((tmp_path / "infra" / report.REPORT).read_text())
    return infra, report.read_infra_blessing(infra.uri), content


def _corrupt(folder):
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"half a model")


def test_models_that_answer_are_blessed(stub_model, tmp_path):
    infra, (ok, reason), content = _run(tmp_path, stub_model.save, stub_model.save)
    assert ok and reason == ""
    assert infra.get_int_custom_property("blessed") == 1
    assert (tmp_path / "infra" / report.BLESSED).exists()
    assert [model["model"] for model in content["models"]] == list(contract.MODELS)


def test_a_corrupt_model_and_one_that_answers_wrongly_are_refused(stub_model, tmp_path):
    """One of the two would be enough; each is named with its reason."""
    infra, (ok, reason), content = _run(
        tmp_path, _corrupt, lambda folder: stub_model.save(folder, without=contract.SIMILAR)
    )
    assert not ok and infra.get_int_custom_property("blessed") == 0
    assert (tmp_path / "infra" / report.NOT_BLESSED).exists()
    assert not (tmp_path / "infra" / report.BLESSED).exists()
    assert "marquee: cannot load the model at" in reason
    assert "marquee-exact: similar: the model has no such signature" in reason
    assert all(not model["ok"] for model in content["models"])


def test_models_refused_by_the_gates_are_not_even_started(tmp_path):
    started = time.monotonic()
    infra, verdict, content = _run(tmp_path, _corrupt, _corrupt, gates_ok=False)
    assert verdict == (False, report.REFUSED_BY_GATES)
    assert content["models"] == [] and infra.get_int_custom_property("blessed") == 0
    assert time.monotonic() - started < 3


def test_a_hanging_server_is_killed_with_its_children(tmp_path, monkeypatch):
    (tmp_path / "hanging_server.py").write_text(
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
        "print('loading', flush=True)\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    verdict = check("marquee", str(tmp_path / "pid"), timeout_s=3.0, module="hanging_server")
    assert not verdict.ok and 3.0 <= verdict.seconds < 30.0
    assert verdict.reason == "no answer to all warm-up requests within 3 s; the process was killed"
    assert verdict.output == "loading"
    child = int((tmp_path / "pid").read_text())
    # A killed process has closed its output a moment before the kernel calls it dead.
    deadline = time.monotonic() + 30.0
    while _is_running(child):
        assert time.monotonic() < deadline, f"process {child} outlived the time-out by 30 s"
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_crash_and_a_silent_end_are_named(tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text("import os; os.kill(os.getpid(), 11)\n")
    (tmp_path / "silent.py").write_text("raise SystemExit(4)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert check("marquee", "-", 60.0, module="crashing").reason == "the process died of SIGSEGV"
    silent = check("marquee", "-", 60.0, module="silent")
    assert silent.reason == "the process ended with exit code 4 and said nothing"


@pytest.mark.parametrize("missing", contract.MODELS)
def test_a_model_without_a_verdict_is_no_blessing(tmp_path, missing):
    verdicts = [Verdict(name, True, 1.0, "", "") for name in contract.MODELS if name != missing]
    assert report.write_report(str(tmp_path), verdicts) is False


def test_the_component_declares_what_the_executor_reads():
    model, exact = (channel_utils.as_channel([standard_artifacts.Model()]) for _ in contract.MODELS)
    blessing = channel_utils.as_channel([standard_artifacts.ModelBlessing()])
    component = ServingCheck(model, exact, blessing, ServingCheckParams(timeout_s=5))
    assert set(component.inputs) == {executor.MODEL, executor.MODEL_EXACT, executor.BLESSING}
    assert component.outputs[executor.INFRA_BLESSING].type is standard_artifacts.InfraBlessing
    assert ServingCheckParams.from_json(component.exec_properties[contract.PARAMS]).timeout_s == 5
    assert set(ServingCheck(model, exact, None, ServingCheckParams()).inputs) == {"model", "model_exact"}
