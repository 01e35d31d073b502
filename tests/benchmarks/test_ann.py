"""benchmarks/ann.py at toy size: does it run, print, and write its bars."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from support.workspace import REPOSITORY

from components.model.params import ModelParams

pytestmark = pytest.mark.long

SIZE = {"items": 2000, "users": 150, "ratings": 15_000, "queries": 64, "batch_size": 256}
OPTIONS = ["--items=2000", "--users=150", "--ratings=15000", "--queries=64", "--train-batch=256"]
BARS = {
    "recall@10 of the exported ScaNN",
    "exported ScaNN, times faster than exact at batch 1",
    "exported ScaNN per query at batch 32, times the better of faiss and hnswlib",
    "a condition that leaves 1 % of the items, at batch 1, times an unfiltered search",
}


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ann(folder, engines):
    printed = run(
        "benchmarks/ann.py", f"--folder={folder}", f"--out={folder}", "--rounds=1", *OPTIONS, *engines
    )
    return printed, json.loads((folder / "ann.json").read_text())


def check(printed, written, engines):
    assert {bar["name"] for bar in written["bars"]} == BARS
    for bar in written["bars"]:
        assert bar["ok"] == (
            bar["value"] <= bar["bound"]
            if ", times " in bar["name"] and "faster" not in bar["name"]
            else bar["value"] >= bar["bound"]
        )
        assert bar["name"] in printed
    for name in engines:
        figures = written["engines"][name]
        assert figures["recall"] >= 0.9
        assert min(figures["milliseconds"].values()) > 0
        assert figures["mebibytes"] > 0 and figures["build_seconds"] > 0
        assert name in printed
    assert written["engines"]["exact-numpy"]["recall"] == 1.0


def test_engines_on_vectors_made_before(tmp_path):
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(50, 16))
    vectors = centres[rng.integers(0, 50, 2064)] + 0.5 * rng.normal(size=(2064, 16))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    np.save(tmp_path / "items.npy", vectors[:2000])
    np.save(tmp_path / "queries.npy", vectors[2000:])
    (tmp_path / "size.json").write_text(json.dumps({**SIZE, "epochs": 1, "seed": 7}))
    engines = ["scann-exported", "faiss-ivfpq", "hnswlib"]
    printed, written = ann(tmp_path, [f"--engines={','.join(engines)}"])
    assert "vectors: as made before" in printed
    check(printed, written, engines)


@pytest.mark.nightly("benchmarks/ann.py", "benchmarks/harness")
def test_vectors_come_from_trained_towers_and_are_kept(tmp_path):
    printed, written = ann(tmp_path, [])
    check(printed, written, [name for name in written["engines"] if not name.startswith("exact")])
    assert "trainer" in printed
    vectors, queries = np.load(tmp_path / "items.npy"), np.load(tmp_path / "queries.npy")
    params = ModelParams()
    width = params.embedding_dim + params.item_item_dim  # what a config that says nothing trains
    assert vectors.shape == (2000, width) and queries.shape == (64, width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    # A user's history says something about what the user likes.
    assert np.sort(queries @ vectors.T, axis=1)[:, -10:].mean() > np.mean(queries @ vectors.T) + 0.2
    again = run("benchmarks/harness/vectors.py", f"--folder={tmp_path}", *OPTIONS)
    assert "as made before" in again
