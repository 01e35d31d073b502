"""What lies beside a pushed model, and what is said of models that other versions pushed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import contract
from pipeline.ask.pushed_files import PushedFiles
from pipeline.errors import InputError


def write(folder: Path, id_column: str) -> PushedFiles:
    extra = folder / contract.ASSETS_EXTRA
    extra.mkdir()
    columns = {id_column: ["7"], "title": ["Mug"], "year": [0], "genres": [["cups"]], "rating_count": [3]}
    pq.write_table(pa.table(columns), extra / contract.CATALOGUE)
    (extra / contract.INDEX_INFO).write_text(json.dumps({}))
    return PushedFiles(str(folder))


def test_the_catalogue_names_the_items(tmp_path: Path) -> None:
    assert write(tmp_path, "item_id").titles.find("Mug").item_id == "7"


def test_a_model_of_an_older_version_is_told_by_its_columns(tmp_path: Path) -> None:
    files = write(tmp_path, "movie_id")
    with pytest.raises(InputError, match=r"has no column item_id, .* pushed by an older version .* run the"):
        _ = files.titles
