"""A schema comes from beside the sources, whatever machine they are on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfx.types import standard_artifacts
from tfx.utils import io_utils

import components
from components.import_schema.component import ImportSchema
from components.import_schema.executor import Executor


def imported(tmp_path: Path, name: str) -> Path:
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "schema")
    node = ImportSchema(schema_file=name)
    Executor().Do({}, {"schema": [schema]}, dict(node.exec_properties))
    return tmp_path / "schema" / "schema.pbtxt"


@pytest.mark.parametrize("name", ["movies.pbtxt", "timelines.pbtxt"])
def test_the_named_schema_is_copied(tmp_path: Path, name: str) -> None:
    source = Path(components.__file__).parent / "transform" / "schemas" / name
    reader = io_utils.SchemaReader()
    assert reader.read(str(imported(tmp_path, name))) == reader.read(str(source))


def test_a_schema_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no schema films\.pbtxt in .*; there are movies\.pbtxt, timelines"):
        imported(tmp_path, "films.pbtxt")
