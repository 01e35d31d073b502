"""`marquee forget USER`."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import contract
from components.index.carried import fitted_log
from components.pusher import versions
from components.pusher.publish import publish
from pipeline import cli


@pytest.fixture
def own(world: dict[str, Any], tmp_path: Path) -> Path:
    """A copy of the artifacts whose metadata are its own: version 1 by hand, one of the run, one by hand."""
    from ml_metadata.metadata_store import MetadataStore

    from pipeline.runs.metadata_store import connection_config

    artifacts = Path(shutil.copytree(world["artifacts"], tmp_path / "artifacts"))
    store = MetadataStore(connection_config(f"sqlite:///{artifacts / 'metadata.sqlite'}"))
    [examples] = store.get_artifacts()
    examples.uri = str(artifacts / "timelines")
    store.put_artifacts([examples])
    return artifacts


def push_by_hand(artifacts: Path, number: int) -> None:
    served = artifacts / "serving_model"
    sources = {model: str(served / model / "1700000000") for model in contract.MODELS}
    publish(sources, str(served), {"run": "of another pipeline"}, now=number)


def forget(artifacts: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert cli.main(["forget", *arguments, "--json", "--set", f"artifacts={artifacts}"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_user_s_places_are_listed_and_those_that_may_go_are_deleted(
    own: Path, world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    user = world["timelines"][contract.TEST].column(contract.USER_ID)[0].as_py()
    path = str(own / "serving_model" / contract.MODEL / "1700000000")
    timelines = str(own / "timelines")

    listed = forget(own, capsys, user)
    assert (len(listed["runs"]), listed["artifacts"]) == (1, [timelines])
    assert (listed["versions"], listed["versions_in_use"]) == ([], [path])
    assert Path(timelines).exists()  # nothing was deleted

    # While it is the newest version it is served; once another one is, it may go.
    push_by_hand(own, 1_700_000_100)
    assert forget(own, capsys, user)["versions"] == [path]
    done = forget(own, capsys, user, "--delete")
    assert done["deleted"] and done["freed_bytes"] > 4096
    assert not Path(timelines).exists()
    assert versions.numbers(str(own / "serving_model"), contract.MODEL) == [1_700_000_100]
    assert versions.numbers(str(own / "serving_model"), contract.MODEL_EXACT) == [1_700_000_100]
    # Of a run whose timelines are gone it cannot be told.
    again = forget(own, capsys, user)
    assert again["runs"] == [] and len(again["runs_whose_timelines_are_gone"]) == 1
    assert again["artifacts"] == again["versions"] == []


def test_what_could_not_be_deleted_is_said_and_found_again(
    own: Path, world: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said "deleted", with exit code 0, and did not find the rest the next time."""
    user = world["timelines"][contract.TEST].column(contract.USER_ID)[0].as_py()
    push_by_hand(own, 1_700_000_100)
    arguments = ["forget", user, "--delete", "--set", f"artifacts={own}"]

    def refused(path: Any, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refused)
        assert cli.main(arguments) == 1
    told = capsys.readouterr().err
    assert "the user's data are there still" in told and "Permission denied" in told
    served = own / "serving_model"
    assert (own / "timelines").exists() and list(served.glob("*/.outgoing-1700000000"))
    assert cli.main(arguments) == 0
    assert not list(served.glob("*/.outgoing-*"))


def test_a_refresh_holds_the_log_that_its_towers_were_fitted_to(
    own: Path, world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own run read a log without the user; what it carries for drift is of the first run."""
    user = world["timelines"][contract.TEST].column(contract.USER_ID)[0].as_py()
    run_id = forget(own, capsys, user)["runs"][0]
    push_by_hand(own, 1_700_000_100)
    version = own / "serving_model" / contract.MODEL / "1700000100"
    fitted_log.write(
        str(version / contract.ASSETS_EXTRA), str(own / "timelines"), [contract.TEST], 10, run_id
    )
    push_by_hand(own, 1_700_000_200)
    paths = [str(version.parent / number) for number in ("1700000000", "1700000100")]
    assert forget(own, capsys, user)["versions"] == paths
    assert cli.main(["retire", "1700000100", "--set", f"artifacts={own}"]) == 0
    listed = forget(own, capsys, user)
    assert (listed["versions"], listed["versions_withdrawn"]) == (paths[:1], [1_700_000_100])


def test_a_pinned_version_stays_and_a_stranger_has_nothing(
    own: Path, world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    user = world["timelines"][contract.TEST].column(contract.USER_ID)[0].as_py()
    versions.pin(str(own / "serving_model"), 1_700_000_000)
    push_by_hand(own, 1_700_000_100)
    assert forget(own, capsys, user, "--delete")["versions"] == []
    assert versions.numbers(str(own / "serving_model"), contract.MODEL) == [1_700_000_000, 1_700_000_100]


def test_of_a_stranger_nothing_is_deleted(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = forget(own, capsys, "a stranger", "--delete")
    assert found["runs"] == found["artifacts"] == found["versions"] == found["versions_in_use"] == []
    assert cli.main(["forget", "a stranger", "--set", f"artifacts={own}"]) == 0
    assert "no run here has read events of user a stranger" in capsys.readouterr().out
    assert cli.main(["forget", "x", "--set", f"artifacts={own / 'none'}"]) == 2
    assert "no run in" in capsys.readouterr().err
