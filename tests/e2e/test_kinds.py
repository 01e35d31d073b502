"""Other kinds of models than the two-tower through the whole pipeline, by config alone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from support.workspace import components_by_state, marquee

import contract
from components.common.metrics import names
from components.common.tensors import neutral
from components.evaluator import report

pytestmark = pytest.mark.long

BEFORE_TRAINER = {
    "example_gen", "schema_items", "schema_timelines", "statistics_items", "statistics_timelines",
    "validate_items", "validate_timelines", "data_check", "transform",
}  # fmt: skip
KNOBS = ("--set", "index.exact_below=300")


@pytest.fixture(scope="module")
def workspace(workspace_to_run_in):
    """Nothing was pushed; what does not hang on the kind of model is in the cache."""
    shutil.rmtree(workspace_to_run_in.artifacts / "serving_model")
    return workspace_to_run_in


def run(workspace, kind, *overrides):
    knobs = [part for override in overrides for part in ("--set", override)]
    return marquee(
        "run", "--json", "--data", str(workspace.data), "--set", f"model.kind={kind}", *KNOBS, *knobs,
        cwd=workspace.folder,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pushed(workspace):
    """The run that has pushed EASE."""
    finished = run(workspace, "ease", "model.item_item_dim=64", "final_fit=all")
    assert finished.code == 0, finished.out + finished.err
    return finished


def test_another_kind_reruns_from_the_trainer_on(pushed):
    states = components_by_state(pushed)
    assert set(states["cached"]) == BEFORE_TRAINER
    assert {"trainer", "index", "baseline", "evaluator", "serving_check", "pusher"} <= set(states["ran"])


def test_ease_is_pushed_and_recommends(workspace, pushed):
    (version,) = workspace.pushed
    metrics = pushed.json()["metrics"]
    assert metrics[names.RECALL_10] > 1.5 * metrics[names.POPULARITY_RECALL_10]
    assert json.loads((version / contract.PUSHED).read_text())[contract.FINAL_FIT] == contract.ALL
    assert not (version / contract.ASSETS_EXTRA / contract.WARM_START).exists()
    answer = workspace.command("recommend", "--user", "1", "--json")
    assert answer.code == 0, answer.err
    shown = [item["item_id"] for item in answer.json()["results"]]
    assert len(set(shown)) == 10
    model = tf.saved_model.load(str(version.parents[1] / contract.MODEL_EXACT / version.name))
    assert set(model.signatures) == set(contract.SIGNATURES)
    # Of nobody nothing is known: the most watched items.
    asked = {item.name: neutral(item, 1) for item in contract.SIGNATURES[contract.RECOMMEND].inputs}
    found = model.signatures[contract.RECOMMEND](**asked)[contract.ITEM_IDS].numpy()[0, :10]
    catalogue = pq.read_table(version / contract.ASSETS_EXTRA / contract.CATALOGUE)
    count = dict(
        zip(
            catalogue[contract.ITEM_ID].to_pylist(),
            catalogue[contract.RATING_COUNT].to_pylist(),
            strict=True,
        )
    )
    assert [count[item.decode()] for item in found] == sorted(count.values(), reverse=True)[:10]


def test_a_two_tower_cannot_start_from_it(workspace, pushed):
    finished = run(workspace, "two_tower", "trainer.warm_start=latest", "trainer.epochs=1")
    assert finished.code == 1
    assert "trainer.warm_start: there are no weights at" in finished.err


@pytest.mark.nightly("components/model/kinds.py", "components/model/closed_form", "leaderboard/models")
def test_ials_is_pushed_and_recommends(workspace):
    """A kind that is an entry and the leaderboard's maths: trained, gated, published, asked."""
    before = len(workspace.pushed)
    finished = run(workspace, "ials", "model.item_item_dim=64")
    assert finished.code == 0, finished.out + finished.err
    metrics = finished.json()["metrics"]
    assert metrics[names.RECALL_10] > 1.2 * metrics[names.POPULARITY_RECALL_10]
    assert len(workspace.pushed) == before + 1
    answer = workspace.command("recommend", "--user", "1", "--json")
    assert answer.code == 0, answer.err
    assert len({item["item_id"] for item in answer.json()["results"]}) == 10


def test_popularity_is_refused_by_the_gate_that_compares_with_it(workspace):
    before = len(workspace.pushed)
    finished = run(workspace, "popularity")
    assert finished.code == 3, finished.out + finished.err
    assert {gate["name"] for gate in finished.json()["gates"] if not gate["ok"]} >= {"popularity"}
    assert len(workspace.pushed) == before
    metrics = report.read_metrics(str(workspace.artifact("evaluator", "evaluation"))).candidate.overall
    assert np.isclose(metrics[names.RECALL_10], metrics[names.POPULARITY_RECALL_10])
