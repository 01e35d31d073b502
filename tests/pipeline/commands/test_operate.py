"""`marquee runs` and `marquee doctor`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli, health
from pipeline.commands.operate.runs import chart
from pipeline.config import reader

MarqueeJson = Callable[..., dict[str, Any]]


def test_a_chart_has_a_block_for_each_run() -> None:
    assert chart([0.0, 1.0, 0.5]) == "▁█▅"
    assert chart([0.2, 0.2]) == "▅▅"
    assert chart([3.0]) == "▅"


def test_runs_of_nothing_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs", "--set", f"artifacts={tmp_path}"]) == 0
    assert "next " in capsys.readouterr().out
    assert cli.main(["runs", "--metric", "recall@11", "--set", f"artifacts={tmp_path}"]) == 2
    assert "no metric recall@11; there are recall@10" in capsys.readouterr().err


def test_doctor_of_a_machine_with_a_pushed_model(marquee_json: MarqueeJson) -> None:
    """The packages are as whoever installed them left them; all else is this machine's and the fixture's."""
    checks = {check["name"]: check for check in marquee_json("doctor", may_fail=True)["checks"]}
    assert [checks[name]["state"] for name in ("python", "glibc")] == ["ok", "ok"]
    assert checks["metadata store"]["found"] == "1 run of marquee"
    assert checks["pushed model"]["state"] == "ok"
    assert "version 1700000000 loads and answers" in checks["pushed model"]["found"]


def test_doctor_names_what_is_wrong_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "pytest==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0\nother==2 ; sys_platform == 'x'\n"
    )
    monkeypatch.setattr(health, "_LOCK", lock)
    broken = tmp_path / "artifacts" / "serving_model" / "marquee" / "100"
    broken.mkdir(parents=True)
    (broken / "saved_model.pb").touch()
    (broken / "PUSHED.json").write_text("{")
    assert cli.main(["doctor", "--set", f"artifacts={tmp_path / 'artifacts'}"]) == 1
    out = capsys.readouterr().out
    assert "locked 0.0.1" in out and "no-such-package missing, locked 1.0" in out and "other" not in out
    assert "packages: make setup" in out
    assert "is not JSON" in out


@pytest.mark.parametrize(("free", "state"), [(10 << 30, health.OK), (1 << 30, health.TIGHT)])
def test_disk(free: int, state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health.disk.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free})())
    assert health._disk(tmp_path / "not" / "yet").state == state


def test_a_taken_port_is_said() -> None:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert health._port(port).state == health.TIGHT
    assert health._port(port).state == health.OK


def test_no_store_yet_is_no_fault(tmp_path: Path) -> None:
    config = reader.load(None, [f"artifacts={tmp_path}"])
    assert [health._store(config).state, health._model(config).state] == [health.SKIPPED] * 2
