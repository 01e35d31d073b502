"""`marquee similar` against the vectors behind the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import contract

HEAT = "13"


def test_neighbours_are_the_nearest_vectors(
    marquee_json: Callable[..., dict[str, Any]], vectors: dict[str, np.ndarray]
) -> None:
    answer = marquee_json("similar", "heat", "1995", "--k", "6")
    assert answer["item"]["item_id"] == HEAT
    assert answer["item"]["year"] == 1995
    scores = {
        item_id: float(vector @ vectors[HEAT]) for item_id, vector in vectors.items() if item_id != HEAT
    }
    expected = sorted(scores, key=lambda item_id: -scores[item_id])[:6]
    found = [result["item_id"] for result in answer["results"]]
    # The model's towers answer for the one item they do not know by its year.
    unknown = [item_id for item_id in found if item_id not in vectors]
    assert [item_id for item_id in found if item_id in vectors] == expected[: 6 - len(unknown)]
    np.testing.assert_allclose(
        [result["score"] for result in answer["results"] if result["item_id"] in vectors],
        [scores[item_id] for item_id in expected[: 6 - len(unknown)]],
        atol=1e-5,
    )


def test_the_table(marquee: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = marquee("similar", "The Matrix", "--k", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("similar to Matrix, The (1999)")
    assert lines[2].split() == ["#", "title", "year", "genres", "score"]
    assert len(lines) == 6


def test_ambiguous_and_unknown_titles_exit_with_2(marquee: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = marquee("similar", "Sabrina")
    assert (code, out) == (2, "")
    assert "Sabrina (1954)" in err
    code, _, err = marquee("similar", "Toy Stroy")
    assert code == 2
    assert 'did you mean "Toy Story (1995)"?' in err
    code, _, err = marquee("similar", "Heat", "--k", "0")
    assert code == 2
    assert "--k must be at least 1" in err


def test_a_fresh_process_prints_the_answer_and_nothing_else(world: dict[str, Any]) -> None:
    """TensorFlow writes to the terminal while it is imported: only a process of its own shows that."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    setting = f"artifacts={world['artifacts']}"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline.cli",
            "similar",
            "Heat (1995)",
            "--json",
            "--local",
            "--set",
            setting,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["results"]) == 10


def test_a_version_without_the_exact_model_is_passed_over_and_named(
    marquee: Callable[..., tuple[int, str, str]], world: dict[str, Any], tmp_path: Path
) -> None:
    served = tmp_path / "serving_model"
    for model in contract.MODELS:
        (served / model).mkdir(parents=True)
        version = world["artifacts"] / "serving_model" / model / "1700000000"
        (served / model / "1700000000").symlink_to(version)
    newer = served / contract.MODEL / "1700000001"
    newer.mkdir()
    (newer / contract.PUSHED).write_text("{}")
    (newer / "saved_model.pb").touch()
    code, out, err = marquee("similar", "Heat", "--json", artifacts=tmp_path)
    assert (code, json.loads(out)["version"]) == (0, 1700000000)
    assert err == f"note: version 1700000001 lacks {contract.MODEL_EXACT}, so version 1700000000 answers\n"
