"""Real workers on this machine: by the TFJob's own command, arguments and TF_CONFIG."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.cluster.manifests import REPOSITORY
from support.cluster.training_operator import NAMESPACE, Operator, training_operator

import contract
from components.model.params import ModelParams
from components.trainer import run
from components.trainer.loop import fit
from components.trainer.params import TrainerParams
from components.training_job import job, worker

EPOCHS, SEEDS = 4, (1, 2, 3, 4)


@pytest.fixture(scope="module")
def given(artifacts):
    """seed, folder -> what TFX's trainer gives a run_fn."""

    def given(seed: int, folder: Path) -> SimpleNamespace:
        trainer = TrainerParams(seed=seed, epochs=EPOCHS, batch_size=256, uniform_negatives=256)
        return SimpleNamespace(
            transform_graph_path=artifacts.transform_graph,
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "run"),
            custom_config={
                run.MODEL_PARAMS: ModelParams(embedding_dim=16, hidden=(32,), history_window=30).to_json(),
                run.TRAINER_PARAMS: trainer.to_json(),
                run.TIMELINES: artifacts.timelines,
                run.ITEMS: artifacts.items,
                run.CODE: "of this test",
            },
        )

    return given


@pytest.fixture(scope="module")
def alone(given, tmp_path_factory):
    """Eval Recall@20 of fits in one process, one for each seed."""
    found = []
    for seed in SEEDS:
        folder = tmp_path_factory.mktemp(f"seed-{seed}")
        run.run_fn(given(seed, folder))
        found.append(fit.FitResult.read(str(folder / "run")).recall[20])
    return np.array(found)


def within_the_spread(found: float, alone: np.ndarray) -> bool:
    """No farther from their mean than fits in one process may be: three standard deviations."""
    return abs(found - alone.mean()) <= 3 * max(alone.std(ddof=1), 0.01)


def in_a_job(arguments: SimpleNamespace, folder: Path, artifacts) -> None:
    """The step: makes the TFJob, waits for it, fetches the export."""
    params = job.JobParams(
        workers=2,
        image="registry.example/marquee:7",
        volumes={"marquee": str(folder), "artifacts": str(artifacts.folder)},
        folder=str(folder / "training"),
        namespace=NAMESPACE,
        cpu=1,
        memory_gib=2,
        env={"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "1"},
        poll_s=0.5,
    )
    arguments.custom_config[job.JOB] = params.to_json()
    job.run_fn(arguments)


def logs(operator: Operator) -> dict[str, str]:
    return {name: path.read_text(errors="replace") for path in operator.folder.glob("*.log")
            for name in [re.sub(r"^marquee-trainer-\w+-", "", path.stem)]}  # fmt: skip


@pytest.mark.nightly("components/training_job", "components/trainer/loop", "components/trainer/run.py")
def test_two_workers_fit_as_well_as_one_process(given, alone, tmp_path, artifacts):
    arguments = given(1, tmp_path / "out")
    with training_operator(tmp_path, launch=True) as operator:
        in_a_job(arguments, tmp_path, artifacts)
        said = logs(operator)
        assert set(next(iter(operator.jobs.values())).starts.values()) == {1}, said
    assert "worker 1 of 2" in said["chief-0"] and "worker 2 of 2" in said["worker-0"]
    result = fit.FitResult.read(arguments.model_run_dir)
    assert within_the_spread(result.recall[20], alone), (result, alone)
    # The chief's files, whole, and nobody else's.
    assert (Path(arguments.serving_model_dir) / "saved_model.pb").is_file()
    assert (Path(arguments.serving_model_dir) / contract.ASSETS_EXTRA / contract.WARM_START).is_file()
    assert len(list(Path(arguments.model_run_dir).glob("events.out.tfevents*"))) == 1
    assert list((tmp_path / "training" / "checkpoints").iterdir()) == []


@pytest.mark.nightly("components/training_job", "components/trainer/loop", "components/trainer/run.py")
def test_a_fit_goes_on_when_a_worker_was_killed(given, alone, tmp_path, artifacts):
    arguments = given(1, tmp_path / "out")

    def kill_in_the_second_epoch(operator: Operator) -> None:
        deadline = time.monotonic() + 280
        while time.monotonic() < deadline:
            if re.search(
                r"trainer\.loop\.checkpoints:checkpoint \S+-1$", logs(operator).get("chief-0", ""), re.M
            ):
                break
            time.sleep(0.1)
        [(name, made)] = operator.jobs.items()
        made.processes[f"{name}-worker-0"].kill()

    with training_operator(tmp_path, launch=True) as operator:
        killer = threading.Thread(target=kill_in_the_second_epoch, args=[operator])
        killer.start()
        in_a_job(arguments, tmp_path, artifacts)
        killer.join()
        said = logs(operator)
        assert min(next(iter(operator.jobs.values())).starts.values()) >= 2
    assert f"{worker.ERROR}another worker was lost" in said["chief-0"]
    for text in said.values():
        places = [int(epoch) for epoch in re.findall(r"going on after step 0 of epoch (\d+)", text)]
        assert places and min(places) >= 2, text[-3000:]
    # The first epoch was not run again.
    assert len(re.findall(r"trainer\.loop\.fit:epoch 1: ", said["chief-0"])) == 1
    result = fit.FitResult.read(arguments.model_run_dir)
    assert within_the_spread(result.recall[20], alone), (result, alone)
    assert (Path(arguments.serving_model_dir) / "saved_model.pb").is_file()


# --- what is wrong is said ------------------------------------------------------
def started(tmp_path: Path, text: str, tf_config: str = "") -> subprocess.CompletedProcess[str]:
    (tmp_path / "fit.json").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", worker.MODULE, "--fit", str(tmp_path / "fit.json")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TF_CONFIG": tf_config},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_worker_says_what_is_wrong_with_its_file(tmp_path):
    done = started(tmp_path, json.dumps({"transform_graph_path": "/graph"}))
    assert done.returncode == worker.BAD_INPUT
    assert re.search(r"marquee-error: --fit .* cannot be read as a fit: .*serving_model_dir", done.stderr)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{", "cannot be read"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "cannot be read"),
        ('{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "ps", "index": 0}}', "must have"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', "must have"),
    ],
)
def test_a_wrong_tf_config_is_refused(monkeypatch, config, expected):
    from components.trainer.loop import workers

    monkeypatch.setenv(workers.TF_CONFIG, config)
    with pytest.raises(ValueError, match=f"TF_CONFIG {expected}"):
        workers.join()


def test_one_task_is_one_process(monkeypatch):
    from components.trainer.loop import workers

    config = {"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}
    monkeypatch.setenv(workers.TF_CONFIG, json.dumps(config))
    assert workers.join().num_replicas_in_sync == 1
    assert (workers.number(), workers.count(), workers.is_chief()) == (0, 1, True)


def test_a_closed_form_is_not_spread_over_workers():
    config = {
        run.MODEL_PARAMS: ModelParams(kind="ease").to_json(),
        run.TRAINER_PARAMS: TrainerParams().to_json(),
    }
    worker._check(config, 1)
    with pytest.raises(ValueError, match=r"model\.kind = ease: is fitted by one process, not by 2 workers"):
        worker._check(config, 2)
