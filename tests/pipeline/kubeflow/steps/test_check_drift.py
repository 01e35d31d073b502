"""The drift step: what it needs is the folder of pushed models and the data."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.training import toy_artifacts
from support.training.toy_artifacts import Artifacts

import contract
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.records.read import read_items
from components.index.carried import fitted_log
from pipeline.drift.params import DriftParams
from pipeline.kubeflow.steps import check_drift

PARAMS = ExampleGenParams()
SECTIONS = json.dumps({"example_gen": PARAMS.to_json(), "drift": DriftParams(min_events=50).to_json()})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    return toy_artifacts.make(tmp_path_factory.mktemp("made"), users=60, items=80, ratings=1_500)


@pytest.fixture(scope="module")
def served(made: Artifacts) -> Path:
    """A pushed version as far as the step looks at it without asking a model."""
    version = made.folder / "served" / contract.MODEL / "100"
    extra = version / contract.ASSETS_EXTRA
    extra.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    (version / contract.PUSHED).write_text('{"version": 100}')
    pq.write_table(read_items(made.items), extra / contract.CATALOGUE)
    fitted_log.write(str(extra), made.timelines, contract.SPLITS, 1_000, "run")
    return made.folder / "served"


@pytest.fixture(scope="module")
def moved(made: Artifacts) -> Path:
    """The log with a hundred newer events on one item."""
    folder = made.folder / "moved"
    folder.mkdir()
    for file in (made.folder / "data").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    lines = (folder / "ratings.csv").read_text().splitlines()
    item, last = lines[1].split(",")[1], max(int(line.split(",")[3]) for line in lines[1:])
    newer = [f"{10_000 + user},{item},5.0,{last + 60 + user}" for user in range(100)]
    (folder / "ratings.csv").write_text("\n".join([*lines, *newer]) + "\n")
    return folder


def call(tmp_path: Path, data: Path, served: Path, train_if: str, *args: str) -> tuple[int, str, str]:
    """Exit code, what is needed, and the page."""
    files = tmp_path / "out" / "needed", tmp_path / "out" / "report"
    code = check_drift.main(
        [
            f"--data_path={data}", f"--fingerprint={fingerprint(data, PARAMS)}", f"--push_to={served}",
            f"--train_if={train_if}", f"--params={SECTIONS}", *args,
            f"--needed_file={files[0]}", f"--report_file={files[1]}",
        ]
    )  # fmt: skip
    return code, *(file.read_text() if file.exists() else "" for file in files)


def test_data_that_moved_are_to_be_trained_on(tmp_path: Path, moved: Path, served: Path) -> None:
    gauges = tmp_path / "drift.prom"
    code, needed, page = call(tmp_path, moved, served, "drift", f"--gauges={gauges}")
    assert (code, needed) == (0, "yes")
    assert "popularity" in page and "<table" in page
    assert 'marquee_drift_exceeded{check="popularity"} 1' in gauges.read_text()


def test_data_that_did_not_are_not(tmp_path: Path, made: Artifacts, served: Path) -> None:
    assert call(tmp_path, made.folder / "data", served, "drift")[:2] == (0, "no")


def test_where_nothing_is_trained_drift_is_an_error(
    tmp_path: Path, moved: Path, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, needed, page = call(tmp_path, moved, served, "never")
    assert (code, needed, "popularity" in page) == (3, "yes", True)
    assert "marquee-error: drift: popularity" in capsys.readouterr().err


def test_always_looks_at_nothing(tmp_path: Path, made: Artifacts) -> None:
    code, needed, page = call(tmp_path, made.folder / "data", tmp_path / "none", "always")
    assert (code, needed) == (0, "yes")
    assert "Nothing was compared" in page


def test_where_nothing_was_pushed_yet(
    tmp_path: Path, made: Artifacts, capsys: pytest.CaptureFixture[str]
) -> None:
    data, none = made.folder / "data", tmp_path / "none"
    assert call(tmp_path / "a", data, none, "drift")[:2] == (0, "yes")
    assert call(tmp_path / "b", data, none, "never")[:2] == (2, "")
    assert "nothing was pushed there yet" in capsys.readouterr().err


def test_what_cannot_be_compared_is_named(
    tmp_path: Path, made: Artifacts, served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made.folder / "data"
    assert call(tmp_path, data, served, "sometimes")[0] == 2
    assert "train_if = 'sometimes': expected always, drift or never" in capsys.readouterr().err
    assert call(tmp_path, data, served, "drift", f"--requests={tmp_path / 'none'}")[0] == 2
    assert "the folder is empty or not there" in capsys.readouterr().err
    bare = tmp_path / "bare" / contract.MODEL / "100"
    (bare / contract.ASSETS_EXTRA).mkdir(parents=True)
    for name in ("saved_model.pb", contract.PUSHED):
        (bare / name).write_text("{}")
    assert call(tmp_path, data, tmp_path / "bare", "drift")[0] == 2
    assert "version 100 in " in (said := capsys.readouterr().err) and "carries no log" in said
