"""What the repository's folders may be called, and what of them is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("contract", "components", "datasets", "leaderboard", "pipeline", "serving")


def run(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_no_folder_stands_before_the_kubernetes_client() -> None:
    """Kubeflow's compiler imports it; a folder of that name in the current one would be found first."""
    found = Path(run("import kubernetes.client; print(kubernetes.__file__)", REPOSITORY))
    assert "site-packages" in found.parts


def test_there_are_no_packages_below_tests() -> None:
    """They would shadow what they test: tests/pipeline is no `pipeline`."""
    assert list((REPOSITORY / "tests").rglob("__init__.py")) == []


def test_make_clean_leaves_what_is_served(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    kept = (".venv/x", "data/log.csv", "artifacts/serving_model/marquee/1/saved_model.pb")
    for name in (*kept, "artifacts/logs/run.log", "artifacts/.hidden/x", ".mypy_cache/x", "build/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"Makefile", *kept}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel, built from a copy so that no build folder is left behind."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, copy)
    for name in (*PACKAGES, "tests", "benchmarks", "docs"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    name = run("from setuptools import build_meta; print(build_meta.build_wheel('.'))", copy).splitlines()[-1]
    with zipfile.ZipFile(copy / name) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_source_file_and_the_package_data(wheel: set[str]) -> None:
    expected = {
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if not is_metadata(name)} == expected
    assert "pipeline/configs/reference.yaml" in expected
    assert "components/transform/schemas/items.pbtxt" in expected


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    assert {PurePosixPath(name).parts[0] for name in wheel if not is_metadata(name)} == set(PACKAGES)


def is_metadata(name: str) -> bool:
    return PurePosixPath(name).parts[0].endswith(".dist-info")
