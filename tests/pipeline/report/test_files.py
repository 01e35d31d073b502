"""A report that is written again tells of the run, not of today."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, cast

import pytest
from ml_metadata.metadata_store import MetadataStore

from pipeline.config import reader
from pipeline.report import document, files, page
from pipeline.runs import run_records


@pytest.mark.parametrize("ended_with_a_report", [True, False])
def test_the_config_and_the_error_are_those_of_the_run(
    ended_with_a_report: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def gather(config: Any, run: Any, earlier: Any, error: str = "") -> dict[str, Any]:
        given.append(error)
        return {
            "error": error,
            "lineage": {"config": config.resolved(), "packages": {"numpy": "9"}, "data": "d"},
        }

    monkeypatch.setattr(document, "gather", gather)
    monkeypatch.setattr(page, "report", str)
    monkeypatch.setattr(run_records, "runs", lambda *_: [types.SimpleNamespace(run_id="r1")])
    store = cast(MetadataStore, object())
    then, now = (
        reader.load(None, [f"artifacts={tmp_path}", f"trainer.epochs={epochs}"]) for epochs in (3, 4)
    )
    if ended_with_a_report:
        files.write_after_run(then, store, "r1", "trainer failed: no events")
    lineage = files.write(now, store, "r1").document["lineage"]
    assert lineage["data"] == "d"
    if ended_with_a_report:
        assert lineage["config"] == then.resolved()
        assert given == ["trainer failed: no events"] * 2
    else:
        assert (lineage["config"], lineage["packages"], given) == ({}, {}, [""])
