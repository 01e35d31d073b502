"""A mirror that pip was told of is the one that uv is told of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements" / "mirror.sh"
CONFIG = "[global]\nindex-url = https://mirror.example/python\n"


@pytest.mark.parametrize(
    ("config", "variable", "mirror"),
    [
        ("", None, ""),
        (CONFIG, None, "https://mirror.example/python"),
        ("", "https://other.example/python", "https://other.example/python"),
        (CONFIG, "https://other.example/python", "https://other.example/python"),  # as for pip itself
    ],
)
def test_the_mirror_is_pips(config: str, variable: str | None, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(config)
    environment = {name: value for name, value in os.environ.items() if name != "PIP_INDEX_URL"}
    # A file named so is the only one that pip reads beside the machine's.
    environment["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    if variable is not None:
        environment["PIP_INDEX_URL"] = variable
    found = subprocess.run(
        [SCRIPT, sys.executable], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == mirror
