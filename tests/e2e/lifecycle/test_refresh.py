"""`marquee refresh` on a pushed model: a new item is found, an old one stays, none is lost in silence."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from support.workspace import components_by_state, marquee, settings

import contract

pytestmark = pytest.mark.nightly(
    "components/pushed_towers",
    "components/catalogue_check",
    "components/index/retrieval.py",
    "pipeline/dag.py",
)

NEW = "999999"


def refresh(workspace, *args, **knobs):
    command = ("refresh", "--json", "--data", str(workspace.data), *settings(**knobs), *args)
    return marquee(*command, cwd=workspace.folder)


@pytest.fixture(scope="module")
def workspace(workspace_to_run_in):
    """After a refresh with an item more, of the genres of the first."""
    workspace = workspace_to_run_in
    path = workspace.data / "movies.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows, f"{NEW},New One (2000),{rows[1].rpartition(',')[2]}"]) + "\n")
    finished = refresh(workspace)
    assert finished.code == 0, finished.out + finished.err
    (workspace.folder / "refresh.json").write_text(finished.out)
    return workspace


def test_nothing_is_trained_and_the_catalogue_is_counted(workspace):
    summary = json.loads((workspace.folder / "refresh.json").read_text())
    nodes = {component["node"] for component in summary["components"]}
    assert not nodes & {"trainer", "transform"}
    assert summary["catalogue"]["new"] == 1
    assert summary["catalogue"]["removed"] == 0
    assert summary["serving_check"]["ok"]
    before, after = workspace.pushed
    assert summary["pushed"] == str(after)
    assert json.loads((after / contract.PUSHED).read_text())[contract.REFRESHES] == int(before.name)


def test_the_new_item_is_recommended_and_the_old_ones_are_there(workspace):
    import tensorflow as tf

    before, after = (
        pq.read_table(path / contract.ASSETS_EXTRA / contract.CATALOGUE)[contract.ITEM_ID].to_pylist()
        for path in workspace.pushed
    )
    assert set(after) == {*before, NEW}
    newest = workspace.pushed[-1]
    model = tf.saved_model.load(str(newest.parents[1] / contract.MODEL_EXACT / newest.name))
    signature = contract.SIGNATURES[contract.RECOMMEND]
    asked = signature.filled([{contract.HISTORY_ITEM_IDS: [item], contract.K: 100} for item in before])
    found = model.signatures[contract.RECOMMEND](
        **{item.name: tf.constant(asked[item.name], item.dtype) for item in signature.inputs}
    )[contract.ITEM_IDS].numpy()
    assert set(found.ravel()) >= {NEW.encode()}
    assert len(set(found.ravel())) > len(before) / 2


def test_again_nothing_runs(workspace):
    finished = refresh(workspace)
    assert finished.code == 0, finished.out + finished.err
    assert set(components_by_state(finished)["ran"]) <= {"catalogue_check"}
    assert len(workspace.pushed) == 2


def test_an_item_is_lost_only_if_that_is_allowed(workspace):
    path = workspace.data / "movies.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:-1]) + "\n")
    refused = refresh(workspace)
    assert refused.code == 2, refused.out + refused.err
    assert NEW in refused.err and "--allow-removals" in refused.err
    assert len(workspace.pushed) == 2
    allowed = refresh(workspace, "--allow-removals")
    assert allowed.code == 0, allowed.out + allowed.err
    assert allowed.json()["catalogue"]["removed"] == 1
    assert len(workspace.pushed) == 3
