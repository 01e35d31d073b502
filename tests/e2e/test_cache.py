"""What reruns when something changes, and what does not. One workspace, run again and again."""

from __future__ import annotations

import shutil

import pytest
from support.workspace import REPOSITORY, components_by_state, new_workspace

FROM_TRAINER = {"trainer", "index", "baseline", "evaluator", "serving_check", "pusher"}
# A change of data whose schema stays: the curated schemas are imported, not derived.
FROM_EXAMPLE_GEN = FROM_TRAINER | {
    "example_gen", "statistics_items", "statistics_timelines", "validate_items", "validate_timelines",
    "data_check", "transform",
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with its own copy of the sources, after a first run."""
    workspace = new_workspace(tmp_path_factory.mktemp("cache"))
    for folder in ("contract", "pipeline", "components", "serving", "leaderboard", "datasets"):
        shutil.copytree(REPOSITORY / folder, workspace.folder / "src" / folder)
    (workspace.folder / "src" / "requirements").mkdir()
    shutil.copy(REPOSITORY / "requirements" / "pipeline.txt", workspace.folder / "src" / "requirements")
    assert run(workspace).code == 0
    return workspace


def run(workspace, **knobs):
    return workspace.run(env={"PYTHONPATH": str(workspace.folder / "src")}, **knobs)


def ran(finished):
    assert finished.code == 0, finished.out + finished.err
    return set(components_by_state(finished)["ran"])


def test_nothing_changed_runs_nothing(workspace):
    finished = run(workspace)
    assert ran(finished) == set()
    assert len(workspace.pushed) == 1
    assert finished.json()["pushed"] == str(workspace.pushed[0])


def test_a_trainer_knob_reruns_from_the_trainer_on(workspace):
    assert ran(run(workspace, trainer__seed=2)) == FROM_TRAINER
    assert len(workspace.pushed) == 2


def test_going_back_is_compared_with_what_was_pushed_since(workspace):
    """The towers come from the cache, but they were never compared with the second version."""
    finished = run(workspace)
    assert ran(finished) == {"baseline", "evaluator", "serving_check", "pusher"}
    (regression,) = [gate for gate in finished.json()["gates"] if gate["name"] == "regression"]
    assert regression["value"] is not None
    assert len(workspace.pushed) == 3


def test_a_line_of_the_models_code_reruns_from_the_trainer_on(workspace):
    with (workspace.folder / "src" / "components" / "model" / "towers" / "encoders.py").open("a") as file:
        file.write("\n# a change\n")
    assert ran(run(workspace)) == FROM_TRAINER


@pytest.mark.long
def test_one_rating_reruns_from_example_gen_on(workspace):
    path = workspace.data / "ratings.csv"
    lines = path.read_text().splitlines(keepends=True)
    user, item, rating, time = lines[1].split(",")
    lines[1] = ",".join([user, item, "1.0" if float(rating) > 2 else "5.0", time])
    path.write_text("".join(lines))
    assert ran(run(workspace)) == FROM_EXAMPLE_GEN
