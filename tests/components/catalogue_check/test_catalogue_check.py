"""Whether a refresh may go on: items that would be lost, columns that the towers do not know."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.artifacts import artifact
from tfx.types import standard_artifacts
from tfx.types.experimental.simple_artifacts import File

import contract
from components.catalogue_check.executor import Executor
from components.common import feature_file
from components.common.features import Features, FeatureSpec
from components.example_gen.errors import DataError
from components.example_gen.records import schemas, write
from components.example_gen.records.read import split_uri

AGED = (FeatureSpec(name="age", kind="number"),)
PRICED = Features(item=(FeatureSpec(name="price", kind="number"),))


def check(
    folder: Path,
    before: list[str],
    now: list[str],
    *,
    allow: str = "",
    pushed: Features = PRICED,
    data: Features = PRICED,
) -> dict[str, int]:
    extra = folder / "7" / contract.ASSETS_EXTRA
    extra.mkdir(parents=True)
    pq.write_table(pa.table({contract.ITEM_ID: before}), extra / contract.CATALOGUE)
    (extra / contract.INDEX_INFO).write_text(json.dumps({"features": pushed.model_dump(mode="json")}))
    items = folder / "items"
    shard = Path(split_uri(str(items), schemas.ITEMS_SPLIT))
    shard.mkdir(parents=True)
    schema = schemas.items_schema(data.item)
    rows = [
        {
            field.name: item
            if field.name == contract.ITEM_ID
            else []
            if pa.types.is_large_list(field.type)
            else ""
            if pa.types.is_large_string(field.type)
            else 0
            for field in schema
        }
        for item in now
    ]
    write.write_shard(str(shard), 0, 1, pa.Table.from_pylist(rows, schema=schema))
    feature_file.write(str(items), data)
    inputs = {"items": [artifact(standard_artifacts.Examples, items)]}
    outputs = {"report": [artifact(File, folder / "report")]}
    Executor().Do(inputs, outputs, {"model_dir": str(folder / "7"), "allow_removals": allow})
    found: dict[str, int] = json.loads((folder / "report" / contract.CATALOGUE_CHANGES).read_text())
    return found


def test_new_items_are_counted(tmp_path: Path) -> None:
    assert check(tmp_path, ["a", "b"], ["b", "c", "a"]) == {"items": 3, "new": 1, "removed": 0}


def test_an_item_is_not_lost_in_silence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape("1 of the 2 items of")) as refused:
        check(tmp_path, ["a", "b"], ["a", "c"])
    assert "in the new data: b; expected" in str(refused.value)
    assert "--allow-removals" in str(refused.value)


def test_an_item_is_removed_where_that_is_allowed(tmp_path: Path) -> None:
    assert check(tmp_path, ["a", "b"], ["a", "c"], allow="yes") == {"items": 2, "new": 1, "removed": 1}


def test_of_many_lost_items_some_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape("a00, a01") + ".* and 20 more"):
        check(tmp_path, [f"a{number:02}" for number in range(30)], ["x"])


@pytest.mark.parametrize(
    ("pushed", "data", "named"),
    [
        (PRICED, Features(item=(FeatureSpec(name="price", kind="number", log=True),)), "item column price"),
        (PRICED, Features(item=()), "item column price"),
        (PRICED, PRICED.model_copy(update={"feedback": "implicit"}), "feedback"),
        (PRICED, PRICED.model_copy(update={"user": AGED}), "user column age"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, pushed: Features, data: Features, named: str) -> None:
    with pytest.raises(DataError, match=f"these differ: {named}"):
        check(tmp_path, ["a"], ["a"], pushed=pushed, data=data)


def test_a_column_may_have_another_name_in_the_file(tmp_path: Path) -> None:
    renamed = Features(item=(FeatureSpec(name="price", kind="number", column="Price"),))
    assert check(tmp_path, ["a"], ["a"], data=renamed)["items"] == 1
