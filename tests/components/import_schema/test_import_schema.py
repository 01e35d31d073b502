"""A schema comes from beside the sources, whatever machine they are on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import Channel, standard_artifacts
from tfx.utils import io_utils

import components
import contract
from components.common import feature_file
from components.common.features import MOVIELENS, Features, FeatureSpec
from components.import_schema.component import ImportSchema
from components.import_schema.executor import Executor


def imported(
    tmp_path: Path, name: str, features: Features | None = None, feedback: str = "explicit"
) -> schema_pb2.Schema:
    examples, schema = standard_artifacts.Examples(), standard_artifacts.Schema()
    examples.uri, schema.uri = str(tmp_path / "examples"), str(tmp_path / "schema")
    feature_file.write(examples.uri, Features(feedback=feedback))
    node = ImportSchema(name, features or Features(), Channel(type=standard_artifacts.Examples))
    Executor().Do({"examples": [examples]}, {"schema": [schema]}, dict(node.exec_properties))
    return io_utils.SchemaReader().read(str(tmp_path / "schema" / "schema.pbtxt"))


@pytest.mark.parametrize("name", ["items.pbtxt", "timelines.pbtxt"])
def test_the_named_schema_is_copied(tmp_path: Path, name: str) -> None:
    source = Path(components.__file__).parent / "transform" / "schemas" / name
    assert imported(tmp_path, name) == io_utils.SchemaReader().read(str(source))


def test_events_of_a_log_without_ratings_have_weights_up_to_1(tmp_path: Path) -> None:
    found = imported(tmp_path, "timelines.pbtxt", feedback="implicit").feature
    assert [feature.name for feature in found] == [
        contract.of_feedback(name, implicit=True) for name in contract.TIMELINE_FEATURES
    ]
    domains = {feature.name: feature.float_domain for feature in found if feature.HasField("float_domain")}
    assert domains.keys() == {contract.HISTORY_WEIGHTS, contract.TARGET_WEIGHTS}
    assert all((domain.min, domain.max, domain.disallow_nan) == (0, 1, True) for domain in domains.values())


def test_a_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no schema films\.pbtxt in .*; there are items\.pbtxt, timelines"):
        imported(tmp_path, "films.pbtxt")


def test_a_data_sets_own_features_are_added(tmp_path: Path) -> None:
    specs = [FeatureSpec(name=kind, kind=kind) for kind in ("categorical", "multi", "number", "text")]
    found = imported(tmp_path, "items.pbtxt", Features(item=(*MOVIELENS, *specs)))
    assert [feature.name for feature in found.feature] == [
        *contract.ITEM_FEATURES, "categorical", "multi", "number", "text",
    ]  # fmt: skip
    kinds = {feature.name: feature for feature in found.feature}
    assert all(kinds[spec.name].presence.min_fraction == 1 for spec in specs)
    assert kinds["categorical"].value_count.max == kinds["number"].value_count.max == 1
    assert kinds["number"].float_domain.disallow_nan
    assert kinds["text"].shape.dim[0].size == 1
