"""What reruns when something changes, and what does not. One workspace, run again and again."""

from __future__ import annotations

import shutil

import pytest
from support.workspace import REPOSITORY, components_by_state

FROM_TRAINER = {"trainer", "index", "baseline", "evaluator", "serving_check", "pusher"}
FROM_EXAMPLE_GEN = FROM_TRAINER | {
    "example_gen", "schema_items", "schema_timelines", "statistics_items", "statistics_timelines",
    "validate_items", "validate_timelines", "data_check", "transform",
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(workspace_to_run_in):
    """After a first run, with its own copy of the sources that ran."""
    workspace = workspace_to_run_in
    for folder in ("contract", "pipeline", "components", "serving", "leaderboard", "datasets"):
        shutil.copytree(REPOSITORY / folder, workspace.folder / "src" / folder)
    (workspace.folder / "src" / "requirements").mkdir()
    shutil.copy(REPOSITORY / "requirements" / "pipeline.txt", workspace.folder / "src" / "requirements")
    return workspace


def run(workspace, **knobs):
    return workspace.run(env={"PYTHONPATH": str(workspace.folder / "src")}, **knobs)


def ran(finished):
    assert finished.code == 0, finished.out + finished.err
    return set(components_by_state(finished)["ran"])


# Of each kind one file that no step runs.
NOT_RUN = (
    "datasets/generated/movielens_sample.py", "datasets/movielens/fetch.py", "datasets/report.py",
    "components/training_job/job.py", "leaderboard/report.py", "pipeline/dag.py",
)  # fmt: skip


def test_what_no_step_runs_reruns_nothing(workspace):
    """Neither the same command once more, nor a word in a generator, a fetcher, a report, a cluster's job."""
    for file in NOT_RUN:
        with (workspace.folder / "src" / file).open("a") as stream:
            stream.write("\n# a word\n")
    finished = run(workspace)
    assert ran(finished) == set()
    assert len(workspace.pushed) == 1
    assert finished.json()["pushed"] == str(workspace.pushed[0])


@pytest.mark.nightly("pipeline/code_hash.py", "pipeline/dag.py")
def test_a_trainer_knob_reruns_from_the_trainer_on(workspace):
    assert ran(run(workspace, trainer__seed=2)) == FROM_TRAINER
    assert len(workspace.pushed) == 2


@pytest.mark.nightly("pipeline/code_hash.py", "pipeline/dag.py", "components/baseline")
def test_going_back_is_compared_with_what_was_pushed_since(workspace):
    """The towers come from the cache, but they were never compared with the second version."""
    finished = run(workspace)
    assert ran(finished) == {"baseline", "evaluator", "serving_check", "pusher"}
    (regression,) = [gate for gate in finished.json()["gates"] if gate["name"] == "regression"]
    assert regression["value"] is not None
    assert len(workspace.pushed) == 3


@pytest.mark.nightly("pipeline/code_hash.py", "pipeline/dag.py")
def test_a_line_of_the_models_code_reruns_from_the_trainer_on(workspace):
    with (workspace.folder / "src" / "components" / "model" / "towers" / "encoders.py").open("a") as file:
        file.write("\n# a change\n")
    assert ran(run(workspace)) == FROM_TRAINER


@pytest.mark.nightly("pipeline/code_hash.py", "pipeline/dag.py", "components/example_gen/executor.py")
def test_one_rating_reruns_from_example_gen_on(workspace):
    path = workspace.data / "ratings.csv"
    lines = path.read_text().splitlines(keepends=True)
    user, item, rating, time = lines[1].split(",")
    lines[1] = ",".join([user, item, "1.0" if float(rating) > 2 else "5.0", time])
    path.write_text("".join(lines))
    assert ran(run(workspace)) == FROM_EXAMPLE_GEN
