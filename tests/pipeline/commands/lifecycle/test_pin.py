"""`marquee pin` and `marquee unpin`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import contract
from components.pusher import removal, retention, versions
from pipeline import cli


def test_a_pinned_version_outlives_any_number_of_pushes(
    served: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--set", f"push_to={served}"]
    assert cli.main(["pin", "100", *there]) == 0
    assert f"unpin --set push_to={served} 100`" in capsys.readouterr().out
    # In each model's folder: a server of the second one looks there.
    assert all((Path(served) / model / "100" / contract.PINNED).is_file() for model in contract.MODELS)
    assert retention.apply(served, 1) == [200]
    assert cli.main(["unpin", "100", "--json", *there]) == 0
    assert json.loads(capsys.readouterr().out)["pinned"] is False
    assert retention.apply(served, 1) == [100]


def test_a_version_that_is_not_there_is_named_beside_those_that_are(
    served: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("pin", "unpin"):
        assert cli.main([command, "150", "--set", f"push_to={served}"]) == 2
        assert f"version 150 is not in {served}; there are: 100, 200, 300" in capsys.readouterr().err
    assert versions.numbers(served, contract.MODEL) == [100, 200, 300]


def test_a_version_that_retention_takes_meanwhile_is_not_made_anew(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a folder of its number would be a version that no server can load."""
    complete = versions.is_complete

    def deleted_after_the_look(destination: str, number: int) -> bool:
        found = complete(destination, number)
        removal.delete(destination, number)
        return found

    monkeypatch.setattr(versions, "is_complete", deleted_after_the_look)
    with pytest.raises(KeyError):
        versions.pin(served, 100)
    assert (
        versions.numbers(served, contract.MODEL)
        == versions.numbers(served, contract.MODEL_EXACT)
        == [200, 300]
    )


def test_a_version_pinned_while_retention_runs_stays(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    delete = removal.delete

    def pins_the_next(destination: str, number: int) -> None:
        versions.pin(destination, 200)
        delete(destination, number)

    monkeypatch.setattr(retention, "delete", pins_the_next)
    retention.apply(served, 1)
    assert versions.numbers(served, contract.MODEL) == [200, 300]


def test_what_a_command_writes_is_for_owner_and_group_alone(served: str) -> None:
    before = os.umask(0o022)
    try:
        assert cli.main(["pin", "200", "--set", f"push_to={served}"]) == 0
        assert os.umask(0o022) == 0o027
    finally:
        os.umask(before)
    pinned = Path(served) / contract.MODEL / "200" / contract.PINNED
    assert pinned.stat().st_mode & 0o027 == 0
