"""What one run on a small sample leaves behind, and what the commands say of it."""

from __future__ import annotations

import collections
import json
import math
import sqlite3
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow.python.saved_model import loader_impl

import contract
from components.common.metrics import names
from components.common.tensors import neutral
from components.serving_check.answers import read_requests

NODES = [
    "example_gen", "schema_items", "schema_timelines", "statistics_items", "statistics_timelines",
    "validate_items", "validate_timelines", "data_check", "transform", "trainer", "index", "baseline",
    "evaluator", "serving_check", "pusher",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(pushed_workspace):
    return json.loads((pushed_workspace.folder / "run.json").read_text())


def read_catalogue(workspace):
    (version,) = workspace.pushed
    return pq.read_table(version / contract.ASSETS_EXTRA / contract.CATALOGUE).to_pylist()


def test_each_component_ran_once_and_is_complete_in_ml_metadata(pushed_workspace, run):
    assert sorted(c["node"] for c in run["components"]) == sorted(NODES)
    assert not any(c["cached"] for c in run["components"])
    with sqlite3.connect(pushed_workspace.artifacts / "metadata.sqlite") as store:
        rows = store.execute(
            "SELECT t.name, e.last_known_state FROM Execution e JOIN Type t ON e.type_id = t.id"
        ).fetchall()
    assert len(rows) == len(NODES)
    assert collections.Counter(state for _, state in rows) == {3: len(NODES)}  # 3 = COMPLETE


def test_both_models_are_pushed_under_one_version(pushed_workspace, run):
    (version,) = pushed_workspace.pushed
    assert run["pushed"] == str(version)
    exact = version.parents[1] / contract.MODEL_EXACT / version.name
    for model in (version, exact):
        assert (model / "saved_model.pb").is_file()
        assert (model / contract.ASSETS_EXTRA / contract.WARMUP_REQUESTS).is_file()
    pushed = json.loads((version / contract.PUSHED).read_text())
    assert pushed["metrics"][names.RECALL_10] == pytest.approx(run["metrics"][names.RECALL_10])


def test_the_model_learnt_something_and_the_metrics_are_consistent(run):
    metrics = run["metrics"]
    assert metrics[names.RECALL_10] > 1.1 * metrics[names.POPULARITY_RECALL_10]
    assert metrics["recall@10"] <= metrics["recall@20"] <= metrics["recall@100"] <= 1
    assert 0.5 < metrics["mae"] < metrics["rmse"] < 1.0
    assert metrics["ann_recall@10"] >= 0.95


def test_the_pushed_models_ask_every_signature_before_they_serve(pushed_workspace):
    (version,) = pushed_workspace.pushed
    for name in contract.MODELS:
        requests = read_requests(str(version.parents[1] / name / version.name))
        assert {request.model_spec.signature_name for request in requests} == set(contract.SIGNATURES)


def test_the_exact_model_has_only_stock_operations(pushed_workspace):
    """In a process without scann, so a custom operation could not even load."""
    (version,) = pushed_workspace.pushed
    exact = version.parents[1] / contract.MODEL_EXACT / version.name
    script = f"""
import sys, tensorflow as tf
from tensorflow.python.framework import op_def_registry
from tensorflow.core.protobuf import saved_model_pb2
proto = saved_model_pb2.SavedModel()
proto.ParseFromString(open({str(exact / "saved_model.pb")!r}, "rb").read())
graph = proto.meta_graphs[0].graph_def
functions = {{f.signature.name for f in graph.library.function}}
ops = {{n.op for n in graph.node}} | {{n.op for f in graph.library.function for n in f.node_def}}
custom = sorted(op for op in ops - functions if op_def_registry.get(op) is None)
assert len(ops) > 50 and "scann" not in sys.modules
print(custom)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_catalogue_travels_with_the_model(pushed_workspace):
    (version,) = pushed_workspace.pushed
    catalogue = pq.read_table(version / contract.ASSETS_EXTRA / contract.CATALOGUE)
    assert len(catalogue) == 500
    assert set(contract.ITEM_FEATURES) <= set(catalogue.column_names)


def test_recommend_for_a_known_user_excludes_the_history(pushed_workspace):
    """The whole log of the user, with the test block: nobody is shown what they have rated."""
    answer = pushed_workspace.command("recommend", "--user", "3", "--k", "100", "--json", real=True).json()
    ratings = (pushed_workspace.data / "ratings.csv").read_text().splitlines()[1:]
    rated = {line.split(",")[1] for line in ratings if line.startswith("3,")}
    ids = [item["item_id"] for item in answer["results"]]
    assert len(ids) == len(set(ids)) == 100
    assert rated and not rated & set(ids)
    scores = [item["score"] for item in answer["results"]]
    assert scores == sorted(scores, reverse=True) and all(map(math.isfinite, scores))


def test_what_is_liked_is_not_recommended(pushed_workspace):
    catalogue = read_catalogue(pushed_workspace)
    liked = max(catalogue, key=lambda item: item[contract.RATING_COUNT])[contract.ITEM_ID]
    answer = pushed_workspace.command(
        "recommend", "--likes", f"id:{liked}", "--taste", "Action=5", "--json"
    ).json()
    assert len(answer["results"]) == 10
    assert liked not in [item["item_id"] for item in answer["results"]]


def test_a_taste_for_a_genre_brings_more_of_it(pushed_workspace):
    """Without any history: the share of each genre under its own taste, against the other tastes."""
    catalogue = read_catalogue(pushed_workspace)
    genres = sorted({genre for item in catalogue for genre in item[contract.GENRES]})
    has = {item[contract.ITEM_ID].encode(): np.isin(genres, item[contract.GENRES]) for item in catalogue}
    (version,) = pushed_workspace.pushed
    model = tf.saved_model.load(str(version.parents[1] / contract.MODEL_EXACT / version.name))
    query = {item.name: neutral(item, len(genres)) for item in contract.SIGNATURES[contract.RECOMMEND].inputs}
    query[contract.TASTE_GENRES] = tf.constant([[genre.encode()] for genre in genres])
    query[contract.TASTE_WEIGHTS] = tf.fill([len(genres), 1], 5.0)
    query[contract.K] = tf.fill([len(genres)], 50)
    ids = model.signatures[contract.RECOMMEND](**query)[contract.ITEM_IDS].numpy()[:, :50]
    share = np.array([np.mean([has[item] for item in row], axis=0) for row in ids])
    own = np.diag(share)
    others = (share.sum(axis=0) - own) / (len(genres) - 1)
    assert own.mean() > 1.3 * others.mean()
    # 18 genres: over seeds .61 to .89 of them.
    assert (own > others).mean() > 0.5


def test_similar_rate_status_and_gates(pushed_workspace, run):
    similar = pushed_workspace.command("similar", "id:1", "--json", real=True)
    assert similar.code == 0 and "1" not in [m["item_id"] for m in similar.json()["results"]]
    rate = pushed_workspace.command("rate", "--user", "3", "--json", real=True).json()
    assert rate["ratings"] and all(0.5 <= r["predicted"] <= 5 for r in rate["ratings"])
    status = pushed_workspace.command("status", "--json", real=True).json()
    assert len(status["runs"]) == 1
    gates = pushed_workspace.command("gates", "--json", real=True).json()
    assert [g["name"] for g in gates["gates"]] == [g["name"] for g in run["gates"]]


@pytest.mark.parametrize("model", [contract.MODEL, contract.MODEL_EXACT])
def test_no_table_that_is_read_whole_is_gathered_as_a_variable(pushed_workspace, model):
    # A ResourceGather makes every later read of its variable a copy of the whole.
    (version,) = pushed_workspace.pushed
    path = version.parent.parent / model / version.name
    graph = loader_impl.parse_saved_model(str(path)).meta_graphs[0].graph_def
    gathered = {
        node.input[0]
        for function in graph.library.function
        for node in function.node_def
        if node.op == "ResourceGather"
    }
    # Keras's embedding layers, which nothing else reads.
    assert [name for name in gathered if "embedding_lookup" not in name] == []
