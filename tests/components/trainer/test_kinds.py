"""A kind of model is an entry and a file: nothing else knows of it."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from support.extensions import toy_kind

import contract
from components.common.tensors import neutral
from components.example_gen.records import read
from components.model import kinds
from components.model.params import ModelParams
from components.trainer import run
from components.trainer.loop import fit
from components.trainer.params import TrainerParams
from components.training_job import worker

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def toy(monkeypatch) -> ModelParams:
    """The entry is there; the hyperparameters of a small model of this kind."""
    monkeypatch.setitem(kinds.KINDS, toy_kind.ENTRY.name, toy_kind.ENTRY)
    return ModelParams(kind=toy_kind.ENTRY.name, embedding_dim=16, history_window=20)


def config(model: ModelParams, trainer: TrainerParams, artifacts) -> dict[str, str]:
    return {
        run.MODEL_PARAMS: model.to_json(),
        run.TRAINER_PARAMS: trainer.to_json(),
        run.TIMELINES: artifacts.timelines,
        run.ITEMS: artifacts.items,
    }


def test_a_toy_kind_is_fitted_exported_and_asked(toy, artifacts, tmp_path):
    trainer = TrainerParams(epochs=2, batch_size=256, learning_rate=0.02)
    run.run_fn(
        SimpleNamespace(
            transform_graph_path=artifacts.transform_graph,
            serving_model_dir=str(tmp_path / "model"),
            model_run_dir=str(tmp_path / "run"),
            custom_config=config(toy, trainer, artifacts),
        )
    )
    result = fit.FitResult.read(str(tmp_path / "run"))
    table = read.read_items(artifacts.items)
    ids = [id_.encode() for id_ in table[contract.ITEM_ID].to_pylist()]
    assert result.epochs == 2 and result.recall[100] > 1.5 * 100 / len(ids)
    assert not (tmp_path / "model" / contract.ASSETS_EXTRA / contract.WARM_START).exists()

    model = tf.saved_model.load(str(tmp_path / "model"))

    def ask(signature, **given):
        expected = contract.SIGNATURES[signature].inputs
        if signature == contract.EMBED_ITEM:  # of towers, not of a retrieval model
            expected = contract.ITEM_INPUTS
        inputs = {item.name: neutral(item, 1) for item in expected}
        return model.signatures[signature](**{**inputs, **given})

    items = np.concatenate(
        [ask(contract.EMBED_ITEM, item_id=tf.constant([id_]))[contract.EMBEDDING].numpy() for id_ in ids[:3]]
    )
    np.testing.assert_allclose(np.linalg.norm(items, axis=1), 1.0, rtol=1e-5)
    history = tf.constant([[*ids[:3], b"nobody knows"]])
    ratings, times = tf.fill([1, 4], 5.0), tf.zeros([1, 4], tf.int64)
    events = dict(zip(contract.HISTORY_FEATURES, (history, ratings, times), strict=True))
    query = ask(contract.EMBED_QUERY, **events)[contract.EMBEDDING].numpy()[0]
    np.testing.assert_allclose(query, items.sum(axis=0) / np.linalg.norm(items.sum(axis=0)), atol=1e-5)
    stars = ask(contract.RATE, **events, item_ids=history)[contract.RATINGS]
    np.testing.assert_array_equal(stars, np.zeros((1, 4)))


def test_its_entry_says_what_it_reads_and_may(toy, artifacts):
    with pytest.raises(ValueError, match=r"dropout = 0.5: not read by model.kind mean_of_items"):
        ModelParams(kind=toy.kind, dropout=0.5)
    with pytest.raises(ValueError, match=r"warm_start = 'latest': not read by model.kind mean_of_items"):
        TrainerParams(warm_start="latest").check_kind(toy)
    given = config(toy, TrainerParams(), artifacts)
    worker._check(given, 1)
    with pytest.raises(ValueError, match=r"model\.kind = mean_of_items: .* one process, not by 2 workers"):
        worker._check(given, 2)


def test_without_an_entry_there_is_no_such_kind():
    with pytest.raises(ValueError, match="must be one of two_tower, popularity, item_knn, ease, ials"):
        ModelParams(kind=toy_kind.ENTRY.name)


def test_no_code_but_the_registry_asks_for_a_kind_by_name():
    """Neither the trainer nor what runs it: what differs between kinds is in their entries."""
    for folder in ("components/trainer", "components/training_job", "components/index", "pipeline"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Compare):
                    words = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
                    assert not words & kinds.KINDS.keys(), f"{path}:{node.lineno}"


@pytest.mark.parametrize("name", kinds.KINDS)
def test_an_entry_names_keys_that_there_are(name):
    kind = kinds.KINDS[name]
    assert kind.name == name
    assert kind.reads <= ModelParams.model_fields.keys()
    assert kind.trainer_reads is None or kind.trainer_reads <= TrainerParams.model_fields.keys()


def test_every_key_is_read_by_some_kind():
    assert frozenset().union(*(kind.reads for kind in kinds.KINDS.values())) == set(ModelParams.model_fields)
    everything = set(TrainerParams.model_fields)
    ratings_alone = kinds.KINDS["content_two_tower"].trainer_reads
    assert ratings_alone == everything - {
        "uniform_negatives", "sequence_batch", "rating_weight", "low_rating_weight"
    }  # fmt: skip
