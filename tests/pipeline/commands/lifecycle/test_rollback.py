"""`marquee rollback`, `retire`, and what `status` says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import contract
from components.pusher import versions
from pipeline import cli
from pipeline.terminal.typed import typed


@pytest.fixture
def there(served: str, tmp_path: Path) -> list[str]:
    """Arguments that name the pushed versions."""
    return ["--set", f"push_to={served}", "--set", f"artifacts={tmp_path / 'artifacts'}"]


def test_back_to_the_last_but_one_and_forward_again(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = str(tmp_path / "served")
    assert cli.main(["rollback", "--why", "too many old items", *there]) == 0
    out = capsys.readouterr().out
    assert "newest  200" in out and f"`{typed('rollback', *there, '300')}` brings it back" in out
    assert versions.numbers(served, contract.MODEL) == [100, 200]
    assert cli.main(["rollback", "300", "--json", *there]) == 0
    event = json.loads(capsys.readouterr().out)
    assert (event["version"], event["restored"], event["withdrawn"]) == (300, [300], [])
    assert cli.main(["rollback", "300", *there]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_retire_and_what_cannot_be_done(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["retire", "200", *there]) == 0
    assert "withdrawn  200" in capsys.readouterr().out
    assert cli.main(["rollback", "150", *there]) == 2
    assert "version 150 is not in" in capsys.readouterr().err


def test_status_says_who_did_what_and_why(
    there: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pin", "100", "--why", "the canary", *there]) == 0
    assert cli.main(["rollback", "100", "--why", "slow", *there]) == 0
    capsys.readouterr()
    assert cli.main(["status", "--json", *there]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["withdrawn"] == [200, 300]
    assert [(e["action"], e["version"], e["why"]) for e in found["events"]] == [
        ("pin", 100, "the canary"), ("rollback", 100, "slow"),
    ]  # fmt: skip
    assert cli.main(["status", *there]) == 0
    out = capsys.readouterr().out
    assert "withdrawn  300" in out and "slow" in out and "by " in out
