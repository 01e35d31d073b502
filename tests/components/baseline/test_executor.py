"""The baseline: always one artifact, holding the last pushed model or nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts
from tfx.types.channel import Channel
from tfx.utils import path_utils

import contract
from components.baseline.component import Baseline
from components.baseline.executor import Executor
from components.common import storage


def push(served: Path, number: int, record: bool = True) -> None:
    """Puts down a version as the pusher would; without record it is incomplete."""
    for model in contract.MODELS:
        folder = served / model / str(number)
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_text(f"{model} {number}")
        (folder / "variables" / "variables.index").write_text("v")
    if record:
        (served / contract.MODEL / str(number) / contract.PUSHED).write_text(json.dumps({"version": number}))


def run(tmp_path: Path, destination: str) -> Any:
    model, baseline = standard_artifacts.Model(), standard_artifacts.Model()
    model.uri, baseline.uri = str(tmp_path / "candidate"), str(tmp_path / "baseline")
    component = Baseline(model=Channel(type=standard_artifacts.Model), push_destination=destination)
    outputs = {"baseline": [baseline]}
    Executor().Do({"model": [model]}, outputs, {**component.exec_properties, contract.CODE_HASH: "ignored"})
    assert outputs == {"baseline": [baseline]}
    return baseline


def test_nothing_pushed(tmp_path: Path) -> None:
    baseline = run(tmp_path, str(tmp_path / "served"))
    assert list(Path(baseline.uri).iterdir()) == []
    assert not baseline.has_custom_property("pushed_version")


def test_newest_version_as_number_not_as_text(tmp_path: Path) -> None:
    for number in (9, 10):
        push(tmp_path / "served", number)
    baseline = run(tmp_path, str(tmp_path / "served"))
    path = Path(path_utils.serving_model_path(baseline.uri))
    assert (path / "saved_model.pb").read_text() == "marquee 10"
    assert (path / "variables" / "variables.index").read_text() == "v"
    assert baseline.get_string_custom_property("pushed_version") == "10"


def test_an_incomplete_version_is_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    push(tmp_path / "served", 9)
    push(tmp_path / "served", 10, record=False)
    (tmp_path / "served" / contract.MODEL / ".incoming-11").mkdir()
    baseline = run(tmp_path, str(tmp_path / "served"))
    assert baseline.get_string_custom_property("pushed_version") == "9"
    assert "10 is skipped: it lacks PUSHED.json" in caplog.text


def test_of_a_final_fit_the_tested_model_is_the_baseline(tmp_path: Path) -> None:
    served = tmp_path / "served"
    push(served, 9)
    (served / contract.MODEL / "9" / contract.PUSHED).write_text(
        json.dumps({contract.FINAL_FIT: contract.ALL})
    )
    tested = served / contract.MODEL_TESTED / "9"
    shutil.copytree(served / contract.MODEL_EXACT / "9", tested)
    (tested / "saved_model.pb").write_text("tested 9")
    baseline = run(tmp_path, str(served))
    path = Path(path_utils.serving_model_path(baseline.uri))
    assert (path / "saved_model.pb").read_text() == "tested 9"
    assert baseline.get_string_custom_property("pushed_version") == "9"


def test_a_model_that_has_seen_the_test_split_is_no_baseline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = tmp_path / "served"
    push(served, 9)
    (served / contract.MODEL / "9" / contract.PUSHED).write_text(
        json.dumps({contract.FINAL_FIT: contract.ALL})
    )
    baseline = run(tmp_path, str(served))
    assert list(Path(baseline.uri).iterdir()) == []
    assert not baseline.has_custom_property("pushed_version")
    assert "it has seen the answers of the test split" in caplog.text


def test_the_copy_takes_no_space_and_outlives_the_version(tmp_path: Path) -> None:
    push(tmp_path / "served", 9)
    pushed = tmp_path / "served" / contract.MODEL / "9" / "saved_model.pb"
    baseline = run(tmp_path, str(tmp_path / "served"))
    copy = Path(path_utils.serving_model_path(baseline.uri)) / "saved_model.pb"
    assert copy.samefile(pushed)
    shutil.rmtree(tmp_path / "served")
    assert copy.read_text() == "marquee 9"


def test_object_store(tmp_path: Path) -> None:
    push(tmp_path / "served", 9)
    for name in storage.list_files(str(tmp_path / "served")):
        storage.copy_file(str(tmp_path / "served" / name), f"ram://baseline/served/{name}")
    baseline = run(tmp_path, "ram://baseline/served")
    copy = Path(path_utils.serving_model_path(baseline.uri)) / "saved_model.pb"
    assert copy.read_text() == "marquee 9"
