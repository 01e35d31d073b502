"""kill -9 before each step of a push: servers never see half a model, and the next run mends the rest."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import contract
from components.common import storage
from components.pusher import claim, retention, versions
from components.pusher.publish import publish

Sources = Callable[..., dict[str, str]]

# A push that also deletes the version before it (keep = 1), killed before its
# n-th change of the file system; n = -1 is never.
PUSH = """
import functools, json, os, signal, sys, time
from components.common import storage
from components.pusher import retention
from components.pusher.publish import publish

sources, served, at = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
step = 0

def counted(change):
    @functools.wraps(change)
    def call(*args):
        global step
        if step == at:
            if change.__name__ == "copy_file":  # in the middle of a file
                os.makedirs(os.path.dirname(args[1]), exist_ok=True)
                open(args[1], "w").write("half")
            os.kill(os.getpid(), signal.SIGKILL)
        step += 1
        return change(*args)
    return call

for name in ("create_exclusive", "copy_file", "write_text", "touch", "sync_folder", "rename_folder",
             "remove_file", "remove_tree"):
    setattr(storage, name, counted(getattr(storage, name)))
retention.sweep(served, time.time())
publish(sources, served, {"run": "killed"}, time.time())
retention.apply(served, 1)
print(step)
"""
STEPS = 29


def push(sources: dict[str, str], served: Path, at: int) -> subprocess.CompletedProcess[str]:
    arguments = [json.dumps(sources), str(served), str(at)]
    return subprocess.run(
        [sys.executable, "-c", PUSH, *arguments], capture_output=True, text=True, check=False
    )


def whole_versions(served: Path, sources: list[dict[str, str]]) -> dict[str, list[int]]:
    """Numbers of the visible versions by model; fails if one is not, byte for byte, what was pushed."""
    contents = {
        model: [
            {
                str(p.relative_to(each[model])): p.read_bytes()
                for p in Path(each[model]).rglob("*")
                if p.is_file()
            }
            for each in sources
        ]
        for model in contract.MODELS
    }
    found: dict[str, list[int]] = {}
    for model in contract.MODELS:
        found[model] = versions.numbers(str(served), model)
        for number in found[model]:
            folder = served / model / str(number)
            files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
            record = files.pop(contract.PUSHED, None)
            assert files in contents[model]
            if model == contract.MODEL:
                assert record is not None, f"{number} is visible without {contract.PUSHED}"
                hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
                assert json.loads(record)["sha256"][model] == hashes
    return found


def test_number_of_steps(make_sources: Sources, tmp_path: Path) -> None:
    """The kills below cover every step there is."""
    publish(make_sources("old"), str(tmp_path / "served"), {}, time.time() - 9)
    done = push(make_sources("new"), tmp_path / "served", -1)
    assert (done.returncode, done.stdout.strip()) == (0, str(STEPS)), done.stderr


@pytest.mark.parametrize("at", range(STEPS))
def test_killed(at: int, make_sources: Sources, tmp_path: Path) -> None:
    served, old, new = tmp_path / "served", make_sources("old"), make_sources("new")
    publish(old, str(served), {"run": "old"}, time.time() - 9)
    assert push(new, served, at).returncode == -signal.SIGKILL

    visible = whole_versions(served, [old, new])
    assert all(visible.values()), "a server lost its only version"
    # A version of the first model always has its pair, except one that is being deleted.
    newest = versions.latest(str(served))
    assert newest is not None
    assert newest.path_exact is not None

    # At once, and again when the remains are old enough to be cleared.
    again = publish(new, str(served), {"run": "again"}, time.time())
    latest = versions.latest(str(served))
    assert latest is not None
    assert latest.number == again.number
    retention.sweep(str(served), time.time() + 2 * claim.ABANDONED_AFTER)
    retention.apply(str(served), 1)
    assert whole_versions(served, [old, new]) == {model: [again.number] for model in contract.MODELS}
    hidden = [p for p in served.rglob(".*") if p.name != claim.CLAIMS]
    assert hidden == []
    assert storage.list_names(str(served / claim.CLAIMS)) == []
