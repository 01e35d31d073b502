"""The saved models: what is in them, and that a process which knows nothing can use them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import contract
from components.index.build import build_models
from components.index.carried.warmup_requests import warmup_requests
from components.index.params import IndexParams
from components.serving_check.answers import read_requests
from components.serving_check.check import check

ROOT = Path(__file__).parents[3]
USERS = 5


@pytest.fixture(scope="module")
def saved(fake, tmp_path_factory):
    """Both models, from towers that were themselves saved and loaded."""
    folder = tmp_path_factory.mktemp("saved")
    items, vectors = fake.make_items(1200), fake.make_vectors(1200, 16)
    towers = fake.FakeTowers(items[contract.ITEM_ID].to_pylist(), vectors, folder / "items.txt")
    tf.saved_model.save(towers, str(folder / "towers"))
    model_dirs = {name: str(folder / name) for name in contract.MODELS}
    timelines = fake.make_timelines(items, USERS)
    build_models(
        tf.saved_model.load(str(folder / "towers")),
        items,
        timelines,
        IndexParams(max_k=20, map_items=300, shown_users=3),
        model_dirs,
    )
    # A model that still reads these would not survive being copied elsewhere.
    (folder / "items.txt").unlink()
    (folder / "towers").rename(folder / "gone")
    return model_dirs


@pytest.fixture(scope="module")
def loaded(saved):
    return {name: tf.saved_model.load(model_dir).signatures for name, model_dir in saved.items()}


def _graph_ops(model_dir: str) -> set[str]:
    model = saved_model_pb2.SavedModel.FromString((Path(model_dir) / "saved_model.pb").read_bytes())
    ops = set()
    for meta_graph in model.meta_graphs:
        graph = meta_graph.graph_def
        ops |= {node.op for node in graph.node}
        ops |= {node.op for function in graph.library.function for node in function.node_def}
    return ops


def _known_without_scann(ops: set[str]) -> set[str]:
    """Those that a TensorFlow which never imported ScaNN has registered."""
    script = (
        "import sys, tensorflow as tf; from tensorflow.python.framework import op_def_registry;"
        "assert 'scann' not in sys.modules;"
        "print(*[op for op in sys.stdin.read().split() if op_def_registry.get(op) is not None])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=" ".join(ops), capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_only_the_fast_model_has_a_custom_op(saved):
    exact, fast = _graph_ops(saved[contract.MODEL_EXACT]), _graph_ops(saved[contract.MODEL])
    functions = {op for op in exact | fast if op.startswith("__")}  # calls of the graph's own functions
    stock = _known_without_scann(exact | fast)
    assert exact - functions <= stock
    assert {op for op in fast - functions if op not in stock} == {
        "Scann>ScannSearchBatched",
        "Scann>TensorsToScann",
    }


def test_every_signature_answers_on_a_server(saved):
    for verdict in check(saved, timeout_s=300):
        assert verdict.ok, verdict
    for model_dir in saved.values():
        assert len(list(read_requests(model_dir))) >= 3 * len(contract.SIGNATURES)


@pytest.mark.parametrize("model", contract.MODELS)
def test_signatures_are_the_contracts(loaded, model):
    signatures = loaded[model]
    assert set(signatures) == set(contract.SIGNATURES)
    for name, signature in contract.SIGNATURES.items():
        specs = signatures[name].structured_input_signature[1]
        assert {key: (spec.dtype.name, spec.shape.rank) for key, spec in specs.items()} == {
            item.name: (item.dtype, 1 if item.columns is None else 2) for item in signature.inputs
        }
        outputs = signatures[name].structured_outputs
        assert {key: spec.dtype.name for key, spec in outputs.items()} == {
            item.name: item.dtype for item in signature.outputs
        }


def test_the_loaded_models_agree(loaded):
    history = tf.constant([["10", "13"], ["16", ""]])
    inputs = {
        contract.HISTORY_ITEM_IDS: history,
        contract.HISTORY_RATINGS: tf.fill([2, 2], 4.0),
        contract.HISTORY_TIMESTAMPS: tf.zeros([2, 2], tf.int64),
    }
    answers = [loaded[model][contract.SERVING_DEFAULT](**inputs) for model in contract.MODELS]
    ids = [answer[contract.ITEM_IDS].numpy() for answer in answers]
    assert ids[0].shape == (2, 10)
    assert np.mean([np.isin(fast, exact).mean() for fast, exact in zip(*ids, strict=True)]) >= 0.9


def test_assets_describe_what_the_model_knows(saved, fake):
    items = fake.make_items(1200)
    for name, model_dir in saved.items():
        extra = Path(model_dir) / contract.ASSETS_EXTRA
        catalogue = pq.read_table(extra / contract.CATALOGUE)
        assert catalogue.column_names == list(contract.ITEM_FEATURES)
        assert sorted(catalogue[contract.ITEM_ID].to_pylist()) == sorted(items[contract.ITEM_ID].to_pylist())
        popularity = pq.read_table(extra / contract.POPULARITY)
        assert popularity[contract.ITEM_ID].to_pylist() == catalogue[contract.ITEM_ID].to_pylist()
        scores = popularity["score"].to_numpy()
        assert (np.diff(scores) <= 0).all() and abs(scores.sum() - 1) < 1e-9
        places = pq.read_table(extra / contract.ITEM_MAP)
        assert places[contract.ITEM_ID].to_pylist() == catalogue[contract.ITEM_ID].to_pylist()[:300]
        counted = pq.read_table(extra / contract.RATING_HISTOGRAMS)
        assert set(counted[contract.ITEM_ID].to_pylist()) <= set(catalogue[contract.ITEM_ID].to_pylist())
        assert pq.read_table(extra / contract.SHOWN_USERS).num_rows <= 3
        info = json.loads((extra / contract.INDEX_INFO).read_text())
        assert info["model"] == name and info["items"] == 1200 and info["known_users"] == USERS
        assert info["params"]["max_k"] == 20
        assert info["search"]["kind"] == ("scann" if name == contract.MODEL else "exact")


def test_warmup_requests_without_any_user(make_world):
    """A catalogue can be indexed before anyone has rated."""
    world = make_world(17, users=3)
    built = world.built[contract.MODEL]
    from components.index.users.histories import known_histories

    nobody = {contract.TRAIN: world.timelines[contract.TRAIN].slice(0, 0)}
    histories = known_histories(nobody, built.catalogue)
    assert len(histories) == 0
    logs = list(warmup_requests(built.catalogue, histories, nobody, contract.MODEL))
    assert len(logs) <= 100
    assert {log.predict_log.request.model_spec.signature_name for log in logs} == set(contract.SIGNATURES)
