"""A schema comes from beside the sources, whatever machine they are on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfx.types import standard_artifacts
from tfx.utils import io_utils

import components
import contract
from components.common.features import MOVIELENS, Features, FeatureSpec
from components.import_schema.component import ImportSchema
from components.import_schema.executor import Executor


def imported(tmp_path: Path, name: str) -> Path:
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "schema")
    node = ImportSchema(schema_file=name)
    Executor().Do({}, {"schema": [schema]}, dict(node.exec_properties))
    return tmp_path / "schema" / "schema.pbtxt"


@pytest.mark.parametrize("name", ["items.pbtxt", "timelines.pbtxt"])
def test_the_named_schema_is_copied(tmp_path: Path, name: str) -> None:
    source = Path(components.__file__).parent / "transform" / "schemas" / name
    reader = io_utils.SchemaReader()
    assert reader.read(str(imported(tmp_path, name))) == reader.read(str(source))


def test_a_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no schema films\.pbtxt in .*; there are items\.pbtxt, timelines"):
        imported(tmp_path, "films.pbtxt")


def test_a_data_sets_own_features_are_added(tmp_path: Path) -> None:
    specs = [FeatureSpec(name=kind, kind=kind) for kind in ("categorical", "multi", "number", "text")]
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "schema")
    node = ImportSchema("items.pbtxt", Features(item=(*MOVIELENS, *specs)))
    Executor().Do({}, {"schema": [schema]}, dict(node.exec_properties))
    found = io_utils.SchemaReader().read(str(tmp_path / "schema" / "schema.pbtxt"))
    assert [feature.name for feature in found.feature] == [
        *contract.ITEM_FEATURES, "categorical", "multi", "number", "text",
    ]  # fmt: skip
    kinds = {feature.name: feature for feature in found.feature}
    assert all(kinds[spec.name].presence.min_fraction == 1 for spec in specs)
    assert kinds["categorical"].value_count.max == kinds["number"].value_count.max == 1
    assert kinds["number"].float_domain.disallow_nan
    assert kinds["text"].shape.dim[0].size == 1
