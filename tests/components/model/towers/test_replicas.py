"""Two replicas compute what one process computes on the whole batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def differences():
    done = subprocess.run(
        [sys.executable, str(TESTS / "support" / "training" / "toy_training.py")],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("encoder", ["views", "transformer"])
def test_loss_and_gradients_of_two_replicas_are_those_of_one_process(differences, encoder):
    found = differences[encoder]
    assert found["loss"] < 1e-5
    assert found["gradient"] < 1e-6
    assert found["largest"] > 1e-2  # so that the bound above says something
