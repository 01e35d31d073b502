"""The component, from artifacts on disk to artifacts on disk."""

from __future__ import annotations

import json
from pathlib import Path

import tensorflow as tf
from tfx.types import channel_utils, standard_artifacts

import contract
from components.example_gen.records.read import split_uri
from components.example_gen.records.schemas import ITEMS_SPLIT
from components.example_gen.records.write import write_shard
from components.index import executor
from components.index.carried import fitted_log
from components.index.component import Index
from components.index.params import IndexParams


def _examples(uri: str, splits) -> standard_artifacts.Examples:
    artifact = standard_artifacts.Examples()
    artifact.uri = uri
    artifact.splits = list(splits)
    for split, table in splits.items():
        folder = split_uri(uri, split)
        Path(folder).mkdir(parents=True)
        write_shard(folder, 0, 1, table)
    return artifact


def _model(uri: Path) -> standard_artifacts.Model:
    artifact = standard_artifacts.Model()
    artifact.uri = str(uri)
    return artifact


def test_executor_reads_artifacts_and_writes_both_models(fake, tmp_path):
    items, vectors = fake.make_items(20), fake.make_vectors(20, 8)
    ids = items[contract.ITEM_ID].to_pylist()
    towers = fake.FakeTowers(ids, vectors, tmp_path / "items.txt")
    tf.saved_model.save(towers, str(tmp_path / "towers" / "Format-Serving"))
    weights = tmp_path / "towers" / "Format-Serving" / contract.ASSETS_EXTRA / contract.WARM_START
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    (weights.parent / contract.KIND).write_text("ease")
    outputs = {executor.MODEL: [_model(tmp_path / "a")], executor.MODEL_EXACT: [_model(tmp_path / "b")]}
    executor.Executor().Do(
        {
            executor.TOWERS: [_model(tmp_path / "towers")],
            executor.ITEMS: [_examples(str(tmp_path / "items"), {ITEMS_SPLIT: items})],
            executor.TIMELINES: [_examples(str(tmp_path / "timelines"), fake.make_timelines(items, 4))],
        },
        outputs,
        {contract.PARAMS: IndexParams(exact_below=16).to_json(), contract.CODE_HASH: "ignored"},
    )
    for folder, name in (("a", contract.MODEL), ("b", contract.MODEL_EXACT)):
        extra = tmp_path / folder / "Format-Serving" / contract.ASSETS_EXTRA
        assert (extra / contract.WARMUP_REQUESTS).exists()
        info = json.loads((extra / contract.INDEX_INFO).read_text())
        assert (info["model"], info["items"], info["known_users"]) == (name, 20, 4)
        described = json.loads((extra / contract.DESCRIPTION).read_text())
        assert (described["model"], described["kind"], described["items"]) == (name, "ease", 20)
    carried = tmp_path / "a" / "Format-Serving" / contract.ASSETS_EXTRA / contract.WARM_START
    assert carried.read_bytes() == b"weights"
    assert fitted_log.about(str(carried.parents[1]))[1] == 4
    assert not (tmp_path / "b" / "Format-Serving" / contract.ASSETS_EXTRA / contract.FITTED_LOG).exists()
    signatures = tf.saved_model.load(str(tmp_path / "a" / "Format-Serving")).signatures
    alike = signatures[contract.SIMILAR](item_id=tf.constant([ids[0]]), k=tf.constant([3]))
    assert set(alike[contract.ITEM_IDS].numpy()[0, :3]) < {item.encode() for item in ids[1:]}


def test_towers_of_a_pushed_version_keep_the_log_that_they_were_fitted_to(tmp_path):
    towers, model = tmp_path / "towers", tmp_path / "model"
    towers.mkdir()
    for name in (contract.FITTED_LOG, contract.FITTED_ITEMS):
        (towers / name).write_text(name)
    assert executor.carry(str(towers), str(model)) == [contract.FITTED_LOG, contract.FITTED_ITEMS]
    assert (model / contract.FITTED_LOG).read_text() == contract.FITTED_LOG


def test_the_component_declares_what_the_executor_reads():
    towers = channel_utils.as_channel([standard_artifacts.Model()])
    items, timelines = (channel_utils.as_channel([standard_artifacts.Examples()]) for _ in range(2))
    component = Index(towers, items, timelines, IndexParams(max_k=7, default_k=7))
    assert set(component.inputs) == {executor.TOWERS, executor.ITEMS, executor.TIMELINES}
    assert set(component.outputs) == {executor.MODEL, executor.MODEL_EXACT}
    assert IndexParams.from_json(component.exec_properties[contract.PARAMS]).max_k == 7
