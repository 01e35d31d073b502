"""The trainer step and its TFJob, over HTTP and by Kubernetes' own client."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from support.cluster.manifests import FOLDER
from support.cluster.policies import broken_policies
from support.cluster.training_operator import NAMESPACE, Job, training_operator

from components.model.params import ModelParams
from components.trainer import run
from components.trainer.params import TrainerParams
from components.training_job import job, manifest, worker


def params(tmp_path: Path, **more: Any) -> job.JobParams:
    return job.JobParams(
        workers=2, image="registry.example/marquee:7", volumes={"marquee": str(tmp_path / "volume")}, cpu=1,
        memory_gib=2, folder=str(tmp_path / "volume" / "training"), namespace=NAMESPACE, poll_s=0.05, **more,
    )  # fmt: skip


def fn_args(tmp_path: Path, **more: Any) -> SimpleNamespace:
    """Of which the transform graph lies on no volume, and the timelines do."""
    inputs = {run.ITEMS: "volume/items", run.TIMELINES: "volume/timelines", "graph": "elsewhere/graph"}
    for name in inputs.values():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "file").write_text(name)
    return SimpleNamespace(
        transform_graph_path=str(tmp_path / "elsewhere/graph"),
        serving_model_dir=str(tmp_path / "output" / "model"),
        model_run_dir=str(tmp_path / "output" / "run"),
        custom_config={
            run.MODEL_PARAMS: ModelParams().to_json(),
            run.TRAINER_PARAMS: TrainerParams().to_json(),
            run.TIMELINES: str(tmp_path / "volume/timelines"),
            run.ITEMS: str(tmp_path / "volume/items"),
            job.JOB: params(tmp_path, **more).to_json(),
        },
    )


def fit_of(made: Job) -> worker.Fit:
    pod = made.body["spec"]["tfReplicaSpecs"]["Chief"]["template"]["spec"]
    return worker.Fit.read(pod["containers"][0]["args"][1])


def succeed(made: Job) -> None:
    """What the chief leaves behind."""
    fit = fit_of(made)
    for folder, file in ((fit.serving_model_dir, "saved_model.pb"), (fit.model_run_dir, "fit.json")):
        Path(folder).mkdir(parents=True)
        (Path(folder) / file).write_text(file)
    made.set("Succeeded")


@pytest.fixture(autouse=True)
def outside_of_kubeflow(monkeypatch):
    for variable in ("KFP_POD_NAME", "KFP_POD_UID"):
        monkeypatch.delenv(variable, raising=False)


def test_the_export_of_the_job_becomes_the_steps(tmp_path, monkeypatch):
    monkeypatch.setenv("KFP_POD_NAME", "run-1-trainer")
    monkeypatch.setenv("KFP_POD_UID", "1234")
    seen = []
    made_of = fn_args(tmp_path, env={"TZ": "UTC"}, secret_env={"KEY": "s3-keys/secret"})

    def made(one: Job) -> None:
        seen.append((one.body, fit_of(one)))
        graph = Path(fit_of(one).transform_graph_path) / "file"
        assert graph.read_text() == "elsewhere/graph"  # a copy that the workers see
        succeed(one)

    with training_operator(tmp_path, made=made) as operator:
        job.run_fn(made_of)
        assert len(operator.jobs) == 1  # its time to live is the cluster's to end
    [(body, fit)] = seen
    assert (tmp_path / "output/model/saved_model.pb").read_text() == "saved_model.pb"
    assert (tmp_path / "output/run/fit.json").read_text() == "fit.json"
    volume = tmp_path / "volume"
    assert fit.transform_graph_path.startswith(str(volume))
    assert fit.custom_config[run.TIMELINES] == made_of.custom_config[run.TIMELINES]
    trainer = TrainerParams.from_json(fit.custom_config[run.TRAINER_PARAMS])
    assert trainer.checkpoint_dir == str(volume / "training" / "checkpoints")
    assert list((volume / "training").iterdir()) == []  # nothing is left of it
    [owner] = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "run-1-trainer", "1234")
    assert broken_policies([body]) == []


def test_a_failed_job_is_named_kept_and_made_anew_by_the_next_try(tmp_path):
    with training_operator(tmp_path, made=lambda one: one.set("Failed", "chief-0: exit code 2")) as operator:
        with pytest.raises(job.JobError, match="failed: chief-0: exit code 2; see `kubectl logs -n kubeflow"):
            job.run_fn(fn_args(tmp_path))
        [name] = operator.jobs
        operator._made = succeed
        job.run_fn(fn_args(tmp_path))
        assert list(operator.jobs) == [name]
        assert [request.partition(" ")[0] for request in operator.requests].count("DELETE") == 1


def test_a_job_of_an_earlier_try_is_waited_for(tmp_path):
    """The step's pod may have been lost without a chance to delete it."""
    with training_operator(tmp_path) as operator:
        body = manifest.tf_job("marquee-trainer-1", params(tmp_path), "/fit.json")
        path = f"/apis/kubeflow.org/v1/namespaces/{NAMESPACE}/tfjobs"
        assert operator.answer("POST", path, json.dumps(body).encode())[0] == 201
        [found] = operator.jobs.values()
        timer = threading.Timer(0.3, found.set, ["Succeeded"])
        timer.start()
        job.Job("marquee-trainer-1", params(tmp_path)).complete("/fit.json")
        timer.join()
        assert operator.jobs == {"marquee-trainer-1": found}


def test_a_terminated_step_deletes_its_job(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with training_operator(tmp_path) as operator:
        timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGTERM])
        timer.start()
        with pytest.raises(SystemExit) as stopped:
            job.run_fn(fn_args(tmp_path))
        timer.join()
        assert stopped.value.code == 143
        assert operator.jobs == {}
        assert operator.requests[-1].startswith("DELETE ")
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_api_may_be_away_for_a_while_but_a_refusal_ends_the_wait(tmp_path):
    def made(one: Job) -> None:
        operator.failures += [500, 503, 429]
        succeed(one)

    with training_operator(tmp_path, made=made) as operator:
        job.run_fn(fn_args(tmp_path))

    with training_operator(tmp_path, made=lambda one: operator.failures.append(403)) as operator:
        with pytest.raises(job.JobError, match="does not tell of TFJob"):
            job.run_fn(fn_args(tmp_path))
        assert operator.jobs == {}  # the step failed, so what it began is undone


def test_what_is_wrong_is_said(tmp_path, monkeypatch):
    with training_operator(tmp_path) as operator:
        operator.failures += [403, 403]
        with pytest.raises(job.JobError, match=r"was refused: 403 .*; apply kubernetes/training, whose role"):
            job.run_fn(fn_args(tmp_path))

        operator._made = lambda one: operator.jobs.clear()
        with pytest.raises(job.JobError, match="was deleted while it was waited for"):
            job.run_fn(fn_args(tmp_path))
        monkeypatch.setattr(job, "_NAMESPACE_FILE", tmp_path / "none")
        nowhere = params(tmp_path).model_copy(update={"namespace": None})
        with pytest.raises(job.JobError, match=r"set kubeflow\.namespace"):
            job.Job("marquee-trainer-1", nowhere).complete("/fit.json")
    monkeypatch.setattr("kubernetes.config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(job.JobError, match="neither a pod's service account nor a kubeconfig is here"):
        job.run_fn(fn_args(tmp_path))


def test_the_job_by_hand_is_what_the_step_makes():
    template = yaml.safe_load((FOLDER / "training-by-hand" / "tfjob.yaml").read_text())
    same = job.JobParams(
        workers=3,
        image="marquee-pipeline",
        volumes={"marquee": "/mnt/marquee"},
        folder="/mnt/marquee/training",
        cpu=4,
        memory_gib=16,
    )
    assert template == manifest.tf_job("marquee-training", same, "/mnt/marquee/training/by-hand/fit.json")
