"""What each command imports: a heavy package costs seconds before the first line is printed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from support.workspace import REPOSITORY

from pipeline.cli import COMMANDS

# Packages, and the part of TensorFlow that is its runtime.
HEAVY = (
    "apache_beam", "keras", "kfp", "ml_metadata", "numpy", "pandas", "pyarrow", "pydantic", "rich", "scann",
    "scipy", "tensorflow", "tensorflow.keras", "tensorflow.python", "tensorflow_serving", "tf_keras", "tfx",
    "tfx_bsl", "yaml",
)  # fmt: skip
READS_CONFIG = {"pydantic", "yaml"}
# The lean runtime, by which a model server loads: TensorFlow without its front.
RUNTIME = {"numpy", "tensorflow", "tensorflow.python"}
SHOWS_ITEMS = {"numpy", "pyarrow", "rich"}

SCRIPT = f"""
import json, sys
from pipeline import cli
try:
    code = cli.main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print(json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """The heavy modules that a process of the command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return set(names)


@pytest.mark.parametrize("arguments", [(), *((name.rpartition(".")[2],) for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported(*arguments, "--help") == set()


ASKED = {
    ("status",): {*READS_CONFIG, "ml_metadata"},
    ("similar", "Heat (1995)", "--local"): READS_CONFIG | RUNTIME | SHOWS_ITEMS,
    ("recommend", "--likes", "Heat", "--local"): READS_CONFIG | RUNTIME | SHOWS_ITEMS,
    ("recommend", "--user", "u1", "--local"): {*READS_CONFIG, *RUNTIME, *SHOWS_ITEMS, "ml_metadata"},
    ("rate", "--user", "u1", "--local"): {*READS_CONFIG, *RUNTIME, *SHOWS_ITEMS, "ml_metadata"},
}


@pytest.mark.parametrize("arguments", ASKED, ids=lambda a: " ".join(a[:2]))
def test_a_command_imports_what_it_needs_and_no_more(
    world: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    assert imported(*arguments, "--set", f"artifacts={world['artifacts']}") <= ASKED[arguments]
