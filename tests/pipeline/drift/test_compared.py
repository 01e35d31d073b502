"""A version's own log is all that is needed of the past: the checks find what they find on the artifacts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.training import toy_artifacts
from support.training.toy_artifacts import Artifacts

import contract
from components.common.metrics import names
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.records.read import read_items
from components.index.carried import fitted_log
from components.pusher.versions import Version
from pipeline.drift import checks, compared, log
from pipeline.drift.params import DriftParams
from pipeline.errors import InputError

PARAMS = DriftParams(min_events=50)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    return toy_artifacts.make(tmp_path_factory.mktemp("made"), users=60, items=80, ratings=1_500)


def version(folder: Path, made: Artifacts, **record: object) -> Version:
    """Without a model to ask: what needs one is tested beside it."""
    extra = folder / contract.ASSETS_EXTRA
    extra.mkdir()
    pq.write_table(read_items(made.items), extra / contract.CATALOGUE)
    fitted_log.write(str(extra), made.timelines, contract.SPLITS, 1_000, "run")
    return Version(7, str(folder), None, None, False, {"version": 7, **record})


def grown(made: Artifacts, folder: Path) -> Path:
    """The log with a hundred newer events on one item."""
    folder.mkdir()
    for name in ("movies.csv", "tags.csv"):
        if (made.folder / "data" / name).exists():
            (folder / name).write_text((made.folder / "data" / name).read_text())
    ratings = (made.folder / "data" / "ratings.csv").read_text().splitlines()
    item = ratings[1].split(",")[1]
    last = max(int(line.split(",")[3]) for line in ratings[1:])
    newer = [f"{10_000 + user},{item},5.0,{last + 60 + user}" for user in range(100)]
    (folder / "ratings.csv").write_text("\n".join([*ratings, *newer]) + "\n")
    return folder


def test_the_carried_log_is_the_log_of_the_run(made: Artifacts, tmp_path: Path) -> None:
    last = version(tmp_path, made)
    stored, carried = log.read(made.timelines, made.items), log.of_version(last.path)
    assert carried is not None
    assert (len(carried), carried.last) == (len(stored), stored.last)
    for mine, theirs in ((carried.items, stored.items), (carried.times, stored.times)):
        np.testing.assert_array_equal(np.sort(mine), np.sort(theirs))
    assert carried.features == stored.features


def test_what_moved_is_found_without_the_artifacts_of_the_run(made: Artifacts, tmp_path: Path) -> None:
    last = version(tmp_path, made)
    data, params = str(grown(made, tmp_path / "data")), ExampleGenParams()
    now = compared.as_it_is(data, fingerprint(data, params), params)

    def nowhere() -> log.Log:
        raise AssertionError("the version carries its log")

    found, about = compared.findings(last, now, [], PARAMS, nowhere)
    assert about == {"events": len(log.read(made.timelines, made.items)), "newer": 100}
    drifted = {one.check for one in found if one.drifted}
    assert "popularity" in drifted
    known = {item.encode() for item in read_items(made.items)[contract.ITEM_ID].to_pylist()}
    of_artifacts = checks.of_logs(log.read(made.timelines, made.items), now, known, PARAMS)
    assert {one.check for one in of_artifacts if one.drifted} == drifted


def test_a_version_without_a_log_asks_for_the_stored_one(made: Artifacts, tmp_path: Path) -> None:
    last = version(tmp_path, made)
    (tmp_path / contract.ASSETS_EXTRA / contract.FITTED_LOG).unlink()
    stored = log.read(made.timelines, made.items)
    _, about = compared.findings(last, stored, [], PARAMS, lambda: stored)
    assert about == {"events": len(stored), "newer": 0}
    with pytest.raises(InputError, match=r"requests: there is no file .*none; expected PredictionLogs"):
        compared.findings(last, stored, [str(tmp_path / "none")], PARAMS, lambda: stored)


def test_the_measure_of_a_refresh_is_what_its_towers_came_to() -> None:
    earlier = [{"version": 5, "metrics": {names.RECALL_10: 0.3}}, {"version": 6, "metrics": None}]
    record = {"version": 7, "metrics": {names.RECALL_10: 0.1}, contract.EARLIER: earlier}
    assert compared.tested(Version(7, "", None, None, False, record)) == 0.1
    refreshed = {**record, contract.REFRESHES: 5}
    assert compared.tested(Version(7, "", None, None, False, refreshed)) == 0.3
    assert compared.tested(Version(7, "", None, None, False, {**record, contract.REFRESHES: 6})) is None
