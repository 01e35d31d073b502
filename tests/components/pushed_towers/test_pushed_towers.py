"""Towers out of a pushed model: they answer as they did, and no file of the run that fitted them is read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from support.artifacts import artifact
from support.models import fake_towers as fakes
from tfx.types import standard_artifacts
from tfx.utils import path_utils

import contract
from components.common.dense_columns import item_inputs
from components.pushed_towers.executor import Executor
from components.pusher.publish import publish


class Around(tf.Module):
    """As much of a retrieval model as the step reads; tests/e2e/lifecycle/test_refresh.py has a whole one."""

    def __init__(self, towers: tf.Module) -> None:
        super().__init__()
        self._towers = towers


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A version and a refresh of it; `items` and `vectors` are what their towers know."""
    folder = tmp_path_factory.mktemp("pushed")
    items, vectors = fakes.make_items(60), fakes.make_vectors(60, 8)
    towers = fakes.FakeTowers(items[contract.ITEM_ID].to_pylist(), vectors, folder / "items.txt")
    tf.saved_model.save(Around(towers), str(folder / "model"))
    extra = folder / "model" / contract.ASSETS_EXTRA
    extra.mkdir()
    (extra / contract.WARM_START).write_bytes(b"weights")
    for name in (contract.FITTED_LOG, contract.CATALOGUE):
        (extra / name).write_text(name)
    (extra / contract.DESCRIPTION).write_text('{"kind": "two_tower"}')
    served, sources = str(folder / "served"), dict.fromkeys(contract.MODELS, str(folder / "model"))
    number = publish(sources, served, {}, now=100).number
    publish(sources, served, {contract.REFRESHES: number}, now=200)
    shutil.rmtree(folder / "model")
    (folder / "items.txt").unlink()
    return {"served": served, "number": number, "items": items, "vectors": vectors}


def extract(pushed: dict[str, Any], folder: Path, fitted_for: int) -> Path:
    out = artifact(standard_artifacts.Model, folder / "model")
    properties = {"destination": pushed["served"], "fitted_for": str(fitted_for), "name": contract.MODEL}
    Executor().Do({}, {"model": [out]}, properties)
    return Path(path_utils.serving_model_path(out.uri))


def test_towers_answer_as_they_did(pushed: dict[str, Any], tmp_path: Path) -> None:
    towers = tf.saved_model.load(str(extract(pushed, tmp_path, pushed["number"])))
    found = towers.embed_item(**{name: tf.constant(x) for name, x in item_inputs(pushed["items"]).items()})
    np.testing.assert_allclose(found, pushed["vectors"], atol=1e-6)


def test_kind_and_weights_travel_with_them(pushed: dict[str, Any], tmp_path: Path) -> None:
    extra = extract(pushed, tmp_path, pushed["number"]) / contract.ASSETS_EXTRA
    assert (extra / contract.KIND).read_text() == "two_tower"
    assert (extra / contract.WARM_START).read_bytes() == b"weights"
    assert (extra / contract.FITTED_LOG).read_text() == contract.FITTED_LOG
    assert (extra / contract.FITTED_ITEMS).read_text() == contract.CATALOGUE, "the items of that version"


def test_a_refresh_has_the_towers_when_the_first_version_is_gone(
    pushed: dict[str, Any], tmp_path: Path
) -> None:
    served = tmp_path / "served"
    shutil.copytree(pushed["served"], served)
    shutil.rmtree(served / contract.MODEL / str(pushed["number"]))
    assert extract({**pushed, "served": str(served)}, tmp_path, pushed["number"]).is_dir()


def test_no_version_with_these_towers(pushed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("has the towers of version 5")):
        extract(pushed, tmp_path, 5)


def test_a_model_that_holds_no_towers(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    served = str(tmp_path / "served")
    number = publish(dict.fromkeys(contract.MODELS, str(tmp_path / "other")), served, {}, now=100).number
    with pytest.raises(ValueError, match="has no towers with embed_query, embed_item, rate; expected one"):
        extract({"served": served}, tmp_path, number)
