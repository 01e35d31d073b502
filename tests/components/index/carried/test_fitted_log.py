"""The log in the model is the log that the run read: its events, all or of drawn users, and no ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.training.toy_artifacts import Artifacts

import contract
from components.all_events import merge
from components.common import feature_file
from components.example_gen.records.read import read_items, read_timelines
from components.index.carried import fitted_log


@pytest.fixture(scope="module")
def whole(artifacts: Artifacts) -> pa.Table:
    return merge.timelines({split: read_timelines(artifacts.timelines, split) for split in contract.SPLITS})


def carried(artifacts: Artifacts, folder: Path, most_users: int) -> str:
    """A model's folder with the log and the items."""
    extra = folder / contract.ASSETS_EXTRA
    extra.mkdir(exist_ok=True)
    pq.write_table(read_items(artifacts.items), extra / contract.CATALOGUE)
    fitted_log.write(str(extra), artifacts.timelines, contract.SPLITS, most_users, "run-7")
    return str(folder)


def rows(table: pa.Table) -> list[tuple[tuple[object, ...], ...]]:
    columns = (table[name].to_pylist() for name in contract.HISTORY_FEATURES)
    return sorted(tuple(map(tuple, row)) for row in zip(*columns, strict=True))


def test_every_event_of_every_user_and_no_id(artifacts: Artifacts, whole: pa.Table, tmp_path: Path) -> None:
    model = carried(artifacts, tmp_path, 10_000)
    found = fitted_log.read(model)
    assert found is not None
    table, items, about = found
    assert rows(table) == rows(whole)
    assert table.column_names == list(contract.HISTORY_FEATURES)
    assert items.num_rows == read_items(artifacts.items).num_rows
    assert (about.run, about.users) == ("run-7", len(whole))
    assert about.features == feature_file.read(artifacts.timelines)
    assert fitted_log.about(model) == (about, len(whole))
    # Nor can anybody be found by their place: the order is another one than the log's.
    first = whole[contract.HISTORY_ITEM_IDS][0]
    assert table[contract.HISTORY_ITEM_IDS][0] != first or table[contract.HISTORY_ITEM_IDS][1] != first


def test_of_many_users_some_are_drawn_whole(artifacts: Artifacts, whole: pa.Table, tmp_path: Path) -> None:
    wanted = len(whole) // 3
    found = fitted_log.read(carried(artifacts, tmp_path, wanted))
    assert found is not None
    table, _, about = found
    # The draw is binomial: four standard deviations.
    assert abs(len(table) - wanted) < 4 * np.sqrt(wanted)
    assert set(rows(table)) < set(rows(whole))
    assert about.users == len(whole)


def test_a_model_without_a_log(tmp_path: Path) -> None:
    assert fitted_log.read(str(tmp_path)) is None
    assert fitted_log.about(str(tmp_path)) is None
