from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf
from support.models import contract_model, fake_model
from tfx.types import channel_utils, standard_artifacts
from tfx.utils import path_utils

import contract
from components.serving_check import executor, report
from components.serving_check.check import check
from components.serving_check.component import ServingCheck
from components.serving_check.params import ServingCheckParams
from components.serving_check.verdict import Verdict


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
    timelines = standard_artifacts.Examples()
    timelines.uri = str(tmp_path / "timelines")
    fake_model.write_timelines(
        tmp_path / "timelines" / "Split-test", fake_model.random_users(np.random.default_rng(0), 5, 20)
    )
    nothing_pushed = standard_artifacts.Model()
    params = ServingCheckParams(timeout_s=timeout_s, latency_queries=10, latency_rate=100.0)
    executor.Executor().Do(
        {
            executor.MODEL: [models[0]],
            executor.MODEL_EXACT: [models[1]],
            executor.BLESSING: [blessing],
            executor.TIMELINES: [timelines],
            executor.BASELINE: [nothing_pushed],
        },
        {executor.INFRA_BLESSING: [infra]},
        {contract.PARAMS: params.to_json(), "unknown": "ignored"},
    )
    content = json.loads((tmp_path / "infra" / report.REPORT).read_text())
    return infra, report.read_infra_blessing(infra.uri), content


def _corrupt(folder):
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"half a model")


def test_models_that_answer_are_blessed(tmp_path):
    infra, (ok, reason), content = _run(tmp_path, contract_model.save, contract_model.save)
    assert ok and reason == ""
    assert infra.get_int_custom_property("blessed") == 1
    assert (tmp_path / "infra" / report.BLESSED).exists()
    assert [model["model"] for model in content["models"]] == list(contract.MODELS)
    # Nothing was pushed before: latency is measured and compared with nothing.
    latency = content["models"][0]["latency"]
    assert (latency["queries"], latency["rate"], latency["pushed"]) == (10, 100.0, {})
    assert 0 < latency["candidate"]["p50"] <= latency["candidate"]["p99"]
    assert [gate.name for gate in report.read_latency(infra.uri)] == ["p50 latency", "p99 latency"]
    assert content["models"][1]["latency"] is None


def test_a_corrupt_model_and_one_that_answers_wrongly_are_refused(tmp_path):
    """One of the two would be enough; each is named with its reason."""
    infra, (ok, reason), content = _run(
        tmp_path, _corrupt, lambda folder: contract_model.save(folder, without=contract.SIMILAR)
    )
    assert not ok and infra.get_int_custom_property("blessed") == 0
    assert (tmp_path / "infra" / report.NOT_BLESSED).exists()
    assert not (tmp_path / "infra" / report.BLESSED).exists()
    first, second = (model["reason"] for model in content["models"])
    assert reason == f"marquee: {first}; marquee-exact: {second}"
    assert "{name: marquee version: 1} due to error: " in first and "saved_model.pb" in first
    assert "{name: marquee-exact version: 1}" in second and '"similar" not found' in second
    assert all(not model["ok"] for model in content["models"])


def test_models_refused_by_the_gates_are_not_even_started(tmp_path):
    started = time.monotonic()
    infra, verdict, content = _run(tmp_path, _corrupt, _corrupt, gates_ok=False)
    assert verdict == (False, report.REFUSED_BY_GATES)
    assert content["models"] == [] and infra.get_int_custom_property("blessed") == 0
    assert time.monotonic() - started < 3


def test_a_model_that_answers_wrongly_over_the_wire_is_refused(tmp_path):
    """Warm-up only asks whether there is an answer; the check reads it."""

    def spoil(name, outputs):
        if name == contract.SIMILAR:
            return {**outputs, contract.SCORES: outputs[contract.SCORES] + float("nan")}
        return outputs

    good = contract_model.save(tmp_path / "good")
    spoilt = contract_model.save(tmp_path / "spoilt", spoil, unasked=contract.RATE)
    first, second = check({"good": good, "spoilt": spoilt}, timeout_s=120)
    assert (first.model, first.ok, first.reason) == ("good", True, "")
    assert (second.model, second.ok) == ("spoilt", False)
    assert second.reason == "similar: scores holds values that are not finite (and 1 more)"
    assert "spoilt" in second.output


def test_a_model_without_warm_up_requests_is_refused(tmp_path):
    model_dir = Path(contract_model.save(tmp_path / "model"))
    (model_dir / contract.ASSETS_EXTRA / contract.WARMUP_REQUESTS).unlink()
    [verdict] = check({"model": str(model_dir)}, timeout_s=120)
    assert not verdict.ok and verdict.reason.startswith("its warm-up requests cannot be read: ")


HANGING = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
pathlib.Path({pid!r}).write_text(str(child.pid))
print('loading', flush=True)
time.sleep(600)
"""


def test_a_hanging_server_is_killed_with_its_children(tmp_path, monkeypatch):
    (tmp_path / "hanging_server.py").write_text(HANGING.format(pid=str(tmp_path / "pid")))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [verdict] = check({"marquee": str(tmp_path)}, timeout_s=3.0, module="hanging_server")
    assert not verdict.ok and 3.0 <= verdict.seconds < 30.0
    assert verdict.reason == "no answer to all warm-up requests within 3 s; the server was killed"
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


# As the real server, but one model kills the process that loads it.
CRASHING = """
import os, sys, serving.model_server.__main__ as server
config = next(a.partition('=')[2] for a in sys.argv if a.startswith('--model_config_file'))
if {model!r} in open(config).read():
    os.kill(os.getpid(), 11)
sys.exit(server.main())
"""


def test_a_crash_is_put_down_to_the_model_that_causes_it(tmp_path, monkeypatch):
    (tmp_path / "crashing.py").write_text(CRASHING.format(model="marquee-exact"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    model_dir = contract_model.save(tmp_path / "model")
    model_dirs = dict.fromkeys(contract.MODELS, model_dir)
    good, bad = check(model_dirs, 120.0, module="crashing")
    assert (good.model, good.ok, good.reason) == ("marquee", True, "")
    assert (bad.model, bad.ok, bad.reason) == ("marquee-exact", False, "the server died of SIGSEGV")


def test_a_silent_end_is_named(tmp_path, monkeypatch):
    (tmp_path / "silent.py").write_text("raise SystemExit(4)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [silent] = check({"marquee": str(tmp_path)}, 60.0, module="silent")
    assert silent.reason == "the server ended with exit code 4 and said nothing"


def test_a_model_on_an_object_store_is_fetched(tmp_path):
    """TensorFlow's in-memory file system stands for it: the server, another process, cannot see that."""
    from tfx.dsl.io import fileio, filesystem_registry
    from tfx.dsl.io.plugins import tensorflow_gfile

    registry = filesystem_registry.DEFAULT_FILESYSTEM_REGISTRY
    registry.register(tensorflow_gfile.TensorflowFilesystem, priority=0)
    local = Path(contract_model.save(tmp_path / "model"))
    for path in filter(Path.is_file, local.rglob("*")):
        target = f"ram://serving_check/{path.relative_to(local)}"
        fileio.makedirs(target.rpartition("/")[0])
        tf.io.gfile.copy(str(path), target)
    [verdict] = check({"model": "ram://serving_check"}, timeout_s=120)
    assert verdict.ok, verdict


@pytest.mark.parametrize("missing", contract.MODELS)
def test_a_model_without_a_verdict_is_no_blessing(tmp_path, missing):
    verdicts = [Verdict(name, True, 1.0, "", "") for name in contract.MODELS if name != missing]
    assert report.write_report(str(tmp_path), verdicts) is False


def test_the_component_declares_what_the_executor_reads():
    model, exact = (channel_utils.as_channel([standard_artifacts.Model()]) for _ in contract.MODELS)
    blessing = channel_utils.as_channel([standard_artifacts.ModelBlessing()])
    component = ServingCheck(model, exact, blessing, ServingCheckParams(timeout_s=5))
    assert set(component.inputs) == {executor.MODEL, executor.MODEL_EXACT, executor.BLESSING}
    timelines = channel_utils.as_channel([standard_artifacts.Examples()])
    timed = ServingCheck(model, exact, blessing, ServingCheckParams(), timelines, model)
    assert {executor.TIMELINES, executor.BASELINE} <= set(timed.inputs)
    assert component.outputs[executor.INFRA_BLESSING].type is standard_artifacts.InfraBlessing
    assert ServingCheckParams.from_json(component.exec_properties[contract.PARAMS]).timeout_s == 5
    assert set(ServingCheck(model, exact, None, ServingCheckParams()).inputs) == {"model", "model_exact"}
