"""benchmarks/pipeline_scale.py at toy size."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.workspace import REPOSITORY


@pytest.mark.nightly("benchmarks/pipeline_scale.py", "benchmarks/run.py", "benchmarks/harness")
def test_runs_the_pipeline_and_says_what_the_trainer_waited_for(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "benchmarks/pipeline_scale.py", "--ratings=20000", f"--out={tmp_path}",
            "--set=trainer.batch_size=256", "--set=model.embedding_dim=8", "--set=model.item_item_dim=8",
        ],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "pipeline_scale.json").read_text())
    (size,) = written["sizes"]
    components = {row["component"]: row for row in size["components"]}
    assert {"example_gen", "trainer", "index", "evaluator", "serving_check", "pusher"} <= components.keys()
    assert size["peak_mib"] == max(row["peak_mib"] for row in components.values())
    found = size["trainer_input"]
    # Train's events, of which all but each user's first are asked for, and eval's histories and targets.
    assert 20_000 < found["events"] < 40_000
    assert 50 < found["steps"] <= found["events"] / 2 / 256 + 1
    assert 0 <= found["waited"] < found["train"] < components["trainer"]["seconds"]
    assert {bar["name"] for bar in written["bars"]} == {
        "peak MiB at 20,000",
        "share of training spent waiting for input at 20,000",
    }
