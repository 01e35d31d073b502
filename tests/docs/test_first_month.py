"""The page for operators: flags, alerts, commands and messages that it names are there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.workspace import REPOSITORY

from serving.model_server.process import options

OPERATE = REPOSITORY / "docs" / "operate"
UNIT = OPERATE / "marquee.service"


def sources() -> str:
    found = [
        path.read_text()
        for folder in ("components", "pipeline", "serving", "kubernetes/components", "kubernetes/base")
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix in (".py", ".yaml", ".sh")
    ]
    # Texts that stand on several lines of the source.
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(found))


def test_flags_and_alerts_of_the_pages_exist() -> None:
    text = "\n".join(page.read_text() for page in sorted(OPERATE.glob("*.md")))
    known = {field.name for field in options.FLAGS}
    named = set(re.findall(r"`--([a-z_]+_[a-z_]+)[`=]", text))
    assert named and named <= known
    alerts = set(re.findall(r"`(Marquee\w+)`", text))
    rules = (REPOSITORY / "kubernetes" / "base" / "monitoring" / "rules.yaml").read_text()
    assert alerts and {alert for alert in alerts if f"alert: {alert}\n" not in rules} == set()


@pytest.mark.parametrize(
    "message",
    [
        "are missing",
        "a disk is full: ",
        "which the config asks for, is not pinned",
        "which the config asks for, is not there",
        "no version that the policy wants is there; version",
        "has the SHA-256",
        "connections are refused: ",
        "sync failed, next try in",
        "refused: the model was not pushed",
        "wait until it has finished",
        "lines lost: ",
        "HandleReloadConfigRequest is refused",
        "freed ",
    ],
)
def test_messages_of_the_page_are_those_of_the_programs(message: str) -> None:
    page = (OPERATE / "first-month.md").read_text()
    assert message.strip(": ") in page
    assert message in sources()


def test_systemd_takes_the_unit_and_the_server_its_flags(tmp_path: Path) -> None:
    text = UNIT.read_text()
    command = re.search(r"ExecStart=((?:.*\\\n)*.*)", text)
    assert command
    flags = shlex.split(command[1].replace("\\\n", " "))[3:]
    config = tmp_path / "models.config"
    config.write_text(
        'model_config_list { config { name: "m" base_path: "/srv/marquee/serving_model/marquee" '
        'model_platform: "tensorflow" } }'
    )
    parsed = options.parse([flag.replace("/etc/marquee/models.config", str(config)) for flag in flags], {})
    assert parsed.warnings == ()
    stop = re.search(r"TimeoutStopSec=(\d+)", text)
    assert stop and int(stop[1]) > parsed.shutdown_grace_seconds + 10
    assert parsed.admin_socket_path.startswith("/run/marquee/") and "RuntimeDirectory=marquee" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT CHECKED: systemd-analyze is not installed")
    # Programs and users of the machine that it is for are not on this one.
    unit = tmp_path / "marquee.service"
    unit.write_text(
        re.sub(r"(User|Group)=marquee\n", "", text).replace("/opt/marquee/.venv/bin/python", "/bin/sh")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "marquee.service" in done.stderr) == (0, False), done.stderr
