"""Beam's flags reach the components: worker processes give the same statistics and metrics."""

from __future__ import annotations

import json

import pytest
from support.workspace import components_by_state, new_workspace

pytestmark = pytest.mark.nightly(
    "pipeline/dag.py", "components/example_gen/beam", "components/evaluator/executor.py"
)

MULTI_PROCESSING = "[--runner=FnApiRunner,--direct_running_mode=multi_processing,--direct_num_workers=2]"


def test_multi_processing_gives_what_one_process_gives(tmp_path, pushed_workspace):
    workspace = new_workspace(tmp_path)
    finished = workspace.run(beam_pipeline_args=MULTI_PROCESSING)
    assert finished.code == 0, finished.out + finished.err
    assert components_by_state(finished)["cached"] == []
    log = (workspace.artifacts / "logs").glob("*.log")
    text = next(log).read_text()
    assert "multi_processing" in text
    assert "engine beam: beam_pipeline_args name a runner with workers" in text

    metrics = finished.json()["metrics"]
    expected = json.loads((pushed_workspace.folder / "run.json").read_text())["metrics"]
    # The split, the vocabulary and popularity are exact; training adds floats in varying order.
    for name in ("users", "popularity_recall@10", "popularity_recall@100"):
        assert metrics[name] == pytest.approx(expected[name], rel=1e-6)
    assert metrics["recall@100"] == pytest.approx(expected["recall@100"], abs=0.05)
