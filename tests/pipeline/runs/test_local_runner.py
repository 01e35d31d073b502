"""Order, caching, refusal, failure and resumption of the local runner."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from support.pipelines.tiny_pipeline import create_pipeline, ran
from support.small_disk import small_disk

import contract
from components.pusher import versions
from components.pusher.versions import SAVED_MODEL
from pipeline.errors import ComponentFailedError
from pipeline.runs import local_runner, pushed, run_records
from pipeline.runs.metadata_store import connection_config
from pipeline.runs.run_records import NodeRun, State

ALL = ["make", "talk", "judge", "push"]


class Recorder:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def planned(self, node_ids: Sequence[str]) -> None:
        self.heard.append(("planned", *node_ids))

    def started(self, node_id: str) -> None:
        self.heard.append(("started", node_id))

    def finished(self, outcome: NodeRun) -> None:
        self.heard.append(("finished", outcome.node, str(outcome.state)))

    def failed(self, node_id: str, seconds: float) -> None:
        self.heard.append(("failed", node_id))


def store(root: Path) -> MetadataStore:
    return MetadataStore(connection_config(f"sqlite:///{root}/metadata.sqlite"))


def test_runs_in_order_then_from_cache_then_only_what_changed(tmp_path: Path) -> None:
    first = local_runner.run(create_pipeline(tmp_path), "run-1", Recorder())
    assert ran(tmp_path) == ALL
    assert [(node.node, node.state) for node in first] == [(name, State.RAN) for name in ALL]

    second = local_runner.run(create_pipeline(tmp_path), "run-2", Recorder())
    assert ran(tmp_path) == []
    assert [(node.state, node.cached) for node in second] == [(State.CACHED, True)] * 4
    assert [node.outputs["pushed"][0].uri for node in second[-1:]] == [first[-1].outputs["pushed"][0].uri]

    local_runner.run(create_pipeline(tmp_path, value=0.8), "run-3", Recorder())
    assert ran(tmp_path) == ["judge", "push"]


def test_the_listener_hears_everything(tmp_path: Path) -> None:
    recorder = Recorder()
    local_runner.run(create_pipeline(tmp_path), "run-1", recorder)
    assert recorder.heard[0] == ("planned", *ALL)
    assert recorder.heard[1:] == [
        heard for name in ALL for heard in (("started", name), ("finished", name, "ran"))
    ]


def test_a_refusal_is_a_state_and_not_an_error(tmp_path: Path) -> None:
    outcomes = local_runner.run(create_pipeline(tmp_path, value=0.1), "run-1", Recorder())
    assert {node.node: node.state for node in outcomes} == {
        "make": State.RAN,
        "talk": State.RAN,
        "judge": State.REFUSED,
        "push": State.REFUSED,
    }
    again = local_runner.run(create_pipeline(tmp_path, value=0.1), "run-2", Recorder())
    assert [(node.state, node.cached) for node in again[2:]] == [(State.REFUSED, True)] * 2


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("own error", "feature year of split train: 12 items have year 3000\nfix movies.csv"),
        ("foreign error", "KeyError: 'towers'"),
    ],
)
def test_a_failure_stops_the_run_and_says_why(tmp_path: Path, mode: str, reason: str) -> None:
    recorder = Recorder()
    with pytest.raises(ComponentFailedError) as caught:
        local_runner.run(create_pipeline(tmp_path, mode=mode), "run-1", recorder)
    assert (caught.value.node_id, caught.value.reason) == ("talk", reason)
    assert recorder.heard[-1] == ("failed", "talk")
    assert ran(tmp_path) == ["make", "talk"]

    # What had finished is reused once the cause is gone.
    local_runner.run(create_pipeline(tmp_path), "run-2", Recorder())
    assert ran(tmp_path) == ["talk", "judge", "push"]
    known = run_records.runs(store(tmp_path), "marquee")
    assert [run.run_id for run in known] == ["run-1", "run-2"]
    assert [node.state for node in known[0].nodes] == [State.RAN, State.FAILED]


@pytest.mark.parametrize(
    "removed",
    [
        contract.MODEL,
        contract.MODEL_EXACT,
        f"{contract.MODEL}/1/{contract.PUSHED}",
        f"{contract.MODEL}/1/{SAVED_MODEL}",
        f"{contract.MODEL_EXACT}/1/{SAVED_MODEL}",
    ],
)
def test_a_pushed_version_of_which_a_part_was_removed_is_pushed_again(tmp_path: Path, removed: str) -> None:
    local_runner.run(create_pipeline(tmp_path), "run-1", Recorder())
    ran(tmp_path)
    pushed.invalidate_stale(store(tmp_path), str(tmp_path / "serving_model"))
    local_runner.run(create_pipeline(tmp_path), "run-2", Recorder())
    assert ran(tmp_path) == []

    path = tmp_path / "serving_model" / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    pushed.invalidate_stale(store(tmp_path), str(tmp_path / "serving_model"))
    local_runner.run(create_pipeline(tmp_path), "run-3", Recorder())
    assert ran(tmp_path) == ["push"]
    local_runner.run(create_pipeline(tmp_path), "run-4", Recorder())
    assert ran(tmp_path) == []


@pytest.mark.parametrize(
    ("compared_with", "newest", "made_from", "stays"),
    [
        ("", None, None, True),  # nothing was pushed, nothing is
        ("", 1, "/candidate", True),  # the candidate itself was pushed since
        ("1", 1, "/other", True),  # it was compared with what is still the newest
        ("", 1, "/other", False),  # somebody else's model was pushed since
        ("1", 2, "/other", False),
        ("1", None, None, False),  # what it was compared with has been removed
    ],
)
def test_a_baseline_counts_until_another_model_is_pushed(tmp_path, compared_with, newest, made_from, stays):
    local_runner.run(create_pipeline(tmp_path), "run-1", Recorder())
    metadata, served = store(tmp_path), tmp_path / "elsewhere"
    kind = metadata.get_artifact_type("Model")
    baseline = metadata_store_pb2.Artifact(
        type_id=kind.id, uri="/baseline", state=metadata_store_pb2.Artifact.LIVE
    )
    baseline.custom_properties[versions.CANDIDATE_PROPERTY].string_value = "/candidate"
    if compared_with:
        baseline.custom_properties[contract.VERSION_PROPERTY].string_value = compared_with
    (number,) = metadata.put_artifacts([baseline])
    if newest:
        folder = served / contract.MODEL / str(newest)
        folder.mkdir(parents=True)
        (folder / SAVED_MODEL).touch()
        (folder / contract.PUSHED).write_text(json.dumps({"model": made_from, "metrics": {}}))

    pushed.invalidate_stale(metadata, str(served))
    (found,) = metadata.get_artifacts_by_id([number])
    assert (found.state == metadata_store_pb2.Artifact.LIVE) == stays


def test_nothing_is_forgotten_before_the_first_push(tmp_path: Path) -> None:
    pushed.invalidate_stale(store(tmp_path), str(tmp_path / "serving_model"))


def test_a_full_disk_is_said_and_has_its_room_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2048) as root:
        with pytest.raises(ComponentFailedError) as caught:
            local_runner.run(create_pipeline(root, mode="fill the disk"), "run-1", Recorder())
        assert caught.value.node_id == "talk"
        assert "No space left on device" in caught.value.reason
        assert re.search(
            rf"a disk is full: {root} has 1\.\d MiB free, .* Make room and run again", caught.value.reason
        )
        assert list(root.glob("**/half")) == []
        ran(root)
        local_runner.run(create_pipeline(root), "run-2", Recorder())
        assert ran(root) == ["talk", "judge", "push"]
