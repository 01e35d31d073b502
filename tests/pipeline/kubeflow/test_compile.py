"""The compiled spec: the graph is the DAG's, and every knob of the config is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.orchestration.pipeline import Pipeline

from components.training_job.job import JOB, JobParams
from pipeline import cli
from pipeline.config.reader import load
from pipeline.dag import Launch, create_pipeline
from pipeline.errors import ConfigError
from pipeline.kubeflow.compiler import compile_drift, compile_pipeline
from pipeline.kubeflow.documents import Documents, read_all
from pipeline.kubeflow.lint import problems
from pipeline.kubeflow.steps import check_drift
from pipeline.kubeflow.steps.spec import DRIFT, FIND_DATA
from pipeline.kubeflow.task import MODULE

REPOSITORY = Path(__file__).parents[3]
# Parameters that the step `drift` reads.
DRIFTS = {"train_if": ("STRING", "always"), "requests": ("STRING", ""), "gauges": ("STRING", "")}
KNOBS = (
    "name=shop",
    "final_fit=all",
    "metadata=mysql://marquee:hunter2@db/m",
    "kubeflow.image=registry.example/marquee:7",
    "kubeflow.image_pull_policy=Always",
    "kubeflow.pipeline_root=s3://bucket/runs",
    "kubeflow.volumes={claim: /mnt/marquee}",
    "kubeflow.artifacts_dir=/mnt/marquee/artifacts",
    "kubeflow.data=/mnt/marquee/data/{date}",
    "kubeflow.push_to=/mnt/marquee/serving_model",
    "kubeflow.cpu={default: 0.5, final_trainer: 4}",
    "kubeflow.memory_gib={default: 3, trainer: 12.5}",
    "kubeflow.accelerator={trainer: nvidia.com/gpu, final_trainer: nvidia.com/gpu}",
    "kubeflow.accelerators={trainer: 2}",
    "kubeflow.node_selector={pool: gpu}",
    "kubeflow.retries=5",
    "kubeflow.retry_wait_s=7",
    "kubeflow.beam_pipeline_args=[--runner=FlinkRunner, --flink_master=flink:8081]",
    "kubeflow.env={TZ: UTC}",
    "kubeflow.secret_env={AWS_SECRET_ACCESS_KEY: s3-keys/secret}",
    "trainer.max_steps=300",
)


@pytest.fixture(scope="module")
def plain() -> Documents:
    return compile_pipeline(load())


@pytest.fixture(scope="module")
def full() -> Documents:
    return compile_pipeline(load(None, KNOBS))


def tasks(documents: Documents) -> dict[str, Any]:
    return documents.pipeline["root"]["dag"]["tasks"]


def containers(documents: Documents) -> dict[str, Any]:
    """task -> its container"""
    executors = documents.pipeline["deploymentSpec"]["executors"]
    return {name: executors[f"exec-{name}"]["container"] for name in tasks(documents)}


def kubernetes(documents: Documents) -> dict[str, Any]:
    """task -> its part of the platform's document"""
    executors = documents.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name: executors[f"exec-{name}"] for name in tasks(documents)}


def graph(documents: Documents) -> dict[str, set[str]]:
    return {name: set(task.get("dependentTasks", ())) for name, task in tasks(documents).items()}


def dag(*overrides: str) -> Pipeline:
    return create_pipeline(load(None, overrides), Launch(data="/d", fingerprint="f", push_to="/p"))


@pytest.mark.parametrize("final_fit", ["train", "all"])
def test_the_graph_is_the_dag_and_the_steps_before_it(
    plain: Documents, full: Documents, final_fit: str
) -> None:
    expected = {
        node.id.replace("_", "-"): {up.id.replace("_", "-") for up in node.upstream_nodes}
        for node in dag(f"final_fit={final_fit}").components
    }
    expected["example-gen"] = {FIND_DATA, DRIFT}
    own = {FIND_DATA: set(), DRIFT: {FIND_DATA}}
    assert graph(full if final_fit == "all" else plain) == {**expected, **own}


def test_it_is_sound_and_parses_strictly(plain: Documents, full: Documents, tmp_path: Path) -> None:
    for documents in (plain, full):
        documents.write(tmp_path / "spec.yaml")
        written = read_all(tmp_path / "spec.yaml")
        assert problems(written) == []
        spec = json_format.ParseDict(written[0], pipeline_spec_pb2.PipelineSpec())
        assert spec.schema_version == "2.1.0"
        deployment = json_format.MessageToDict(spec.deployment_spec)
        json_format.ParseDict(deployment, pipeline_spec_pb2.PipelineDeploymentConfig())
        json_format.ParseDict(written[1], pipeline_spec_pb2.PlatformSpec())


def test_nothing_of_this_machine_and_no_secret_is_in_it(full: Documents) -> None:
    text = json.dumps([full.pipeline, full.platform])
    for part in (str(REPOSITORY), str(Path.home()), str(Path.cwd()), "hunter2", "mysql"):
        assert part not in text


def test_the_same_config_gives_the_same_file(plain: Documents) -> None:
    again = compile_pipeline(load())
    assert (again.pipeline, again.platform) == (plain.pipeline, plain.platform)


def test_a_runs_parameters(plain: Documents, full: Documents) -> None:
    def parameters(documents: Documents) -> dict[str, Any]:
        specs = documents.pipeline["root"]["inputDefinitions"]["parameters"]
        return {name: (spec["parameterType"], spec.get("defaultValue")) for name, spec in specs.items()}

    assert parameters(plain) == {
        "data": ("STRING", None),
        "date": ("STRING", ""),
        "fingerprint": ("STRING", ""),
        "push_to": ("STRING", None),
        **DRIFTS,
        "max_steps": ("NUMBER_INTEGER", 0),
    }
    assert parameters(full) == {
        "data": ("STRING", "/mnt/marquee/data/{date}"),
        "date": ("STRING", ""),
        "fingerprint": ("STRING", ""),
        "push_to": ("STRING", "/mnt/marquee/serving_model"),
        **DRIFTS,
        "max_steps": ("NUMBER_INTEGER", 300),
    }


def test_what_a_run_is_given_reaches_the_steps(full: Documents) -> None:
    inputs = {
        name: task["inputs"]["parameters"]
        for name, task in tasks(full).items()
        if "parameters" in task["inputs"]
    }
    for name in ("data_path", "fingerprint"):
        key = {"fingerprint": "data_fingerprint"}.get(name, name)
        assert inputs["example-gen"][key] == {
            "taskOutputParameter": {"producerTask": FIND_DATA, "outputParameterKey": name}
        }
    assert inputs[FIND_DATA] == {
        **{name: {"componentInputParameter": name} for name in ("data", "date", "fingerprint")},
        "params": {"runtimeValue": {"constant": load(None, KNOBS).example_gen.to_json()}},
    }
    for step, key, parameter in (
        ("trainer", "max_steps", "max_steps"),
        ("final-trainer", "max_steps", "max_steps"),
        ("baseline", "push_destination", "push_to"),
        ("pusher", "destination", "push_to"),
    ):
        assert inputs[step][key] == {"componentInputParameter": parameter}


def test_nothing_trains_unless_the_drift_step_says_so(full: Documents) -> None:
    """The condition is the reader's, from which every other step comes; in the form of kfp's own compiler."""
    conditions = {
        name: task["triggerPolicy"] for name, task in tasks(full).items() if "triggerPolicy" in task
    }
    assert conditions == {"example-gen": {"condition": "inputs.parameter_values['needed'] == 'yes'"}}
    assert tasks(full)["example-gen"]["inputs"]["parameters"]["needed"] == {
        "taskOutputParameter": {"producerTask": DRIFT, "outputParameterKey": "needed"}
    }
    after = {"example-gen"}
    while more := {name for name, before in graph(full).items() if before & after} - after:
        after |= more
    assert after == tasks(full).keys() - {FIND_DATA, DRIFT}


def test_a_pipeline_that_only_looks_for_drift(full: Documents) -> None:
    drift = compile_drift(load(None, KNOBS))
    assert drift.name == "shop-drift"
    assert graph(drift) == {FIND_DATA: set(), DRIFT: {FIND_DATA}}
    given = tasks(drift)[DRIFT]["inputs"]["parameters"]
    assert given["train_if"] == {"runtimeValue": {"constant": check_drift.NEVER}}
    assert set(drift.pipeline["root"]["inputDefinitions"]["parameters"]) == {
        "data", "date", "fingerprint", "push_to", "requests", "gauges",
    }  # fmt: skip
    # Drift once is drift again; else it is sized, mounted and kept as the steps of the other pipeline.
    assert not any("retryPolicy" in task for task in tasks(drift).values())
    assert containers(drift)[DRIFT]["resources"] == containers(full)[DRIFT]["resources"]
    assert kubernetes(drift)[DRIFT] == kubernetes(full)[DRIFT]
    assert drift.pipeline["defaultPipelineRoot"] == "s3://bucket/runs"


def test_beams_flags_reach_what_runs_on_beam(full: Documents) -> None:
    for name in ("example-gen", "statistics-timelines", "transform"):
        assert {"--runner=FlinkRunner", "--flink_master=flink:8081"} <= set(containers(full)[name]["args"])


def test_what_looks_outside_its_inputs_is_never_cached(plain: Documents) -> None:
    cached = {name for name, task in tasks(plain).items() if task["cachingOptions"].get("enableCache")}
    assert tasks(plain).keys() - cached == {FIND_DATA, DRIFT, "baseline", "pusher"}
    uncached = compile_pipeline(load(None, ["cache=false"]))
    assert not any(task.get("cachingOptions") for task in tasks(uncached).values())


def test_every_step_runs_the_projects_entry_point_in_the_image(full: Documents) -> None:
    for name, container in containers(full).items():
        assert container["image"] == "registry.example/marquee:7"
        assert container["env"] == [{"name": "TZ", "value": "UTC"}]
        if name in (FIND_DATA, DRIFT):
            continue
        assert container["command"] == ["python", "-m", MODULE]
        arguments = container["args"]
        assert arguments[arguments.index("--json_serialized_invocation_args") + 1] == "{{$}}"
        assert arguments[arguments.index("--artifact_root") + 1] == "/mnt/marquee/artifacts"
        assert {"--runner=FlinkRunner", "--flink_master=flink:8081"} <= set(arguments)


def test_resources_of_a_step(plain: Documents, full: Documents) -> None:
    resources = {name: container["resources"] for name, container in containers(full).items()}
    assert resources["index"] == {
        "cpuLimit": 0.5, "cpuRequest": 0.5, "resourceCpuLimit": "0.5", "resourceCpuRequest": "0.5",
        "memoryLimit": 3.221, "memoryRequest": 3.221,
        "resourceMemoryLimit": "3072Mi", "resourceMemoryRequest": "3072Mi",
    }  # fmt: skip
    assert resources["trainer"]["resourceMemoryLimit"] == "12800Mi"
    assert resources["final-trainer"]["resourceCpuLimit"] == "4"
    assert resources["trainer"]["accelerator"] == {
        "type": "nvidia.com/gpu", "count": "2", "resourceType": "nvidia.com/gpu", "resourceCount": "2"
    }  # fmt: skip
    assert resources["final-trainer"]["accelerator"]["resourceCount"] == "1"
    assert {name for name in resources if "accelerator" in resources[name]} == {"final-trainer", "trainer"}
    assert containers(plain)["trainer"]["resources"]["resourceMemoryLimit"] == "8192Mi"


def test_several_workers_get_what_the_trainer_was_given() -> None:
    """Both fits become training jobs; the step itself only waits."""
    documents = compile_pipeline(
        load(
            None, [*KNOBS, "kubeflow.trainer_workers=3", "kubeflow.accelerators={}", "kubeflow.namespace=ns"]
        )
    )
    assert problems([documents.pipeline, documents.platform]) == []
    for name in ("trainer", "final-trainer"):
        properties = tasks(documents)[name]["inputs"]["parameters"]
        assert properties["run_fn"]["runtimeValue"]["constant"] == "components.training_job.job.run_fn"
        config = json.loads(properties["custom_config"]["runtimeValue"]["constant"])
        made = JobParams.from_json(config[JOB])
        assert (made.workers, made.cpu, made.memory_gib) == (3, 0.5, 12.5)
        assert (made.accelerator, made.node_selector) == ("nvidia.com/gpu", {"pool": "gpu"})
        assert (made.image, made.image_pull_policy) == ("registry.example/marquee:7", "Always")
        assert made.volumes == {"claim": "/mnt/marquee"}
        assert (made.folder, made.namespace) == ("/mnt/marquee/artifacts/training", "ns")
        assert (made.env, made.secret_env) == ({"TZ": "UTC"}, {"AWS_SECRET_ACCESS_KEY": "s3-keys/secret"})
        resources = containers(documents)[name]["resources"]
        assert "accelerator" not in resources
        assert resources == containers(documents)["index"]["resources"]  # those of `default`
        assert "nodeSelector" not in kubernetes(documents)[name]


def test_one_worker_is_the_step_itself(full: Documents) -> None:
    properties = tasks(full)["trainer"]["inputs"]["parameters"]
    assert properties["run_fn"]["runtimeValue"]["constant"] == "components.trainer.run.run_fn"
    assert JOB not in json.loads(properties["custom_config"]["runtimeValue"]["constant"])


def test_retries_of_a_step(full: Documents) -> None:
    for task in tasks(full).values():
        assert task["retryPolicy"] == {
            "maxRetryCount": 5, "backoffDuration": "7s", "backoffFactor": 2.0, "backoffMaxDuration": "3600s"
        }  # fmt: skip
    none = compile_pipeline(load(None, ["kubeflow.retries=0"]))
    assert not any("retryPolicy" in task for task in tasks(none).values())


def test_what_kubernetes_adds(plain: Documents, full: Documents) -> None:
    assert full.pipeline["defaultPipelineRoot"] == "s3://bucket/runs"
    for name, config in kubernetes(full).items():
        assert config["imagePullPolicy"] == "Always"
        assert config["pvcMount"] == [{"constant": "claim", "mountPath": "/mnt/marquee"}]
        assert config["secretAsEnv"] == [
            {
                "secretName": "s3-keys",
                "keyToEnv": [{"envVar": "AWS_SECRET_ACCESS_KEY", "secretKey": "secret"}],
            }
        ]
        assert config.get("nodeSelector") == ({"labels": {"pool": "gpu"}} if "trainer" in name else None)
    assert set(map(json.dumps, kubernetes(plain).values())) == {'{"imagePullPolicy": "IfNotPresent"}'}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.warm_start=latest", "trainer.warm_start = latest: .* when the spec is compiled"),
        (
            "kubeflow.cpu={tariner: 2}",
            "kubeflow.cpu.tariner: there is no such step; the steps are baseline",
        ),
        ("kubeflow.accelerator={gpu: 2}", "kubeflow.accelerator"),
        ("kubeflow.env={URL: 'http://u:pw@host'}", "holds an address with a password"),
    ],
)
def test_a_config_that_kubeflow_cannot_run_is_explained(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compile_pipeline(load(None, [override]))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["kubeflow.cpu={index: 2}"], "trainer_workers: kubeflow.cpu and memory_gib must say"),
        (
            ["kubeflow.accelerator={trainer: nvidia.com/gpu}", "kubeflow.accelerators={trainer: 2}"],
            "accelerators.trainer: a worker uses one at most; raise kubeflow.trainer_workers",
        ),
    ],
)
def test_workers_that_cannot_be_made_are_explained(overrides: list[str], words: str) -> None:
    several = ["kubeflow.volumes={c: /mnt/a}", "kubeflow.artifacts_dir=/mnt/a", "kubeflow.trainer_workers=2"]
    with pytest.raises(ConfigError, match=words):
        compile_pipeline(load(None, [*several, *overrides]))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["kubeflow.pipeline_root=/mnt/x"],
            "takes gs://, s3://, minio:// only",
        ),
        (["kubeflow.data=/mnt/x"], "data = /mnt/x: lies on no volume"),
        (["kubeflow.push_to=models"], "push_to = models: must be an absolute folder or a URL"),
        (
            ["kubeflow.volumes={c: /mnt/a}", "kubeflow.push_to=/mnt/ab"],
            "/mnt/ab: lies on no volume",
        ),
        (["kubeflow.accelerators={trainer: 2}"], "accelerators.trainer: accelerator says nothing of trainer"),
        (["kubeflow.env={A: x}", "kubeflow.secret_env={A: s/k}"], "A stands in env and in secret_env"),
        (["kubeflow.secret_env={A: hunter2}"], r"kubeflow.secret_env\[A\] = 'hunter2'"),
        (["kubeflow.cpu={trainer: 0}"], r"kubeflow.cpu\[trainer\] = 0"),
        (["kubeflow.volumes={c: mnt}"], r"kubeflow.volumes\[c\] = 'mnt'"),
        (["kubeflow.trainer_workers=2"], "trainer_workers = 2: they must meet on a volume; give trainer_dir"),
        (["kubeflow.trainer_dir=/mnt/x"], "trainer_dir = /mnt/x: lies on no volume"),
    ],
)
def test_a_wrong_knob_is_explained(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(None, overrides)


def test_the_command_writes_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, plain: Documents
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["kubeflow", "compile", "--output", "out/spec.yaml"]) == 0
    out = capfd.readouterr().out
    assert "out/spec.yaml: marquee, 17 steps, image marquee-pipeline:0.1.0" in out
    assert "must be given" in out
    written = list(yaml.safe_load_all((tmp_path / "out" / "spec.yaml").read_text()))
    assert written == [plain.pipeline, plain.platform]
