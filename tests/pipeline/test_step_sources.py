"""Of each step in the graph: its hash covers every file of the project that it runs, and no other."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.loaded_modules import REPOSITORY
from tfx.orchestration.pipeline import Pipeline

import contract
from components.training_job.job import JobParams
from leaderboard import registry
from pipeline.code_hash import PROJECT, ROOT, code_hash, source_files
from pipeline.commands import leaderboard
from pipeline.config.reader import load
from pipeline.dag import Launch, create_pipeline, modules

STOCK = {"statistics_timelines", "statistics_items", "validate_timelines", "validate_items"}
# What no step runs in the trainer's own process: a word changed there reruns nothing.
NOT_RUN = ("benchmarks/", "components/training_job/", "datasets/", "leaderboard/", "pipeline/", "tests/")
JOB = JobParams(
    workers=2, image="i:1", volumes={"claim": "/mnt"}, cpu=1, memory_gib=1, folder="/mnt/training"
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The longest graph, with a final fit."""
    return graph(tmp_path_factory.mktemp("graph"))


def graph(folder: Path, training_job: JobParams | None = None) -> Pipeline:
    config = load(None, [f"data={folder}", f"artifacts={folder / 'artifacts'}", "final_fit=all"])
    return create_pipeline(config, Launch("/data", "0", "/models", training_job=training_job))


def files_by_node(pipeline: Pipeline) -> dict[str, set[str]]:
    return {node.id: names(modules(node)) for node in pipeline.components}


def names(of: list[str]) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in source_files(of)}


def test_every_step_carries_the_hash_of_its_sources(pipeline: Pipeline) -> None:
    data = {
        f"schema_{name}": [f"components/transform/schemas/{name}.pbtxt"] for name in ("timelines", "items")
    } | {"pusher": ["components/pusher/model_card.md.j2"]}
    for node in pipeline.components:
        expected = code_hash(modules(node), data.get(node.id, ()))
        assert node.exec_properties[contract.CODE_HASH] == expected, node.id
        assert bool(modules(node)) == (node.id not in STOCK)


def test_what_no_step_runs_is_in_no_hash(pipeline: Pipeline) -> None:
    """A generator, a fetcher, a report, job code for a cluster, the command line."""
    for node, files in files_by_node(pipeline).items():
        assert not [file for file in files if file.startswith(NOT_RUN)], node


def test_a_steps_hash_holds_what_it_runs_and_not_its_neighbours(pipeline: Pipeline) -> None:
    files = files_by_node(pipeline)
    towers = "components/model/towers/encoders.py"
    assert {node for node, of in files.items() if towers in of} == {"trainer", "final_trainer"}
    evaluators = {"evaluator", "final_evaluator"}
    metrics = "components/evaluator/metrics/tfma_metrics.py"  # found by its name
    assert {node for node, of in files.items() if metrics in of} == evaluators
    server = "serving/model_server/execution/runtime.py"  # started as a process
    assert {node for node, of in files.items() if server in of} == {"serving_check"}


def test_the_code_of_a_training_job_counts_where_it_is_what_fits(tmp_path: Path) -> None:
    files = files_by_node(graph(tmp_path, JOB))
    job = {f"components/training_job/{name}.py" for name in ("job", "manifest", "worker")}
    assert {node for node, of in files.items() if of & job} == {"trainer", "final_trainer"}
    assert job < files["trainer"]


def test_a_module_that_is_named_in_a_property_counts(pipeline: Pipeline) -> None:
    """No function of the project is called by an import path that dag.py does not know of."""
    for node in pipeline.components:
        for key, value in node.exec_properties.items():
            for word in str(value).replace('"', " ").split():
                module = word.rpartition(".")[0]
                if word.split(".")[0] in PROJECT and (ROOT / f"{module.replace('.', '/')}.py").is_file():
                    assert module in modules(node), f"{node.id}.{key} names {word}"


def test_nothing_is_imported_by_a_name_that_the_syntax_does_not_tell(pipeline: Pipeline) -> None:
    for file in set().union(*files_by_node(pipeline).values()):
        text = (ROOT / file).read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.Attribute, ast.Name)):
                called = node.attr if isinstance(node, ast.Attribute) else node.id
                assert called not in {"import_module", "__import__", "run_module", "iter_modules"}, file


def test_what_is_really_loaded_is_in_the_hash(pipeline: Pipeline) -> None:
    """Loading all files of a step, or of a leaderboard's fit, late imports too, loads none beside them."""
    hashed = {
        **{node: of for node, of in files_by_node(pipeline).items() if node not in STOCK},
        **{name: names(["leaderboard.fits", registry.module_name(name)]) for name in ("ease", "two_tower")},
    }
    files = {name: without_main(of) for name, of in hashed.items() if not name.startswith("final_")}
    wanted = {name: [module_of(file) for file in sorted(of)] for name, of in files.items()}
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tests" / "support" / "loaded_modules.py")],
        input=json.dumps(wanted), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, loaded in json.loads(done.stdout.splitlines()[-1]).items():
        assert without_main(loaded) == files[name], name


def test_a_fit_of_the_leaderboard_is_remembered_by_the_schema_that_it_reads() -> None:
    """Transform's graph in this process reads it, and so does whatever else imports it."""
    schema = "components/transform/schemas/items.pbtxt"
    for name in registry.NAMES:
        started = ["leaderboard.fits", registry.module_name(name)]
        reads = {schema} if "components/transform/in_process.py" in names(started) else set()
        assert set(registry.data(name)) == reads, name
        assert leaderboard._sources([name]) == {name: code_hash(started, reads)}


def without_main(files: Iterable[str]) -> set[str]:
    """Those that can be imported: what stands in `__main__.py` starts a process."""
    return {file for file in files if not file.endswith("__main__.py")}


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
