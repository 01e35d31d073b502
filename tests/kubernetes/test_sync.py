"""The object store's sidecar, with rclone itself: no half version is ever to be seen."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cluster.manifests import FOLDER, render_with

import contract

SYNC = FOLDER / "components" / "object-store" / "sync.sh"
SIGN = "saved_model.pb"
FILES = (SIGN, "PUSHED.json", "variables/variables.index", "assets.extra/catalogue.parquet")


def push(store: Path, version: int) -> None:
    for model in contract.MODELS:
        for name in FILES:
            path = store / model / str(version) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{model} {version} {name}")


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def sync(store: Path, models: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Called as the init container is, on a remote of the name `store`."""
    return subprocess.run(
        ["sh", str(SYNC), f"store:{store}", str(models)],
        env={**os.environ, "RCLONE_CONFIG_STORE_TYPE": "local", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """A PATH whose rclone is the real one, and runs meanwhile.sh before each call of it."""
    real = shutil.which("rclone")
    if real is None:
        pytest.skip("NOT CHECKED: rclone is not installed (Debian: apt-get install rclone)")
    (tmp_path / "bin").mkdir()
    shim = tmp_path / "bin" / "rclone"
    shim.write_text(
        f'#!/bin/sh\n[ ! -e {tmp_path}/meanwhile.sh ] || . {tmp_path}/meanwhile.sh\nexec {real} "$@"\n'
    )
    shim.chmod(0o755)
    return {"PATH": f"{shim.parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}


def test_models_come_and_go_with_the_store(tmp_path: Path, watched: dict[str, str]) -> None:
    store, models = tmp_path / "store", tmp_path / "models"
    push(store, 1)
    push(store, 2)
    done = sync(store, models, watched)
    assert done.returncode == 0, done.stderr
    assert files(models) == files(store)
    for model in contract.MODELS:
        shutil.rmtree(store / model / "1")
    push(store, 3)
    assert sync(store, models, watched).returncode == 0
    assert files(models) == files(store)


def test_a_half_version_that_the_store_withdrew_is_no_burden(tmp_path: Path, watched: dict[str, str]) -> None:
    store, models = tmp_path / "store", tmp_path / "models"
    push(store, 1)
    half = store / "marquee" / "12"
    half.mkdir()
    (half / "PUSHED.json").touch()
    assert sync(store, models, watched).returncode == 0
    assert (models / "marquee" / "12").exists()  # on its way
    shutil.rmtree(half)
    assert sync(store, models, watched).returncode == 0
    assert files(models) == files(store)
    assert not (models / "marquee" / "12").exists()


@pytest.mark.parametrize("before_call", [1, 2, 3])
def test_a_version_published_meanwhile_is_whole_before_it_is_seen(
    tmp_path: Path, watched: dict[str, str], before_call: int
) -> None:
    store, models, later = tmp_path / "store", tmp_path / "models", tmp_path / "later"
    push(store, 1)
    push(later, 2)
    calls = f"{tmp_path}/calls"
    publish = f"[ $(wc -l < {calls}) != {before_call} ] || cp -r {later}/. {store}"
    (tmp_path / "meanwhile.sh").write_text(f"echo >> {calls}\n{publish}\n")
    assert sync(store, models, watched).returncode == 0
    for model in contract.MODELS:
        assert files(models / model / "1") == files(store / model / "1")
        # The first call notes which versions are whole: what comes after it waits.
        assert (models / model / "2" / SIGN).exists() == (before_call == 1)
        assert (models / model / "2" / "PUSHED.json").exists() == (before_call < 3)
    assert sync(store, models, watched).returncode == 0
    assert files(models) == files(store)


def test_the_sign_of_a_version_comes_after_all_else(tmp_path: Path, watched: dict[str, str]) -> None:
    store, models = tmp_path / "store", tmp_path / "models"
    push(store, 1)
    (tmp_path / "meanwhile.sh").write_text(f"ls -R {models} > {tmp_path}/seen 2>&1 || true\n")
    assert sync(store, models, watched).returncode == 0
    # Before the last of the calls.
    seen = set((tmp_path / "seen").read_text().split())
    assert {name.rpartition("/")[2] for name in FILES if name != SIGN} <= seen
    assert SIGN not in seen


def test_a_store_that_is_not_there_ends_the_start_and_removes_nothing(
    tmp_path: Path, watched: dict[str, str]
) -> None:
    models = tmp_path / "models"
    push(models, 1)
    before = files(models)
    done = sync(tmp_path / "nowhere", models, watched)
    assert done.returncode != 0
    assert "not found" in done.stderr
    (tmp_path / "empty").mkdir()
    done = sync(tmp_path / "empty", models, watched)
    assert done.returncode == 1
    assert done.stderr.endswith(f"no version in store:{tmp_path}/empty\n")
    assert files(models) == before


def test_the_containers_call_the_script_that_was_tested(tmp_path: Path) -> None:
    objects = render_with(tmp_path, ["object-store"])
    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    [script] = [one["data"]["sync.sh"] for one in objects if "sync.sh" in one.get("data", {})]
    assert script == SYNC.read_text()
    once, again = spec["initContainers"]
    assert once["command"] == ["sh", "/etc/marquee-sync/sync.sh", "store:$(MARQUEE_STORE_PATH)", "/models"]
    assert again["command"] == [*once["command"], "30"]
    assert again["restartPolicy"] == "Always"
    [models] = [volume for volume in spec["volumes"] if volume["name"] == "models"]
    assert "emptyDir" in models and not models.get("persistentVolumeClaim")
